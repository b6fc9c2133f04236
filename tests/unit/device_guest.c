/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/device_guest.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct device_guest device_guest;

static void *run_worker(void *argument)
{
	struct device_guest *guest = argument;

	guest->status = guest->run(guest->worker);
	return NULL;
}

static void failed(struct virtio_mmio *mmio, int error)
{
	(void)mmio;
	device_guest.failure = error;
}

void device_guest_open(void)
{
	memset(&device_guest, 0, sizeof(device_guest));
	test_ram_open(&device_guest.ram, GUEST_RAM_SIZE);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, device_guest.sockets), 0);
}

void device_guest_start(int (*run)(void *worker), void *worker, uint32_t device_id,
	uint32_t queue_count, uint32_t config_size)
{
	struct device_guest *guest = &device_guest;
	const struct virtio_mmio_options options = {
		.name = "device",
		.device_id = device_id,
		.queue_count = queue_count,
		.queue_size_max = 128,
		.config_size = config_size,
		.front = &guest->front.front,
		.memory = &guest->ram.memory,
		.failed = failed,
	};

	guest->run = run;
	guest->worker = worker;
	guest->queue_count = queue_count;
	cr_assert_eq(pthread_create(&guest->thread, NULL, run_worker, guest), 0);
	cr_assert_eq(
		vhost_user_front_open(&guest->front, guest->sockets[0], "device", queue_count), 0);
	cr_assert_eq(virtio_mmio_init(&guest->mmio, &options), 0);
	guest->mmio.memory_fd = guest->ram.fd;
}

void device_guest_driver(uint64_t features)
{
	struct device_guest *guest = &device_guest;

	for (uint32_t i = 0; i < guest->queue_count; i++)
		test_ring_open(&guest->rings[i], &guest->ram, TEST_RAM_BASE + i * TEST_RING_BYTES,
			GUEST_RING_SIZE);
	test_driver_start(
		&guest->mmio, features | TEST_VERSION_1, guest->rings, guest->queue_count);
	cr_assert_eq(test_register_read(&guest->mmio, VIRTIO_MMIO_STATUS), 15);
}

void device_guest_end(void)
{
	struct device_guest *guest = &device_guest;

	close(guest->sockets[0]);
	pthread_join(guest->thread, NULL);
	cr_assert_eq(guest->status, 0);
	cr_assert_eq(guest->failure, 0);
	close(guest->sockets[1]);
	virtio_mmio_close(&guest->mmio);
	test_ram_close(&guest->ram);
}

void device_guest_offer(uint32_t queue, uint16_t head)
{
	test_ring_offer(&device_guest.rings[queue], head);
	test_register_write(&device_guest.mmio, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

bool device_guest_take(uint32_t queue, uint32_t *head, uint32_t *written, int timeout_ms)
{
	struct test_ring *ring = &device_guest.rings[queue];
	int call_fd = device_guest.mmio.queues[queue].call_fd;
	uint64_t count;

	/* Of use with VIRTIO_F_EVENT_IDX, ignored without it (2.7.7). */
	__atomic_store_n(&ring->available->ring[ring->size], ring->taken, __ATOMIC_SEQ_CST);
	while (!test_ring_take(ring, head, written)) {
		struct pollfd wait = { .fd = call_fd, .events = POLLIN };

		if (poll(&wait, 1, timeout_ms) != 1)
			return test_ring_take(ring, head, written);
		if (read(call_fd, &count, sizeof(count)) < 0)
			return false;
	}
	return true;
}
