/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads what the driver put into a chain, in order: nothing says how its parts lie over descriptors
 * (virtio 1.2, 2.7.4.2). For workers.
 */
#ifndef DEVICES_VIRTIO_VIRTQUEUE_READER_H
#define DEVICES_VIRTIO_VIRTQUEUE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/virtqueue.h"

/* A place in the readable part of a chain; segment and offset are 0 at its beginning. */
struct virtqueue_reader {
	const struct virtqueue_chain *chain;
	const struct guest_memory *memory;
	uint32_t segment, offset;
};

/* Copies the next `size` bytes. False when there are fewer; some of `target` is written then. */
bool virtqueue_read(struct virtqueue_reader *reader, void *target, uint32_t size);

#endif
