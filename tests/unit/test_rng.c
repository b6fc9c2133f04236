/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy device, from the guest's ring (virtio 1.2, section 5.4). */
#include "devices/virtio/rng_loop.h"
#include "tests/unit/device_guest.h"
#include "tests/unit/fakes.h"
#include "vmm/base/eventfd.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

static struct rng_worker worker;

TestSuite(rng, .init = fake_log_capture, .timeout = 60);

static int run(void *argument)
{
	return rng_worker_run(argument);
}

static void start(void)
{
	device_guest_open();
	rng_worker_init(&worker, device_guest.sockets[1]);
	device_guest_start(run, &worker, VIRTIO_ID_RNG, 1, 0);
	device_guest_driver(0);
}

static void end(void)
{
	device_guest_end();
	rng_worker_close(&worker);
}

/* Offers one buffer of `size` bytes, all `filler` before; returns how many the device wrote. */
static uint32_t ask(uint32_t size, uint8_t filler)
{
	uint32_t head, written;

	memset(test_ram_at(&device_guest.ram, GUEST_BUFFERS), filler, size);
	test_ring_set(&device_guest.rings[0], 3, GUEST_BUFFERS, size, VRING_DESC_F_WRITE, 0);
	device_guest_offer(0, 3);
	cr_assert(device_guest_take(0, &head, &written, 5000));
	cr_assert_eq(head, 3);
	return written;
}

static size_t count_of(const uint8_t *bytes, size_t size, uint8_t value)
{
	size_t found = 0;

	for (size_t i = 0; i < size; i++)
		found += bytes[i] == value;
	return found;
}

Test(rng, fills_the_buffer)
{
	static uint8_t first[64];
	const uint8_t *bytes;

	start();
	bytes = test_ram_at(&device_guest.ram, GUEST_BUFFERS);
	cr_assert_eq(ask(64, 0xaa), 64, "one or more bytes (5.4.6.2): all that was asked for");
	cr_assert_lt(count_of(bytes, 64, 0xaa), 16);
	memcpy(first, bytes, sizeof(first));
	cr_assert_eq(ask(64, 0xaa), 64);
	cr_assert_neq(memcmp(first, bytes, 64), 0, "the same bytes twice");
	end();
}

/* 5.4.6: the device may use less than the whole buffer. What it did not use it does not touch. */
Test(rng, one_request_is_bounded)
{
	const uint8_t *bytes;

	start();
	bytes = test_ram_at(&device_guest.ram, GUEST_BUFFERS);
	cr_assert_eq(ask(0x100000, 0x55), RNG_REQUEST_MAX);
	cr_assert_lt(count_of(bytes, RNG_REQUEST_MAX, 0x55), RNG_REQUEST_MAX / 16);
	cr_assert_eq(count_of(bytes + RNG_REQUEST_MAX, 0x1000, 0x55), 0x1000);
	end();
}

/* 5.4.6.1 forbids the driver buffers that the device reads: nothing is written into one. */
Test(rng, a_readable_buffer_stays_as_it_is)
{
	uint32_t head, written;

	start();
	memset(test_ram_at(&device_guest.ram, GUEST_BUFFERS), 0x33, 64);
	test_ring_set(&device_guest.rings[0], 0, GUEST_BUFFERS, 64, 0, 0);
	device_guest_offer(0, 0);
	cr_assert(device_guest_take(0, &head, &written, 5000));
	cr_assert_eq(written, 0);
	cr_assert_eq(count_of(test_ram_at(&device_guest.ram, GUEST_BUFFERS), 64, 0x33), 64);
	end();
}

/* A reset withdraws the queue (2.1); the next driver finds the device as new. */
Test(rng, serves_on_after_a_reset)
{
	start();
	cr_assert_eq(ask(32, 0), 32);
	device_guest_driver(0);
	cr_assert_eq(ask(32, 0), 32);
	end();
}

Test(rng, many_requests_at_once)
{
	uint32_t head, written, seen = 0;

	start();
	for (uint16_t round = 0; round < 64; round++) {
		for (uint16_t i = 0; i < GUEST_RING_SIZE; i++) {
			test_ring_set(&device_guest.rings[0], i, GUEST_BUFFERS + i * 64u, 64,
				VRING_DESC_F_WRITE, 0);
			test_ring_offer(&device_guest.rings[0], i);
		}
		test_register_write(&device_guest.mmio, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
		for (uint16_t i = 0; i < GUEST_RING_SIZE; i++) {
			cr_assert(device_guest_take(0, &head, &written, 5000));
			cr_assert_eq(written, 64);
			seen++;
		}
	}
	cr_assert_eq(seen, 64 * GUEST_RING_SIZE);
	end();
}

/* 5.4.3: the type has no features, and 5.4.4 no configuration. */
Test(rng, has_no_features_of_its_own_5_4_3)
{
	start();
	cr_assert_eq(device_guest.mmio.features & 0xffffff, 0);
	cr_assert_eq(device_guest.mmio.config_size, 0);
	end();
}

/* 2.7.10.2: a kick for which there is no buffer does nothing, however often it comes. */
Test(rng, kicks_without_buffers_2_7_10_2)
{
	uint32_t head, written;

	start();
	for (int i = 0; i < 100; i++)
		test_register_write(&device_guest.mmio, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(ask(16, 0), 16);
	cr_assert_not(device_guest_take(0, &head, &written, 50));
	cr_assert_eq(device_guest.rings[0].used->idx, 1);
	end();
}

/* 2.1 and 4.2.2.1: when the reset is done, buffers that the driver had offered are its own again.
 */
Test(rng, buffers_are_the_drivers_after_a_reset_2_1)
{
	const uint8_t *bytes = NULL;

	start();
	bytes = test_ram_at(&device_guest.ram, GUEST_BUFFERS);
	test_register_write(&device_guest.mmio, VIRTIO_MMIO_STATUS, 0);
	memset(test_ram_at(&device_guest.ram, GUEST_BUFFERS), 0x77, 64);
	test_ring_set(&device_guest.rings[0], 0, GUEST_BUFFERS, 64, VRING_DESC_F_WRITE, 0);
	device_guest_offer(0, 0);
	event_signal(device_guest.mmio.queues[0].kick_fd);
	usleep(20 * 1000);
	cr_assert_eq(device_guest.rings[0].used->idx, 0);
	cr_assert_eq(count_of(bytes, 64, 0x77), 64);
	end();
}
