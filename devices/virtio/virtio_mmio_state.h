/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the registers do when they are written: the device's life from reset to DRIVER_OK and back.
 * Inside the register file only; every function is called with mmio->lock held, unless it says
 * otherwise.
 */
#ifndef DEVICES_VIRTIO_VIRTIO_MMIO_STATE_H
#define DEVICES_VIRTIO_VIRTIO_MMIO_STATE_H

#include "devices/virtio/virtio_mmio.h"

/*
 * What Status and InterruptStatus read as, with `status` of 2.1 as it is; event_lock is held,
 * mmio->lock need not be.
 */
uint32_t virtio_mmio_status(const struct virtio_mmio *mmio, uint32_t status);
uint32_t virtio_mmio_interrupt_status(const struct virtio_mmio *mmio, uint32_t status);

/* Fast: has the page show them. The same locks. */
void virtio_mmio_publish_events(struct virtio_mmio *mmio);

/* All of virtio_mmio_reset() but its locks and the page. */
void virtio_mmio_to_power_on(struct virtio_mmio *mmio, int64_t deadline);

/* Status. 0 resets: returns when every queue has been stopped, or the device has failed. */
void virtio_mmio_write_status(struct virtio_mmio *mmio, uint32_t value);

/* QueueReady of the selected queue. */
void virtio_mmio_write_queue_ready(
	struct virtio_mmio *mmio, struct virtio_mmio_queue *queue, uint32_t value);

/* Writes `width` bytes at `offset` of the configuration space. */
void virtio_mmio_write_config(
	struct virtio_mmio *mmio, uint64_t offset, unsigned int width, uint64_t value);

/* Takes over config_size bytes; another ConfigGeneration where they differ. */
void virtio_mmio_set_config(struct virtio_mmio *mmio, const void *config);

/* Reads the back end's configuration space into mmio->config. */
int virtio_mmio_fetch_config(struct virtio_mmio *mmio);

#endif
