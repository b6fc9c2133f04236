/* SPDX-License-Identifier: Apache-2.0 */
/* The balloon, from the guest's rings to the file that its memory is (virtio 1.2, section 5.5). */
#include "devices/virtio/balloon_loop.h"
#include "tests/unit/device_guest.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>

enum { INFLATE, DEFLATE, REPORT };

#define PAGES	 0x200000 /* from here on there are pages that a guest might use */
#define GIVEN	 (TEST_RAM_BASE + PAGES)
#define PAGE	 BALLOON_PAGE_SIZE
#define PFN(gpa) ((uint32_t)((gpa) / PAGE))

static struct balloon_worker worker;

TestSuite(balloon, .init = fake_log_capture, .timeout = 60);

static int run(void *argument)
{
	return balloon_worker_run(argument);
}

static _Atomic int refusal; /* -errno of every release from now on; 0: none */

static int release(void *at, size_t size)
{
	if (refusal != 0)
		return refusal;
	return madvise(at, size, MADV_REMOVE) == 0 ? 0 : -errno;
}

static void start(void)
{
	device_guest_open();
	balloon_worker_init(&worker, device_guest.sockets[1], PAGE, release);
	device_guest_start(run, &worker, VIRTIO_ID_BALLOON, BALLOON_QUEUES, 0);
	device_guest_driver(0);
}

static void end(void)
{
	device_guest_end();
	balloon_worker_close(&worker);
}

/* How many pages of the host the guest has, from GIVEN on. */
static uint64_t pages_held(void)
{
	static unsigned char present[(GUEST_RAM_SIZE - PAGES) / PAGE];
	uint64_t count = 0;

	cr_assert_eq(
		mincore(test_ram_at(&device_guest.ram, GIVEN), sizeof(present) * PAGE, present), 0);
	for (size_t i = 0; i < sizeof(present); i++)
		count += present[i] & 1;
	return count;
}

static uint8_t *page(uint32_t index)
{
	return test_ram_at(&device_guest.ram, GIVEN + index * PAGE);
}

static void fill(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		memset(page(i), (int)i + 1, PAGE);
}

/* The chain at 0 of `queue` goes to the device and comes back. */
static void exchange(uint32_t queue)
{
	uint32_t head, written;

	device_guest_offer(queue, 0);
	cr_assert(device_guest_take(queue, &head, &written, 20000));
	cr_assert_eq(head, 0);
	cr_assert_eq(written, 0);
}

/* `numbers` on `queue`, in pieces of `piece` bytes. */
static void send_numbers(uint32_t queue, const uint32_t *numbers, uint32_t bytes, uint32_t piece)
{
	struct test_ring *ring = &device_guest.rings[queue];
	uint16_t at = 0;

	memcpy(test_ram_at(&device_guest.ram, GUEST_BUFFERS), numbers, bytes);
	for (uint32_t done = 0; done < bytes; done += piece, at++) {
		uint32_t length = bytes - done < piece ? bytes - done : piece;

		test_ring_set(ring, at, GUEST_BUFFERS + done, length,
			done + length < bytes ? VRING_DESC_F_NEXT : 0, (uint16_t)(at + 1));
	}
	exchange(queue);
}

/* 5.5.3: what is offered; 5.5.2: queues for it, wherever a driver looks for the one for reports. */
Test(balloon, offers_deflation_on_oom_and_reports_5_5_3)
{
	start();
	cr_assert_eq(device_guest.mmio.features & 0xffffff,
		1u << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | 1u << VIRTIO_BALLOON_F_REPORTING);
	end();
}

/* 5.5.6: pages that the driver names are the host's again, and of zeroes if they are used. */
Test(balloon, inflation_gives_pages_back_5_5_6)
{
	const uint32_t numbers[] = { PFN(GIVEN) + 1, PFN(GIVEN) + 3, PFN(GIVEN) + 2 };

	start();
	fill(8);
	cr_assert_eq(pages_held(), 8);
	send_numbers(INFLATE, numbers, sizeof(numbers), sizeof(numbers));
	cr_assert_eq(pages_held(), 5);
	cr_assert_eq(page(0)[PAGE - 1], 1);
	cr_assert_eq(page(4)[0], 5);
	cr_assert_eq(page(1)[7], 0);
	/* 5.5.6: the other way there is nothing to do. */
	send_numbers(DEFLATE, numbers, sizeof(numbers), sizeof(numbers));
	memset(page(2), 0x22, PAGE);
	cr_assert_eq(page(2)[5], 0x22);
	end();
	cr_assert_eq(worker.pages.released, 3 * PAGE);
}

/* 2.7.4.2: the list may be cut anywhere, inside a number as well. */
Test(balloon, numbers_in_pieces_2_7_4_2)
{
	uint32_t numbers[8] = { 0 };

	start();
	for (uint32_t piece = 1; piece <= 9; piece++) {
		uint32_t count = piece < 4 ? 3 : 8;

		fill(8);
		for (uint32_t i = 0; i < count; i++)
			numbers[i] = PFN(GIVEN) + i;
		send_numbers(INFLATE, numbers, count * 4, piece);
		cr_assert_eq(pages_held(), 8 - count, "pieces of %u", piece);
	}
	end();
}

Test(balloon, what_is_left_of_a_number_is_none)
{
	const uint32_t numbers[] = { PFN(GIVEN), PFN(GIVEN) + 1 };

	start();
	fill(2);
	send_numbers(INFLATE, numbers, 7, 7);
	cr_assert_eq(pages_held(), 1);
	send_numbers(INFLATE, numbers + 1, 3, 3);
	cr_assert_eq(pages_held(), 1);
	end();
}

Test(balloon, numbers_of_no_page_are_ignored)
{
	const uint32_t numbers[] = { 0, UINT32_MAX, PFN(TEST_RAM_BASE) - 1,
		PFN(TEST_RAM_BASE + GUEST_RAM_SIZE), PFN(GIVEN), PFN(GIVEN), 0x80000000 };

	start();
	fill(2);
	send_numbers(INFLATE, numbers, sizeof(numbers), sizeof(numbers));
	send_numbers(INFLATE, numbers, sizeof(numbers), sizeof(numbers));
	cr_assert_eq(pages_held(), 1);
	end();
	cr_assert_eq(worker.pages.outside, 10);
	cr_assert_not_null(strstr(fake_log_text(), "memory that it has not"));
	cr_assert_null(strstr(strstr(fake_log_text(), "that it has not") + 1, "that it has not"),
		"said once");
}

/* A list without end costs no more than its bound. */
Test(balloon, a_long_list_is_cut)
{
	static uint32_t numbers[BALLOON_MAX_NUMBERS + 2];

	start();
	fill(3);
	for (uint32_t i = 0; i < BALLOON_MAX_NUMBERS; i++)
		numbers[i] = PFN(GIVEN);
	numbers[BALLOON_MAX_NUMBERS - 1] = PFN(GIVEN) + 1;
	numbers[BALLOON_MAX_NUMBERS] = PFN(GIVEN) + 2;
	send_numbers(INFLATE, numbers, sizeof(numbers), sizeof(numbers));
	cr_assert_eq(pages_held(), 1, "of three");
	end();
}

/* Nothing in what the device may write to is a page number. */
Test(balloon, writable_buffer_is_no_list)
{
	const uint32_t number = PFN(GIVEN);

	start();
	fill(1);
	memcpy(test_ram_at(&device_guest.ram, GUEST_BUFFERS), &number, sizeof(number));
	test_ring_set(&device_guest.rings[INFLATE], 0, GUEST_BUFFERS, 4, VRING_DESC_F_WRITE, 0);
	exchange(INFLATE);
	cr_assert_eq(pages_held(), 1);
	end();
}

/* 5.5.6.7: buffers of this queue are the free pages themselves, whichever number it has. */
Test(balloon, reports_give_pages_back_on_any_later_queue_5_5_6_7)
{
	start();
	for (uint32_t queue = REPORT; queue < BALLOON_QUEUES; queue++) {
		struct test_ring *ring = &device_guest.rings[queue];

		fill(16);
		test_ring_set(
			ring, 0, GIVEN + PAGE, 2 * PAGE, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
		test_ring_set(ring, 1, GIVEN + 8 * PAGE, 4 * PAGE, VRING_DESC_F_WRITE, 0);
		exchange(queue);
		cr_assert_eq(pages_held(), 10, "queue %u", queue);
		cr_assert_eq(page(0)[3], 1);
		cr_assert_eq(page(7)[3], 8);
	}
	end();
}

/* What the device may only read is not its to throw away (2.7.5.1). */
Test(balloon, readable_report_is_none)
{
	start();
	fill(2);
	test_ring_set(&device_guest.rings[REPORT], 0, GIVEN, 2 * PAGE, 0, 0);
	exchange(REPORT);
	cr_assert_eq(pages_held(), 2);
	end();
}

Test(balloon, report_of_all_memory_harms_the_guest_alone)
{
	uint32_t head, written;

	start();
	fill(4);
	test_ring_set(&device_guest.rings[REPORT], 0, TEST_RAM_BASE, (uint32_t)GUEST_RAM_SIZE,
		VRING_DESC_F_WRITE, 0);
	device_guest_offer(REPORT, 0);
	/* Its rings were in it. A driver that begins anew is served. */
	device_guest_take(REPORT, &head, &written, 200);
	cr_assert_eq(pages_held(), 0);
	device_guest_driver(0);
	fill(2);
	send_numbers(INFLATE, (const uint32_t[]){ PFN(GIVEN) }, 4, 4);
	cr_assert_eq(pages_held(), 1);
	end();
}

Test(balloon, refusal_of_the_host_is_said_once)
{
	const uint32_t number = PFN(GIVEN);
	const char *first;

	start();
	refusal = -EACCES;
	fill(1);
	send_numbers(INFLATE, &number, 4, 4);
	send_numbers(INFLATE, &number, 4, 4);
	end();
	first = strstr(fake_log_text(), "cannot be given back to the host: Permission denied");
	cr_assert_not_null(first);
	cr_assert_null(strstr(first + 1, "cannot be given back"));
}
