/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/virtio_driver.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>

void test_ram_open(struct test_ram *ram, uint64_t size)
{
	ram->size = size;
	ram->memory.count = 0;
	ram->fd = guest_memory_create_fd(size);
	if (ram->fd < 0 || guest_memory_map(&ram->memory, ram->fd, 0, TEST_RAM_BASE, size, 0) != 0)
		abort();
	ram->memory.regions[0].frontend_va = (uintptr_t)ram->memory.regions[0].host;
}

void test_ram_close(struct test_ram *ram)
{
	guest_memory_unmap(&ram->memory);
	close(ram->fd);
}

void *test_ram_at(const struct test_ram *ram, uint64_t gpa)
{
	void *host = guest_memory_at(&ram->memory, gpa, 1);

	if (host == NULL)
		abort();
	return host;
}

void test_ring_open(struct test_ring *ring, struct test_ram *ram, uint64_t gpa, uint16_t size)
{
	memset(test_ram_at(ram, gpa), 0, TEST_RING_BYTES);
	*ring = (struct test_ring){
		.size = size,
		.descriptors_gpa = gpa,
		.available_gpa = gpa + 0x1000,
		.used_gpa = gpa + 0x1400,
	};
	ring->descriptors = test_ram_at(ram, ring->descriptors_gpa);
	ring->available = test_ram_at(ram, ring->available_gpa);
	ring->used = test_ram_at(ram, ring->used_gpa);
}

void test_ring_set(struct test_ring *ring, uint16_t index, uint64_t gpa, uint32_t length,
	uint16_t flags, uint16_t next)
{
	ring->descriptors[index] =
		(struct vring_desc){ .addr = gpa, .len = length, .flags = flags, .next = next };
}

void test_ring_offer(struct test_ring *ring, uint16_t head)
{
	uint16_t index = ring->available->idx;

	ring->available->ring[index % ring->size] = head;
	__atomic_store_n(&ring->available->idx, (uint16_t)(index + 1), __ATOMIC_SEQ_CST);
}

bool test_ring_take(struct test_ring *ring, uint32_t *head, uint32_t *written)
{
	const vring_used_elem_t *element = &ring->used->ring[ring->taken % ring->size];

	if (__atomic_load_n(&ring->used->idx, __ATOMIC_ACQUIRE) == ring->taken)
		return false;
	*head = element->id;
	*written = element->len;
	ring->taken++;
	return true;
}

struct virtqueue_addresses test_ring_addresses(const struct test_ring *ring)
{
	return (struct virtqueue_addresses){
		.descriptors = (uintptr_t)ring->descriptors,
		.available = (uintptr_t)ring->available,
		.used = (uintptr_t)ring->used,
	};
}

uint32_t test_register_read(struct virtio_mmio *mmio, uint64_t offset)
{
	return (uint32_t)mmio->region.ops->read(&mmio->region, offset, 4);
}

void test_register_write(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	mmio->region.ops->write(&mmio->region, offset, 4, value);
}

static void write_address(struct virtio_mmio *mmio, uint64_t low, uint64_t gpa)
{
	test_register_write(mmio, low, (uint32_t)gpa);
	test_register_write(mmio, low + 4, (uint32_t)(gpa >> 32));
}

void test_driver_prepare(
	struct virtio_mmio *mmio, uint64_t features, const struct test_ring *rings, uint32_t count)
{
	const uint32_t driver = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	test_register_write(mmio, VIRTIO_MMIO_STATUS, 0);
	test_register_write(mmio, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	test_register_write(mmio, VIRTIO_MMIO_STATUS, driver);
	for (uint32_t half = 0; half < 2; half++) {
		test_register_write(mmio, VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
		test_register_write(
			mmio, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> (32 * half)));
	}
	test_register_write(mmio, VIRTIO_MMIO_STATUS, driver | VIRTIO_CONFIG_S_FEATURES_OK);
	for (uint32_t i = 0; i < count; i++) {
		test_register_write(mmio, VIRTIO_MMIO_QUEUE_SEL, i);
		test_register_write(mmio, VIRTIO_MMIO_QUEUE_NUM, rings[i].size);
		write_address(mmio, VIRTIO_MMIO_QUEUE_DESC_LOW, rings[i].descriptors_gpa);
		write_address(mmio, VIRTIO_MMIO_QUEUE_AVAIL_LOW, rings[i].available_gpa);
		write_address(mmio, VIRTIO_MMIO_QUEUE_USED_LOW, rings[i].used_gpa);
		test_register_write(mmio, VIRTIO_MMIO_QUEUE_READY, 1);
	}
}

void test_driver_start(
	struct virtio_mmio *mmio, uint64_t features, const struct test_ring *rings, uint32_t count)
{
	test_driver_prepare(mmio, features, rings, count);
	test_register_write(mmio, VIRTIO_MMIO_STATUS,
		test_register_read(mmio, VIRTIO_MMIO_STATUS) | VIRTIO_CONFIG_S_DRIVER_OK);
}
