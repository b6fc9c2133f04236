/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device owes a driver that keeps the rules: notifications and their suppression, the order
 * in which it publishes, and what of a ring it leaves alone. Section numbers are those of
 * virtio 1.2.
 */
#include "devices/virtio/virtqueue.h"
#include "tests/unit/fakes.h"
#include "tests/unit/virtio_driver.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RAM_SIZE   UINT64_C(0x100000)
#define BUFFER_GPA (TEST_RAM_BASE + 0x20000)
#define SIZE	   16

static struct test_ram ram;
static struct test_ring driver;
static struct virtqueue queue;
static struct virtqueue_chain chain;

static void open_size(uint32_t size)
{
	struct virtqueue_addresses addresses;

	test_ring_open(&driver, &ram, TEST_RAM_BASE, (uint16_t)size);
	if (size > 256) {
		/* Longer than what test_ring_open() has room for. */
		driver.available_gpa = TEST_RAM_BASE + 0x8000;
		driver.used_gpa = TEST_RAM_BASE + 0x9000;
		driver.available = test_ram_at(&ram, driver.available_gpa);
		driver.used = test_ram_at(&ram, driver.used_gpa);
	}
	addresses = test_ring_addresses(&driver);
	queue = (struct virtqueue){ .size = size };
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &addresses), 0);
	virtqueue_start(&queue, 0);
}

static void open_ring(void)
{
	fake_log_capture();
	test_ram_open(&ram, RAM_SIZE);
	open_size(SIZE);
}

static void close_ring(void)
{
	test_ram_close(&ram);
}

TestSuite(virtqueue_rules, .init = open_ring, .fini = close_ring, .timeout = 60);

static uint16_t *used_event(void)
{
	return &driver.available->ring[driver.size];
}

static uint16_t *available_event(void)
{
	return (uint16_t *)(void *)&driver.used->ring[driver.size];
}

static void offer(uint16_t head)
{
	test_ring_set(&driver, head, BUFFER_GPA, 1, 0, 0);
	test_ring_offer(&driver, head);
}

/* One buffer goes through; no word about interrupts yet. */
static void cycle(void)
{
	offer(0);
	cr_assert_eq(virtqueue_pop(&queue, &ram.memory, &chain), 1);
	virtqueue_push(&queue, chain.head, 0);
}

/* Starts the ring at index `at` on both sides, as after so many buffers. */
static void go_on_at(uint16_t at)
{
	driver.available->idx = at;
	driver.used->idx = at;
	driver.taken = at;
	virtqueue_start(&queue, at);
}

/* --- notifications of used buffers ---------------------------------------------------------- */

Test(virtqueue_rules, used_event_means_nothing_unless_negotiated_2_7_7_2)
{
	for (uint16_t i = 0; i < 2 * SIZE; i++) {
		*used_event() = (uint16_t)(i + 100);
		cycle();
		cr_assert(virtqueue_wants_signal(&queue));
	}
}

Test(virtqueue_rules, flags_mean_nothing_with_event_index_2_7_7_2)
{
	queue.event_index = true;
	cycle();
	virtqueue_wants_signal(&queue);
	driver.available->flags = VRING_AVAIL_F_NO_INTERRUPT;
	*used_event() = 1;
	cycle();
	cr_assert(virtqueue_wants_signal(&queue), "the lower bit of flags is ignored");
}

/* 2.7.7.2: exactly when an entry was written at used_event, wherever in a batch, at every index. */
Test(virtqueue_rules, event_index_is_met_anywhere_in_a_batch_and_across_the_wrap_2_7_7_2)
{
	static const uint16_t starts[] = { 0, 5, 32760, 65530, 65535 };

	queue.event_index = true;
	for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
		for (uint16_t batch = 1; batch <= SIZE; batch++)
			for (int event = -2; event < SIZE + 2; event++) {
				go_on_at(starts[s]);
				cycle();
				virtqueue_wants_signal(&queue);
				*used_event() = (uint16_t)(starts[s] + 1 + event);
				for (uint16_t i = 0; i < batch; i++)
					cycle();
				cr_assert_eq(virtqueue_wants_signal(&queue),
					event >= 0 && event < batch,
					"start %u, batch of %u, event %d", starts[s], batch, event);
				cr_assert_not(virtqueue_wants_signal(&queue), "twice");
			}
}

/* A ring that starts has told nothing yet, wherever it starts; the first one is told always. */
Test(virtqueue_rules, ring_that_starts_anew_2_7_7_2)
{
	queue.event_index = true;
	for (uint16_t life = 0; life < 3; life++) {
		go_on_at((uint16_t)(life * 7));
		cr_assert_not(virtqueue_wants_signal(&queue), "nothing was used in it");
		*used_event() = 1000;
		cycle();
		cr_assert(virtqueue_wants_signal(&queue));
		cycle();
		cr_assert_not(virtqueue_wants_signal(&queue));
	}
}

/* --- notifications of available buffers ----------------------------------------------------- */

/* 2.7.10.2: flags are 0 with event indices, and only 0 or 1 otherwise; the rest is left alone. */
Test(virtqueue_rules, device_says_what_kicks_it_wants_in_one_way_only_2_7_10_2)
{
	*available_event() = 0x5555;
	virtqueue_disable_kicks(&queue);
	cr_assert_eq(driver.used->flags, 1);
	virtqueue_enable_kicks(&queue);
	cr_assert_eq(driver.used->flags, 0);
	cr_assert_eq(*available_event(), 0x5555, "not negotiated, not the device's");

	queue.event_index = true;
	virtqueue_disable_kicks(&queue);
	cr_assert_eq(driver.used->flags, 0);
	virtqueue_enable_kicks(&queue);
	cr_assert_eq(driver.used->flags, 0);
	cr_assert_eq(*available_event(), 0);
}

/* 2.7.10.1: the driver kicks when it writes the entry at avail_event: the next one, at any index.
 */
Test(virtqueue_rules, kick_is_asked_for_the_next_buffer_across_the_wrap_2_7_10)
{
	queue.event_index = true;
	go_on_at(65530);
	for (uint16_t i = 0; i < 20; i++) {
		cr_assert_not(virtqueue_enable_kicks(&queue));
		cr_assert_eq(*available_event(), driver.available->idx);
		offer(0);
		cr_assert(virtqueue_enable_kicks(&queue), "it came before the wish was there");
		cr_assert_eq(virtqueue_pop(&queue, &ram.memory, &chain), 1);
		virtqueue_push(&queue, chain.head, 0);
	}
}

Test(virtqueue_rules, broken_ring_asks_for_nothing)
{
	test_ring_offer(&driver, SIZE);
	cr_assert_eq(virtqueue_pop(&queue, &ram.memory, &chain), -EPROTO);
	cr_assert_not(virtqueue_enable_kicks(&queue), "a worker would spin");
}

/* --- what is written, and where ------------------------------------------------------------- */

/* 2.7.5, 2.7.6: the descriptor table and the available ring are the driver's; 2.7.8: of the used
 * ring a device writes one entry for each buffer, in turn, and the index. */
Test(virtqueue_rules, device_writes_its_used_entry_and_nothing_else_2_7_5_2_7_6_2_7_8)
{
	static uint8_t before[TEST_RING_BYTES];
	const size_t used_at = driver.used_gpa - driver.descriptors_gpa;
	const uint8_t *ring = test_ram_at(&ram, driver.descriptors_gpa);

	for (uint32_t i = 0; i < 5 * SIZE; i++) {
		const size_t entry = used_at + 4 + (i % SIZE) * sizeof(vring_used_elem_t);

		offer((uint16_t)(i * 7 % SIZE));
		memcpy(before, ring, sizeof(before));
		cr_assert_eq(virtqueue_pop(&queue, &ram.memory, &chain), 1);
		cr_assert_arr_eq(before, ring, sizeof(before), "taking a buffer writes");
		virtqueue_push(&queue, chain.head, i + 1000);
		cr_assert_eq(driver.used->ring[i % SIZE].id, i * 7 % SIZE);
		cr_assert_eq(driver.used->ring[i % SIZE].len, i + 1000);
		cr_assert_eq(driver.used->idx, i + 1);
		memcpy(before + entry, ring + entry, sizeof(vring_used_elem_t));
		memcpy(before + used_at + 2, ring + used_at + 2, sizeof(uint16_t));
		cr_assert_arr_eq(before, ring, sizeof(before), "buffer %u", i);
	}
}

/* 2.7: a queue of one entry, and the longest that is served here. */
Test(virtqueue_rules, shortest_and_longest_queue_2_7)
{
	static const uint32_t sizes[] = { 1, 2, VIRTQUEUE_MAX_SIZE };

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		open_size(sizes[s]);
		for (uint32_t i = 0; i < 3 * sizes[s]; i++) {
			uint32_t head, written;

			offer((uint16_t)(i % sizes[s]));
			cr_assert_eq(virtqueue_pop(&queue, &ram.memory, &chain), 1);
			virtqueue_push(&queue, chain.head, i);
			cr_assert(test_ring_take(&driver, &head, &written));
			cr_assert_eq(head, i % sizes[s]);
			cr_assert_eq(written, i);
		}
	}
}

/* 2.7.9: VIRTIO_F_IN_ORDER is not offered, so buffers may come back in any order. */
Test(virtqueue_rules, buffers_may_come_back_in_any_order_2_7_9)
{
	uint32_t head, written;

	offer(4);
	offer(9);
	cr_assert_eq(virtqueue_pop(&queue, &ram.memory, &chain), 1);
	cr_assert_eq(virtqueue_pop(&queue, &ram.memory, &chain), 1);
	virtqueue_push(&queue, 9, 1);
	cr_assert(test_ring_take(&driver, &head, &written));
	cr_assert_eq(head, 9);
	virtqueue_push(&queue, 4, 2);
	cr_assert(test_ring_take(&driver, &head, &written));
	cr_assert_eq(head, 4);
}

/* --- the order of accesses ------------------------------------------------------------------- */

#define PAGE UINT64_C(0x1000)

/* Pages that fault once each; the order in which they did. */
static uint64_t watched[5];
static size_t faults;
static char order[8];

static void on_fault(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++) {
		char *page = test_ram_at(&ram, watched[i]);

		if ((uintptr_t)info->si_addr - (uintptr_t)page >= PAGE)
			continue;
		order[faults++] = "diauU"[i];
		mprotect(page, PAGE, PROT_READ | PROT_WRITE);
		return;
	}
	abort();
}

/*
 * 2.7.13 (and 2.7.8.2): whoever sees an index sees all that it stands for. So the device looks at
 * the available index, then at the entry, then at the descriptor; it writes its used entry and then
 * the index. Indices and first entries lie on either side of a page's end here.
 */
Test(virtqueue_rules, indices_are_read_first_and_written_last_2_7_8_2_2_7_13)
{
	const struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	const uint64_t pages = TEST_RAM_BASE + 0x40000;
	struct virtqueue_addresses addresses;

	driver.available_gpa = pages + PAGE - 4;
	driver.used_gpa = pages + 3 * PAGE - 4;
	driver.available = test_ram_at(&ram, driver.available_gpa);
	driver.used = test_ram_at(&ram, driver.used_gpa);
	addresses = test_ring_addresses(&driver);
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &addresses), 0);
	virtqueue_start(&queue, 0);
	offer(0);
	watched[0] = driver.descriptors_gpa;
	for (size_t i = 0; i < 4; i++)
		watched[i + 1] = pages + i * PAGE;
	sigaction(SIGSEGV, &action, NULL);
	for (size_t i = 0; i < 5; i++)
		cr_assert_eq(mprotect(test_ram_at(&ram, watched[i]), PAGE, PROT_NONE), 0);
	cr_assert_eq(virtqueue_pop(&queue, &ram.memory, &chain), 1);
	cr_assert_str_eq(order, "iad");
	virtqueue_push(&queue, chain.head, 1);
	cr_assert_str_eq(order, "iadUu");
	cr_assert_eq(driver.used->idx, 1);
	cr_assert_eq(driver.used->ring[0].len, 1);
}
