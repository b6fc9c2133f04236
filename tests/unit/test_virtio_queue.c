/* SPDX-License-Identifier: Apache-2.0 */
/* Split rings as a hostile driver may lay them out. Section numbers are those of virtio 1.2. */
#include "devices/virtio/virtqueue.h"
#include "tests/unit/fakes.h"
#include "tests/unit/virtio_driver.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define RAM_SIZE   UINT64_C(0x1000000)
#define RING_GPA   TEST_RAM_BASE
#define TABLE_GPA  (TEST_RAM_BASE + 0x10000) /* for indirect tables */
#define BUFFER_GPA (TEST_RAM_BASE + 0x20000)
#define RAM_END	   (TEST_RAM_BASE + RAM_SIZE)
#define SIZE	   16

#define NEXT	   VRING_DESC_F_NEXT
#define WRITE	   VRING_DESC_F_WRITE
#define INDIRECT   VRING_DESC_F_INDIRECT

static struct test_ram ram;
static struct test_ring driver;
static struct virtqueue queue;
static struct virtqueue_chain chain;

static void open_size(uint16_t size)
{
	struct virtqueue_addresses addresses;

	fake_log_capture();
	test_ram_open(&ram, RAM_SIZE);
	test_ring_open(&driver, &ram, RING_GPA, size);
	addresses = test_ring_addresses(&driver);
	queue = (struct virtqueue){ .size = size, .indirect = true };
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &addresses), 0);
	virtqueue_start(&queue, 0);
}

static void open_ring(void)
{
	open_size(SIZE);
}

static void close_ring(void)
{
	test_ram_close(&ram);
}

static int pop(void)
{
	return virtqueue_pop(&queue, &ram.memory, &chain);
}

static struct vring_desc *table_at(uint64_t gpa)
{
	return test_ram_at(&ram, gpa);
}

/* The chain at `head` must break the queue, and nothing may be taken from it afterwards. */
static void assert_breaks(uint16_t head, const char *what)
{
	test_ring_offer(&driver, head);
	cr_assert_eq(pop(), -EPROTO, "%s is taken", what);
	cr_assert(queue.broken, "%s", what);
	cr_assert_eq(pop(), -EPROTO, "%s: goes on", what);
	cr_assert_eq(driver.used->idx, 0, "%s: is used", what);
	virtqueue_start(&queue, driver.available->idx);
}

TestSuite(virtqueue, .init = open_ring, .fini = close_ring, .timeout = 30);

Test(virtqueue, empty_ring_gives_nothing)
{
	cr_assert_eq(pop(), 0);
	cr_assert_not(queue.broken);
}

Test(virtqueue, chain_comes_with_its_parts_in_order)
{
	uint32_t head, written;

	test_ring_set(&driver, 3, BUFFER_GPA, 10, NEXT, 7);
	test_ring_set(&driver, 7, BUFFER_GPA + 100, 20, NEXT | WRITE, 5);
	test_ring_set(&driver, 5, BUFFER_GPA + 200, 30, WRITE, 0);
	test_ring_offer(&driver, 3);
	cr_assert_eq(pop(), 1);
	cr_assert_eq(chain.head, 3);
	cr_assert_eq(chain.readable_count, 1);
	cr_assert_eq(chain.readable_bytes, 10);
	cr_assert_eq(chain.writable_count, 2);
	cr_assert_eq(chain.writable_bytes, 50);
	cr_assert_eq(chain.segments[2].gpa, BUFFER_GPA + 200);
	cr_assert_eq(pop(), 0);

	virtqueue_push(&queue, chain.head, 42);
	cr_assert(test_ring_take(&driver, &head, &written));
	cr_assert_eq(head, 3);
	cr_assert_eq(written, 42);
	cr_assert_not(test_ring_take(&driver, &head, &written));
}

Test(virtqueue, unpopped_chain_comes_again)
{
	test_ring_set(&driver, 2, BUFFER_GPA, 10, 0, 0);
	test_ring_offer(&driver, 2);
	cr_assert_eq(pop(), 1);
	virtqueue_unpop(&queue);
	cr_assert_eq(queue.next_available, 0);
	cr_assert_eq(pop(), 1);
	cr_assert_eq(chain.head, 2);
}

Test(virtqueue, chain_as_long_as_the_queue_is_taken)
{
	for (uint16_t i = 0; i < SIZE; i++)
		test_ring_set(&driver, i, BUFFER_GPA, 1, i + 1 < SIZE ? NEXT : 0, i + 1);
	test_ring_offer(&driver, 0);
	cr_assert_eq(pop(), 1);
	cr_assert_eq(chain.readable_count, SIZE);
}

Test(virtqueue, loops_end_2_7_5)
{
	test_ring_set(&driver, 0, BUFFER_GPA, 1, NEXT, 0);
	assert_breaks(0, "a descriptor that follows itself");
	test_ring_set(&driver, 1, BUFFER_GPA, 1, NEXT, 2);
	test_ring_set(&driver, 2, BUFFER_GPA, 1, NEXT, 1);
	assert_breaks(1, "two that follow each other");
	/* Empty buffers are skipped, but not for ever. */
	test_ring_set(&driver, 3, BUFFER_GPA, 0, NEXT, 3);
	assert_breaks(3, "an empty one that follows itself");
}

Test(virtqueue, indices_past_the_table_break_it)
{
	assert_breaks(SIZE, "the first head past the table");
	assert_breaks(0xffff, "the last head");
	test_ring_set(&driver, 0, BUFFER_GPA, 1, NEXT, SIZE);
	assert_breaks(0, "a next past the table");
	test_ring_set(&driver, 0, BUFFER_GPA, 1, 0, SIZE);
	test_ring_offer(&driver, 0);
	cr_assert_eq(pop(), 1, "a next that is not valid does not count");
}

Test(virtqueue, more_available_than_entries_breaks_it)
{
	driver.available->idx = SIZE + 1;
	cr_assert_eq(pop(), -EPROTO);
	virtqueue_start(&queue, 0);
	driver.available->idx = SIZE;
	test_ring_set(&driver, 0, BUFFER_GPA, 1, 0, 0);
	cr_assert_eq(pop(), 1);
	virtqueue_start(&queue, 1);
	driver.available->idx = 0;
	cr_assert_eq(pop(), -EPROTO, "the index went backwards");
}

Test(virtqueue, buffers_lie_in_guest_memory_or_break_it)
{
	test_ring_set(&driver, 0, RAM_END - 1, 1, 0, 0);
	test_ring_offer(&driver, 0);
	cr_assert_eq(pop(), 1, "the last byte of RAM");
	test_ring_set(&driver, 0, TEST_RAM_BASE, (uint32_t)RAM_SIZE, WRITE, 0);
	test_ring_offer(&driver, 0);
	cr_assert_eq(pop(), 1, "all of RAM");

	test_ring_set(&driver, 0, RAM_END - 1, 2, 0, 0);
	assert_breaks(0, "one byte too many");
	test_ring_set(&driver, 0, RAM_END, 1, 0, 0);
	assert_breaks(0, "the byte after RAM");
	test_ring_set(&driver, 0, TEST_RAM_BASE - 1, 2, 0, 0);
	assert_breaks(0, "the byte before RAM");
	test_ring_set(&driver, 0, TEST_RAM_BASE, (uint32_t)RAM_SIZE + 1, 0, 0);
	assert_breaks(0, "RAM and one byte");
	test_ring_set(&driver, 0, UINT64_MAX, 1, 0, 0);
	assert_breaks(0, "the last address");
	test_ring_set(&driver, 0, UINT64_MAX, UINT32_MAX, 0, 0);
	assert_breaks(0, "an address that wraps");
	test_ring_set(&driver, 0, UINT64_MAX - 0xfff, 0x2000, 0, 0);
	assert_breaks(0, "an address that wraps by a page");
	test_ring_set(&driver, 0, 0, 16, 0, 0);
	assert_breaks(0, "address 0");
}

Test(virtqueue, empty_buffers_are_skipped_wherever_they_are)
{
	test_ring_set(&driver, 0, UINT64_MAX, 0, NEXT, 1);
	test_ring_set(&driver, 1, BUFFER_GPA, 5, 0, 0);
	test_ring_offer(&driver, 0);
	cr_assert_eq(pop(), 1);
	cr_assert_eq(chain.readable_count, 1);
	cr_assert_eq(chain.readable_bytes, 5);
}

Test(virtqueue, reading_after_writing_breaks_it_2_7_4_2)
{
	test_ring_set(&driver, 0, BUFFER_GPA, 1, NEXT | WRITE, 1);
	test_ring_set(&driver, 1, BUFFER_GPA, 1, 0, 0);
	assert_breaks(0, "a readable buffer after a writable one");
}

static void indirect(uint16_t index, uint64_t gpa, uint32_t length, uint16_t flags)
{
	test_ring_set(&driver, index, gpa, length, INDIRECT | flags, 0);
}

Test(virtqueue, indirect_table_is_followed_2_7_5_3)
{
	struct vring_desc *table = table_at(TABLE_GPA);

	table[0] = (struct vring_desc){ BUFFER_GPA, 8, NEXT, 2 };
	table[2] = (struct vring_desc){ BUFFER_GPA, 16, WRITE, 0 };
	/* The write-only flag of the descriptor that names the table means nothing (2.7.5.3.2). */
	indirect(4, TABLE_GPA, 3 * 16, WRITE);
	test_ring_offer(&driver, 4);
	cr_assert_eq(pop(), 1);
	cr_assert_eq(chain.readable_bytes, 8);
	cr_assert_eq(chain.writable_bytes, 16);

	/* Normal descriptors may come first (2.7.5.3.2). */
	test_ring_set(&driver, 3, BUFFER_GPA, 4, NEXT, 4);
	test_ring_offer(&driver, 3);
	cr_assert_eq(pop(), 1);
	cr_assert_eq(chain.readable_bytes, 12);
}

Test(virtqueue, indirect_tables_are_bounded)
{
	struct vring_desc *table = table_at(TABLE_GPA);

	for (uint16_t i = 0; i <= SIZE; i++)
		table[i] = (struct vring_desc){ BUFFER_GPA, 1, i < SIZE ? NEXT : 0, i + 1 };
	indirect(0, TABLE_GPA, (SIZE + 1) * 16, 0);
	assert_breaks(0, "a table's chain that is longer than the queue");
	table[SIZE - 1].flags = 0;
	test_ring_offer(&driver, 0);
	cr_assert_eq(pop(), 1, "as long as the queue");
	cr_assert_eq(chain.readable_count, SIZE);

	table[0] = (struct vring_desc){ BUFFER_GPA, 1, NEXT, 0 };
	assert_breaks(0, "a loop inside the table");
	table[0] = (struct vring_desc){ BUFFER_GPA, 1, NEXT, SIZE + 1 };
	assert_breaks(0, "a next past the table");
	table[0] = (struct vring_desc){ BUFFER_GPA, 1, NEXT, 2 };
	table[2] = (struct vring_desc){ BUFFER_GPA, 1, 0, 0 };
	indirect(0, TABLE_GPA, 2 * 16, 0);
	assert_breaks(0, "a next past the table, in the queue's range");
	indirect(0, TABLE_GPA, (SIZE + 1) * 16, 0);
	table[0] = (struct vring_desc){ TABLE_GPA, 16, INDIRECT, 0 };
	assert_breaks(0, "a table inside a table");
	table[0] = (struct vring_desc){ BUFFER_GPA, 1, 0, 0 };
	indirect(0, TABLE_GPA, 16, NEXT);
	assert_breaks(0, "indirect with a next");
	indirect(0, TABLE_GPA, 0, 0);
	assert_breaks(0, "an empty table");
	indirect(0, TABLE_GPA, 17, 0);
	assert_breaks(0, "half a descriptor");
	indirect(0, RAM_END - 16, 32, 0);
	assert_breaks(0, "a table across the end of RAM");
	indirect(0, UINT64_MAX - 15, 32, 0);
	assert_breaks(0, "a table that wraps");
	indirect(0, TABLE_GPA, 0xfffffff0, 0);
	assert_breaks(0, "a table of 4 GiB");
	queue.indirect = false;
	indirect(0, TABLE_GPA, 16, 0);
	assert_breaks(0, "an indirect table that was not negotiated");
}

/* With a descriptor 0 that would do, if it were taken for the table's. */
Test(virtqueue, wrong_indirect_descriptors_are_not_followed_2_7_5_3_1)
{
	test_ring_set(&driver, 0, BUFFER_GPA, 1, 0, 0);
	indirect(4, TABLE_GPA, 16, NEXT);
	assert_breaks(4, "indirect with a next");
	indirect(4, TABLE_GPA, 17, 0);
	assert_breaks(4, "half a descriptor");
	queue.indirect = false;
	indirect(4, TABLE_GPA, 16, 0);
	assert_breaks(4, "an indirect table that was not negotiated");
}

Test(virtqueue, broken_ring_stays_broken)
{
	test_ring_offer(&driver, SIZE);
	cr_assert_eq(pop(), -EPROTO);
	driver.available->ring[0] = 0;
	test_ring_set(&driver, 0, BUFFER_GPA, 1, 0, 0);
	cr_assert_eq(pop(), -EPROTO, "though it was mended");
}

Test(virtqueue, chain_has_its_own_sums)
{
	for (int i = 0; i < 2; i++) {
		test_ring_set(&driver, 0, BUFFER_GPA, 5, NEXT, 1);
		test_ring_set(&driver, 1, BUFFER_GPA, 7, WRITE, 0);
		test_ring_offer(&driver, 0);
		cr_assert_eq(pop(), 1);
		cr_assert_eq(chain.readable_count, 1);
		cr_assert_eq(chain.writable_count, 1);
		cr_assert_eq(chain.readable_bytes, 5);
		cr_assert_eq(chain.writable_bytes, 7);
	}
}

Test(virtqueue, unaligned_indirect_table_is_read_all_the_same)
{
	const struct vring_desc entry = { BUFFER_GPA, 9, 0, 0 };

	memcpy(test_ram_at(&ram, TABLE_GPA + 3), &entry, sizeof(entry));
	indirect(0, TABLE_GPA + 3, 16, 0);
	test_ring_offer(&driver, 0);
	cr_assert_eq(pop(), 1);
	cr_assert_eq(chain.readable_bytes, 9);
}

Test(virtqueue, broken_ring_is_logged_once)
{
	const char *first;

	for (int i = 0; i < 10; i++)
		assert_breaks(SIZE, "a head past the table");
	first = strstr(fake_log_text(), "broke the ring");
	cr_assert_not_null(first);
	cr_assert_null(strstr(first + 1, "broke the ring"));
}

Test(virtqueue, rings_are_aligned_and_in_guest_memory_2_7)
{
	const struct virtqueue_addresses good = test_ring_addresses(&driver);
	uint64_t end = (uintptr_t)ram.memory.regions[0].host + RAM_SIZE;
	struct virtqueue_addresses bad = good;
	static const uint32_t sizes[] = { 0, 3, 15, 17, VIRTQUEUE_MAX_SIZE * 2, UINT32_MAX };

	bad.descriptors += 8;
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &bad), -EINVAL);
	cr_assert_null(queue.descriptors);
	bad = good;
	bad.available += 1;
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &bad), -EINVAL);
	bad = good;
	bad.used += 2;
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &bad), -EINVAL);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		queue.size = sizes[i];
		cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &good), -EINVAL, "size %u",
			sizes[i]);
	}
	queue.size = SIZE;
	bad = good;
	bad.descriptors = end - 16 * SIZE;
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &bad), 0, "just inside");
	bad.descriptors += 16;
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &bad), -EFAULT);
	bad = good;
	bad.available = end - (6 + 2 * SIZE);
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &bad), 0, "just inside");
	bad.available += 2;
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &bad), -EFAULT);
	bad = good;
	bad.used = end - (8 + 8 * SIZE);
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &bad), 0, "just inside");
	bad.used += 4;
	cr_assert_eq(virtqueue_find_rings(&queue, &ram.memory, &bad), -EFAULT);
	cr_assert_null(queue.used);
	cr_assert_null(queue.available);
}

/* Offers one buffer, takes it, hands it back, and says whether that is worth an interrupt. */
static bool cycle(void)
{
	test_ring_set(&driver, 0, BUFFER_GPA, 1, 0, 0);
	test_ring_offer(&driver, 0);
	cr_assert_eq(pop(), 1);
	virtqueue_push(&queue, chain.head, 0);
	return virtqueue_wants_signal(&queue);
}

Test(virtqueue, indices_wrap_at_65536)
{
	driver.available->idx = 65530;
	driver.used->idx = 65530;
	driver.taken = 65530;
	virtqueue_start(&queue, 65530);
	for (int i = 0; i < 20; i++) {
		uint32_t head, written;

		cr_assert(cycle());
		cr_assert(test_ring_take(&driver, &head, &written));
		cr_assert_eq(head, 0);
	}
	cr_assert_eq(driver.used->idx, 14);
}

Test(virtqueue, interrupts_follow_the_flag_2_7_7)
{
	cr_assert_not(virtqueue_wants_signal(&queue), "nothing was used");
	cr_assert(cycle());
	cr_assert_not(virtqueue_wants_signal(&queue), "it was told already");
	driver.available->flags = VRING_AVAIL_F_NO_INTERRUPT;
	cr_assert_not(cycle());
	driver.available->flags = 0;
	cr_assert(cycle());
}

Test(virtqueue, interrupts_follow_the_event_index_2_7_7)
{
	uint16_t *used_event = &driver.available->ring[SIZE];

	queue.event_index = true;
	*used_event = 100;
	cr_assert(cycle(), "the first one always");
	*used_event = 3;
	cr_assert_not(cycle());
	cr_assert_not(cycle());
	cr_assert(cycle(), "entry 3 was used");
	cr_assert_not(cycle());
	*used_event = 2;
	cr_assert_not(cycle(), "passed long ago");
}

Test(virtqueue, kicks_follow_the_flag_2_7_10)
{
	virtqueue_disable_kicks(&queue);
	cr_assert_eq(driver.used->flags, VRING_USED_F_NO_NOTIFY);
	cr_assert_not(virtqueue_enable_kicks(&queue));
	cr_assert_eq(driver.used->flags, 0);
	test_ring_offer(&driver, 0);
	cr_assert(virtqueue_enable_kicks(&queue), "one came in between");
}

Test(virtqueue, kicks_follow_the_event_index_2_7_10)
{
	const uint16_t *available_event = (const uint16_t *)(const void *)&driver.used->ring[SIZE];

	queue.event_index = true;
	cycle();
	cr_assert_not(virtqueue_enable_kicks(&queue));
	cr_assert_eq(*available_event, 1);
	cycle();
	virtqueue_disable_kicks(&queue);
	cr_assert_eq(*available_event, 1);
	cr_assert_eq(driver.used->flags, 0, "reserved with event indices");
}

Test(virtqueue, data_is_copied_into_the_writable_parts_only)
{
	char *buffer = test_ram_at(&ram, BUFFER_GPA);

	memset(buffer, '.', 64);
	test_ring_set(&driver, 0, BUFFER_GPA, 4, NEXT, 1);
	test_ring_set(&driver, 1, BUFFER_GPA + 8, 3, NEXT | WRITE, 2);
	test_ring_set(&driver, 2, BUFFER_GPA + 16, 3, WRITE, 0);
	test_ring_offer(&driver, 0);
	cr_assert_eq(pop(), 1);
	cr_assert_eq(virtqueue_copy_to_chain(&chain, &ram.memory, "abcdefghi", 9), 6);
	cr_assert_arr_eq(buffer, "........abc.....def.....", 24);
	cr_assert_eq(virtqueue_copy_to_chain(&chain, &ram.memory, "xy", 2), 2);
	cr_assert_arr_eq(buffer, "........xyc.....def.....", 24);
	cr_assert_eq(virtqueue_copy_to_chain(&chain, &ram.memory, "12345", 5), 5);
	cr_assert_arr_eq(buffer, "........123.....45f.....", 24);
	/* What an earlier chain has left behind this one's is not its. */
	chain.segments[3] = (struct virtqueue_segment){ .gpa = BUFFER_GPA + 20, .length = 3 };
	cr_assert_eq(virtqueue_copy_to_chain(&chain, &ram.memory, "abcdefghi", 9), 6);
	cr_assert_arr_eq(buffer, "........abc.....def.....", 24);
	cr_assert_eq(virtqueue_copy_to_chain(&chain, &(struct guest_memory){ 0 }, "abc", 3), 0,
		"memory that is gone since");
}

Test(virtqueue_long, chain_of_4_gib_breaks_it_2_7_4, .timeout = 30)
{
	open_size(256);
	/* 256 times 16 MiB are 4 GiB, one byte more than the used ring can say. */
	for (uint16_t i = 0; i < 256; i++)
		test_ring_set(
			&driver, i, TEST_RAM_BASE, (uint32_t)RAM_SIZE, i < 255 ? NEXT : 0, i + 1);
	assert_breaks(0, "4 GiB");
	driver.descriptors[255].len--;
	test_ring_offer(&driver, 0);
	cr_assert_eq(pop(), 1);
	cr_assert_eq(chain.readable_bytes, UINT32_MAX);
	close_ring();
}

static atomic_bool mutating;

/* The driver changes a descriptor while the device looks at it. */
static void *mutate(void *argument)
{
	volatile struct vring_desc *descriptor = &driver.descriptors[0];

	(void)argument;
	while (atomic_load(&mutating)) {
		descriptor->addr = BUFFER_GPA;
		descriptor->len = 16;
		descriptor->flags = 0;
		for (volatile int good = 0; good < 100; good++)
			;
		descriptor->flags = NEXT;
		descriptor->addr = UINT64_MAX - 8;
		descriptor->len = UINT32_MAX;
		descriptor->flags = INDIRECT;
		descriptor->next = SIZE;
	}
	return NULL;
}

Test(virtqueue, descriptors_are_read_once)
{
	int taken = 0;
	pthread_t thread;

	atomic_store(&mutating, true);
	pthread_create(&thread, NULL, mutate, NULL);
	/* Until some were good at the moment at which they were read. */
	for (int i = 0; i < 200000 || taken < 1000; i++) {
		virtqueue_start(&queue, driver.available->idx);
		test_ring_offer(&driver, 0);
		if (pop() != 1)
			continue;
		taken += chain.readable_count + chain.writable_count > 0;
		for (uint32_t s = 0; s < chain.readable_count + chain.writable_count; s++)
			cr_assert_not_null(guest_memory_at(
				&ram.memory, chain.segments[s].gpa, chain.segments[s].length));
	}
	atomic_store(&mutating, false);
	pthread_join(thread, NULL);
}
