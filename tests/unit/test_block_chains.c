/* SPDX-License-Identifier: Apache-2.0 */
/* A disk's requests in every shape that a chain may have, in flight, and over resets. */
#include "tests/unit/block_guest.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#define NEXT  VRING_DESC_F_NEXT
#define WRITE VRING_DESC_F_WRITE

TestSuite(block_chains, .init = fake_log_capture, .timeout = 120);

static void start(void)
{
	block_guest_open();
	block_guest_start(DISK_FEATURES);
}

static void set(uint16_t i, uint64_t gpa, uint32_t length, uint16_t flags)
{
	test_ring_set(&device_guest.rings[0], i, gpa, length, flags, (uint16_t)(i + 1));
}

/* 2.7.4.2: nothing says how header, data and status lie over descriptors. */
Test(block_chains, header_in_pieces_data_beside_it)
{
	start();
	block_guest_header(0, VIRTIO_BLK_T_OUT, 3);
	/* 1 + 6 + 9 bytes, the last of which stand before the data, in one buffer with it. */
	memcpy(test_ram_at(&device_guest.ram, DATA_GPA),
		test_ram_at(&device_guest.ram, HEADER_GPA(0) + 7), 9);
	memset(block_guest_data() + 9, 0x5a, 512);
	set(0, HEADER_GPA(0), 1, NEXT);
	set(1, HEADER_GPA(0) + 1, 6, NEXT);
	set(2, DATA_GPA, 9 + 500, NEXT);
	set(3, DATA_GPA + 509, 12, NEXT);
	set(4, STATUS_GPA(0), 1, WRITE);
	device_guest_offer(0, 0);
	cr_assert_eq(block_guest_wait(0), 1);
	cr_assert_eq(block_guest_status(0), VIRTIO_BLK_S_OK);
	cr_assert_eq(memcmp(block_guest_image(3 * 512, 512), block_guest_data() + 9, 512), 0);
	block_guest_end();
}

/* The status is the last byte that may be written, in one buffer with data or not. */
Test(block_chains, status_behind_the_data)
{
	start();
	block_guest_header(0, VIRTIO_BLK_T_IN, 1);
	memset(block_guest_data(), 0xff, 1100);
	set(0, HEADER_GPA(0), 16, NEXT);
	set(1, DATA_GPA, 3, NEXT | WRITE);
	set(2, DATA_GPA + 3, 1024 - 3 + 1, WRITE);
	device_guest_offer(0, 0);
	cr_assert_eq(block_guest_wait(0), 1025);
	for (uint32_t i = 0; i < 1024; i++)
		cr_assert_eq(block_guest_data()[i], block_guest_byte(512 + i));
	cr_assert_eq(block_guest_data()[1024], VIRTIO_BLK_S_OK);
	cr_assert_eq(block_guest_data()[1025], 0xff);
	block_guest_end();
}

Test(block_chains, no_whole_header_is_an_error)
{
	start();
	block_guest_header(0, VIRTIO_BLK_T_IN, 0);
	set(0, HEADER_GPA(0), 15, NEXT);
	set(1, STATUS_GPA(0), 1, WRITE);
	device_guest_offer(0, 0);
	block_guest_wait(0);
	cr_assert_eq(block_guest_status(0), VIRTIO_BLK_S_IOERR);
	block_guest_header(0, VIRTIO_BLK_T_IN, 0);
	device_guest_offer(0, 1);
	block_guest_wait(1);
	cr_assert_eq(block_guest_status(0), VIRTIO_BLK_S_IOERR, "no header at all");
	block_guest_end();
}

/* With no place for a status there is nothing to say; the disk goes on. */
Test(block_chains, no_room_for_a_status)
{
	start();
	block_guest_header(0, VIRTIO_BLK_T_OUT, 0);
	memset(block_guest_data(), 0, 512);
	set(0, HEADER_GPA(0), 16, NEXT);
	set(1, DATA_GPA, 512, 0);
	device_guest_offer(0, 0);
	cr_assert_eq(block_guest_wait(0), 0);
	cr_assert_eq(block_guest_image(0, 512)[0], block_guest_byte(0), "nothing was done");
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), VIRTIO_BLK_S_OK);
	block_guest_end();
}

/* Data in the direction that the type does not have is not looked at. */
Test(block_chains, data_in_the_wrong_direction)
{
	start();
	memset(block_guest_data(), 0x99, 512);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_OUT, 0, 512, true, NULL), VIRTIO_BLK_S_OK);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_IN, 0, 512, false, NULL), VIRTIO_BLK_S_OK);
	cr_assert_eq(block_guest_data()[0], 0x99);
	cr_assert_eq(block_guest_image(0, 512)[0], block_guest_byte(0));
	block_guest_end();
}

/* 5.2.4: a driver may not have more data buffers than seg_max. */
Test(block_chains, more_segments_than_allowed)
{
	struct vring_desc *table;

	block_guest_open();
	block_guest_start(DISK_FEATURES | UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC);
	table = test_ram_at(&device_guest.ram, DATA_GPA + 0x10000);
	/* A queue of 16 entries takes chains of 16 (2.7.5); the limit is tried with the parser. */
	for (uint16_t i = 0; i < 14; i++)
		table[i + 1] = (struct vring_desc){ DATA_GPA + i * 512u, 512, NEXT | WRITE,
			(uint16_t)(i + 2) };
	table[0] = (struct vring_desc){ HEADER_GPA(0), 16, NEXT, 1 };
	table[15] = (struct vring_desc){ STATUS_GPA(0), 1, WRITE, 0 };
	block_guest_header(0, VIRTIO_BLK_T_IN, 0);
	test_ring_set(
		&device_guest.rings[0], 0, DATA_GPA + 0x10000, 16 * 16, VRING_DESC_F_INDIRECT, 0);
	device_guest_offer(0, 0);
	cr_assert_eq(block_guest_wait(0), 14 * 512 + 1);
	cr_assert_eq(block_guest_status(0), VIRTIO_BLK_S_OK);
	block_guest_end();
}

Test(block_chains, parser_bounds_segments)
{
	static struct virtqueue_chain chain;
	static struct block_request request;
	const struct block_disk disk = { .sectors = 4096 };
	static const uint32_t counts[] = { BLOCK_MAX_SEGMENTS + 2, BLOCK_MAX_SEGMENTS + 3, 1022 };

	device_guest_open();
	block_guest_header(0, VIRTIO_BLK_T_IN, 0);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		chain.readable_count = 1;
		chain.writable_count = counts[i] + 1;
		chain.readable_bytes = 16;
		chain.writable_bytes = counts[i] * 512 + 1;
		chain.segments[0] = (struct virtqueue_segment){ HEADER_GPA(0), 16 };
		for (uint32_t j = 1; j <= counts[i]; j++)
			chain.segments[j] = (struct virtqueue_segment){ DATA_GPA, 512 };
		chain.segments[counts[i] + 1] = (struct virtqueue_segment){ STATUS_GPA(0), 1 };
		block_request_parse(&request, &chain, &device_guest.ram.memory, &disk);
		cr_assert_eq(request.status, i == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR);
		cr_assert_eq(request.operation, i == 0 ? BLOCK_READ : BLOCK_ANSWER);
		cr_assert_leq(request.buffer_count, BLOCK_MAX_SEGMENTS + 2);
	}
	test_ram_close(&device_guest.ram);
}

/* Many at once on several queues, each queue's answers in its own ring. */
Test(block_chains, many_at_once_on_every_queue)
{
	uint32_t head, written;

	block_guest_open();
	block_guest.shape.queue_count = 4;
	block_guest_start(DISK_FEATURES);
	for (uint32_t round = 0; round < 50; round++) {
		for (uint32_t queue = 0; queue < 4; queue++) {
			for (uint16_t i = 0; i < 5; i++) {
				struct test_ring *ring = &device_guest.rings[queue];
				uint32_t n = queue * 5 + i;
				uint64_t data = DATA_GPA + n * UINT64_C(512);

				block_guest_header(n, VIRTIO_BLK_T_IN, n + round);
				test_ring_set(ring, (uint16_t)(3 * i), HEADER_GPA(n), 16, NEXT,
					(uint16_t)(3 * i + 1));
				test_ring_set(ring, (uint16_t)(3 * i + 1), data, 512, NEXT | WRITE,
					(uint16_t)(3 * i + 2));
				test_ring_set(
					ring, (uint16_t)(3 * i + 2), STATUS_GPA(n), 1, WRITE, 0);
				device_guest_offer(queue, (uint16_t)(3 * i));
			}
		}
		for (uint32_t n = 0; n < 20; n++) {
			cr_assert(device_guest_take(n / 5, &head, &written, 20000));
			cr_assert_eq(written, 513);
			cr_assert_lt(head, 15);
		}
		for (uint32_t n = 0; n < 20; n++) {
			cr_assert_eq(block_guest_status(n), VIRTIO_BLK_S_OK);
			cr_assert_eq(block_guest_data()[n * 512],
				block_guest_byte((n + round) * UINT64_C(512)));
		}
	}
	block_guest_end();
}

/* A driver that resets the device; returns what the status byte held when that was done. */
static void *reset_device(void *status)
{
	test_register_write(&device_guest.mmio, VIRTIO_MMIO_STATUS, 0);
	*(uint8_t *)status = block_guest_status(0);
	return NULL;
}

/* Offers a write, which cannot go on while the test holds block_guest.file.writers. */
static void offer_slow_write(void)
{
	block_guest_header(0, VIRTIO_BLK_T_OUT, 8);
	memset(block_guest_data(), 0xc3, 512);
	set(0, HEADER_GPA(0), 16, NEXT);
	set(1, DATA_GPA, 512, NEXT);
	set(2, STATUS_GPA(0), 1, WRITE);
	device_guest_offer(0, 0);
}

/* 2.1: when the reset is done nothing of before reaches the driver; what was taken is done. */
Test(block_chains, reset_waits_for_what_is_in_flight)
{
	pthread_t thread;
	uint32_t head, written;
	uint8_t status = 0xee;

	block_guest_open();
	block_guest.file.offset_alignment = 512;
	block_guest_start(DISK_FEATURES);
	pthread_rwlock_wrlock(&block_guest.file.writers);
	offer_slow_write();
	cr_assert_not(device_guest_take(0, &head, &written, 100), "it cannot be done yet");
	pthread_create(&thread, NULL, reset_device, &status);
	usleep(200 * 1000);
	cr_assert_eq(block_guest_status(0), 0xff);
	pthread_rwlock_unlock(&block_guest.file.writers);
	pthread_join(thread, NULL);
	cr_assert_eq(status, VIRTIO_BLK_S_OK, "answered before the reset was");
	cr_assert_eq(block_guest_image(8 * 512, 512)[0], 0xc3);
	/* The next driver's rings are empty, and stay so. */
	device_guest_driver(DISK_FEATURES);
	cr_assert_not(device_guest_take(0, &head, &written, 100));
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), VIRTIO_BLK_S_OK);
	block_guest_end();
}

/* A disk that does not finish in time has failed; the register file says so, and goes on. */
Test(block_chains, reset_has_a_deadline)
{
	block_guest_open();
	block_guest.file.offset_alignment = 512;
	block_guest_start(DISK_FEATURES);
	device_guest.front.deadline_ms = 300;
	pthread_rwlock_wrlock(&block_guest.file.writers);
	offer_slow_write();
	usleep(100 * 1000);
	test_register_write(&device_guest.mmio, VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(device_guest.failure, -ETIMEDOUT);
	cr_assert((test_register_read(&device_guest.mmio, VIRTIO_MMIO_STATUS) &
			  VIRTIO_CONFIG_S_NEEDS_RESET) != 0);
	pthread_rwlock_unlock(&block_guest.file.writers);
	device_guest.failure = 0;
	block_guest_end();
}

/* The ring breaks while a request is in flight: it is not answered into what is there now. */
Test(block_chains, broken_ring_with_a_request_in_flight)
{
	uint32_t head, written;

	block_guest_open();
	block_guest.file.offset_alignment = 512;
	block_guest_start(DISK_FEATURES);
	pthread_rwlock_wrlock(&block_guest.file.writers);
	offer_slow_write();
	cr_assert_not(device_guest_take(0, &head, &written, 100));
	test_ring_set(&device_guest.rings[0], 5, 0, 16, 0, 0);
	device_guest_offer(0, 5);
	usleep(100 * 1000);
	pthread_rwlock_unlock(&block_guest.file.writers);
	cr_assert_not(device_guest_take(0, &head, &written, 200));
	device_guest_driver(DISK_FEATURES);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), VIRTIO_BLK_S_OK);
	block_guest_end();
}
