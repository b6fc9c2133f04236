/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's side of virtio for tests: RAM, split rings in it, and a driver on a register file. */
#ifndef TESTS_UNIT_VIRTIO_DRIVER_H
#define TESTS_UNIT_VIRTIO_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "devices/virtio/virtio_mmio.h"
#include "devices/virtio/virtqueue.h"
#include "vmm/base/guest_memory.h"

#define TEST_RAM_BASE  UINT64_C(0x40000000)
#define TEST_VERSION_1 (UINT64_C(1) << 32)

struct test_ram {
	int fd;
	uint64_t size;
	struct guest_memory memory; /* front-end addresses are the mapping's own */
};

void test_ram_open(struct test_ram *ram, uint64_t size);
void test_ram_close(struct test_ram *ram);
void *test_ram_at(const struct test_ram *ram, uint64_t gpa);

/* A split ring as a driver sees it. */
struct test_ring {
	uint16_t size;
	uint64_t descriptors_gpa, available_gpa, used_gpa;
	struct vring_desc *descriptors;
	struct vring_avail *available;
	struct vring_used *used;
	uint16_t taken; /* used entries that were looked at */
};

/* Lays an empty ring out from `gpa`, in at most TEST_RING_BYTES for up to 256 entries. */
#define TEST_RING_BYTES 0x2000
void test_ring_open(struct test_ring *ring, struct test_ram *ram, uint64_t gpa, uint16_t size);

void test_ring_set(struct test_ring *ring, uint16_t index, uint64_t gpa, uint32_t length,
	uint16_t flags, uint16_t next);
/* Makes the chain at `head` available. */
void test_ring_offer(struct test_ring *ring, uint16_t head);
/* False when the device used nothing new. */
bool test_ring_take(struct test_ring *ring, uint32_t *head, uint32_t *written);

struct virtqueue_addresses test_ring_addresses(const struct test_ring *ring);

uint32_t test_register_read(struct virtio_mmio *mmio, uint64_t offset);
void test_register_write(struct virtio_mmio *mmio, uint64_t offset, uint32_t value);

/* What a driver does up to, and with, DRIVER_OK (3.1.1). */
void test_driver_start(
	struct virtio_mmio *mmio, uint64_t features, const struct test_ring *rings, uint32_t count);
/* The same without DRIVER_OK. */
void test_driver_prepare(
	struct virtio_mmio *mmio, uint64_t features, const struct test_ring *rings, uint32_t count);

#endif
