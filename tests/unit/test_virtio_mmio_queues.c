/* SPDX-License-Identifier: Apache-2.0 */
/* Queues in the register file, and all orders of writes. Section numbers are those of virtio 1.2.
 */
#include "tests/unit/virtio_mmio_bench.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

TestSuite(virtio_mmio_queues, .init = open_device, .fini = close_device, .timeout = 30);

Test(virtio_mmio_queues, queue_select_may_be_anything)
{
	static const uint32_t wrong[] = { QUEUES, VIRTIO_MMIO_MAX_QUEUES, 255, 256, 65535, 65536,
		0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
	static const uint64_t registers[] = { VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_READY,
		VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH,
		VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
		VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH };

	test_driver_prepare(&mmio, TEST_VERSION_1, rings, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct virtio_mmio_queue before[VIRTIO_MMIO_MAX_QUEUES];

		set(VIRTIO_MMIO_QUEUE_SEL, wrong[i]);
		cr_assert_eq(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 0, "4.2.2: 0 for queue %u", wrong[i]);
		cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
		memcpy(before, mmio.queues, sizeof(before));
		for (size_t r = 0; r < sizeof(registers) / sizeof(registers[0]); r++)
			for (uint32_t value = 0; value < 3; value++)
				set(registers[r], value);
		cr_assert_arr_eq(before, mmio.queues, sizeof(before));
	}
	set(VIRTIO_MMIO_QUEUE_SEL, QUEUES - 1);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_NUM_MAX), SIZE_MAX_ENTRIES);
}

Test(virtio_mmio_queues, queue_notify_may_be_anything)
{
	static const uint32_t wrong[] = { 1, 2, QUEUES, VIRTIO_MMIO_MAX_QUEUES, 255, 65536,
		0x10000000, 0x7fffffff, 0x80000000, 0xffffffff };

	test_driver_prepare(&mmio, TEST_VERSION_1, rings, 1);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(eventfd_count(mmio.queues[0].kick_fd), 0, "no kick before DRIVER_OK");
	set(VIRTIO_MMIO_STATUS, ALIVE);
	eventfd_count(mmio.queues[0].kick_fd);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		set(VIRTIO_MMIO_QUEUE_NOTIFY, wrong[i]);
	for (uint32_t i = 0; i < QUEUES; i++)
		cr_assert_eq(eventfd_count(mmio.queues[i].kick_fd), 0, "queue %u", i);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(eventfd_count(mmio.queues[0].kick_fd), 2);
	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert_eq(eventfd_count(mmio.queues[0].kick_fd), 0, "no kick after a reset");
}

Test(virtio_mmio_queues, queue_size_is_a_power_of_two_up_to_the_maximum_2_7)
{
	static const uint32_t wrong[] = { 0, 3, 63, 65, 128, 32768, 65536, 0x80000000, UINT32_MAX };

	test_driver_prepare(&mmio, TEST_VERSION_1, rings, 0);
	set(VIRTIO_MMIO_QUEUE_SEL, 0);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 0, "a queue without a size");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		set(VIRTIO_MMIO_QUEUE_NUM, wrong[i]);
		cr_assert_eq(mmio.queues[0].size, 0, "size %u", wrong[i]);
	}
	for (uint32_t size = 1; size <= SIZE_MAX_ENTRIES; size *= 2) {
		set(VIRTIO_MMIO_QUEUE_NUM, size);
		cr_assert_eq(mmio.queues[0].size, size);
	}
	set(VIRTIO_MMIO_QUEUE_READY, 2);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 0, "neither 0 nor 1");
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
}

static void scribble_on_queue(void)
{
	set(VIRTIO_MMIO_QUEUE_NUM, 4);
	for (uint64_t offset = VIRTIO_MMIO_QUEUE_DESC_LOW; offset <= VIRTIO_MMIO_QUEUE_USED_HIGH;
		offset += 4)
		set(offset, 0x12345678);
}

Test(virtio_mmio_queues, queues_are_set_up_between_features_ok_and_driver_ok_3_1_1)
{
	struct virtio_mmio_queue before;

	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	scribble_on_queue();
	cr_assert_eq(mmio.queues[0].size, 0, "before FEATURES_OK");
	cr_assert_eq(mmio.queues[0].descriptors, 0);
	mmio.queues[0].size = 16;
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 0, "before FEATURES_OK");

	test_driver_prepare(&mmio, TEST_VERSION_1, rings, 1);
	before = mmio.queues[0];
	scribble_on_queue();
	cr_assert_arr_eq(&before, &mmio.queues[0], sizeof(before), "a queue that is ready");
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	scribble_on_queue();
	cr_assert_eq(mmio.queues[0].size, 4, "withdrawn, it may be changed");
	cr_assert_eq(mmio.queues[0].device, 0x1234567812345678);
}

Test(virtio_mmio_queues, queues_do_not_change_while_they_are_used)
{
	struct virtio_mmio_queue before[VIRTIO_MMIO_MAX_QUEUES];

	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	memcpy(before, mmio.queues, sizeof(before));
	for (uint32_t i = 0; i < 2; i++) {
		set(VIRTIO_MMIO_QUEUE_SEL, i);
		scribble_on_queue();
		set(VIRTIO_MMIO_QUEUE_READY, 1);
	}
	cr_assert_arr_eq(before, mmio.queues, sizeof(before));
	cr_assert_eq(back_end.started, 1, "queue 1 came too late");
}

/* 4.2.2: each address in its register alone, in whatever order they come. */
Test(virtio_mmio_queues, addresses_do_not_mix)
{
	static const uint64_t registers[] = { VIRTIO_MMIO_QUEUE_USED_HIGH,
		VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
		VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH,
		VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_NUM };
	const struct virtio_mmio_queue *queue = &mmio.queues[0];

	test_driver_prepare(&mmio, TEST_VERSION_1, rings, 0);
	for (uint32_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		set(registers[i], 1u << i);
	cr_assert_eq(queue->device, UINT64_C(0x100000002));
	cr_assert_eq(queue->driver, UINT64_C(0x400000008));
	cr_assert_eq(queue->descriptors, UINT64_C(0x1000000020));
	cr_assert_eq(queue->size, 64);
}

Test(virtio_mmio_queues, queue_can_be_withdrawn_4_2_2_2)
{
	test_driver_start(&mmio, TEST_VERSION_1, rings, 2);
	fake_trace_clear();
	set(VIRTIO_MMIO_QUEUE_SEL, 1);
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	cr_assert_str_eq(fake_trace_text(), "stop 1\n", "stopped when the write returns");
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
	eventfd_count(mmio.queues[1].kick_fd);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	cr_assert_eq(eventfd_count(mmio.queues[1].kick_fd), 0);
	scribble_on_queue();
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	cr_assert_eq(back_end.started, 2, "not again before a reset");
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(back_end.stopped, 2);
}

static void assert_misplaced(const char *what)
{
	unsigned int started = back_end.started;

	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ALIVE | NEEDS_RESET, "%s", what);
	cr_assert_eq(back_end.started, started, "%s", what);
	cr_assert_eq(failures, 0, "%s", what);
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), 0, "%s", what);
	test_ring_open(&rings[0], &ram, TEST_RAM_BASE, 16);
}

Test(virtio_mmio_queues, rings_outside_of_memory_ask_for_a_reset)
{
	const uint64_t end = TEST_RAM_BASE + RAM_SIZE;
	const char *first;

	fake_log_capture();
	rings[0].descriptors_gpa = end - 16 * 16 + 16;
	assert_misplaced("descriptors past the end");
	rings[0].descriptors_gpa = UINT64_MAX - 15;
	assert_misplaced("descriptors that wrap");
	rings[0].available_gpa = end - 36;
	assert_misplaced("available ring past the end");
	rings[0].used_gpa = end - (4 + 8 * 16);
	assert_misplaced("used ring past the end by its index");
	rings[0].used_gpa = end - 16;
	assert_misplaced("used ring past the end");
	rings[0].used_gpa = 0;
	assert_misplaced("address 0");
	rings[0].descriptors_gpa += 8;
	assert_misplaced("descriptors not on 16 bytes (2.7)");
	rings[0].available_gpa += 1;
	assert_misplaced("available ring not on 2 bytes (2.7)");
	rings[0].used_gpa += 2;
	assert_misplaced("used ring not on 4 bytes (2.7)");
	first = strstr(fake_log_text(), "outside of guest memory");
	cr_assert_not_null(first);
	cr_assert_null(strstr(first + 1, "outside of guest memory"), "logged once");
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ALIVE, "a good one is served afterwards");
	/* Up to the last byte of RAM (2.7: 6 bytes and 2, or 8, for each entry). */
	rings[0].available_gpa = end - (6 + 2 * 16);
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ALIVE);
	rings[0].available_gpa = rings[0].descriptors_gpa + 0x1000;
	rings[0].used_gpa = end - (8 + 8 * 16);
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ALIVE);
}

/* The undefined behaviour sanitizer watches the array's end. */
Test(virtio_mmio_queues, as_many_queues_as_there_can_be)
{
	struct virtio_mmio_options options = {
		.name = "test",
		.device_id = 3,
		.queue_count = VIRTIO_MMIO_MAX_QUEUES,
		.queue_size_max = SIZE_MAX_ENTRIES,
		.config = "",
		.front = &back_end.front,
		.memory = &ram.memory,
		.failed = failed,
	};

	virtio_mmio_close(&mmio);
	cr_assert_eq(virtio_mmio_init(&mmio, &options), 0);
	cr_assert_eq(mmio.memory_fd, -1, "it comes with a VM");
	mmio.memory_fd = ram.fd;
	test_driver_prepare(&mmio, TEST_VERSION_1, rings, QUEUES);
	set(VIRTIO_MMIO_QUEUE_SEL, VIRTIO_MMIO_MAX_QUEUES - 1);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_NUM_MAX), SIZE_MAX_ENTRIES);
	set(VIRTIO_MMIO_STATUS, ALIVE);
	cr_assert_eq(back_end.started, QUEUES);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_MAX_QUEUES);
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(back_end.stopped, QUEUES);
	options.queue_count++;
	virtio_mmio_close(&mmio);
	cr_assert_eq(virtio_mmio_init(&mmio, &options), -EINVAL);
	options.queue_count = 1;
	cr_assert_eq(virtio_mmio_init(&mmio, &options), 0);
}

/* --- all orders ------------------------------------------------------------------------------ */

static uint32_t random_state;

static uint32_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static uint32_t random_value(uint64_t offset)
{
	static const uint32_t statuses[] = { 0, 1, 3, 3, 11, 11, 15, 15, 15, 64, 128, 0xffffffff };
	static const uint32_t values[] = { 0, 1, 1, 2, 3, 16, 64, 65, 0x80000000, 0xffffffff };

	if (offset == VIRTIO_MMIO_STATUS)
		return statuses[random_number() % 12];
	if (offset == VIRTIO_MMIO_DRIVER_FEATURES && random_number() % 4 != 0)
		return mmio.driver_features_select == 1 ? 1 : TYPE_BIT;
	if (offset >= VIRTIO_MMIO_QUEUE_DESC_LOW && offset <= VIRTIO_MMIO_QUEUE_USED_HIGH &&
		random_number() % 4 != 0)
		return offset % 8 == 0 ? 0x40000000 + random_number() % 0x10000 * 16 : 0;
	if (random_number() % 4 == 0)
		return random_number();
	return values[random_number() % 10];
}

static void assert_consistent(uint32_t seed, unsigned int step)
{
	bool alive = (mmio.status & DRIVER_OK) != 0;

	for (uint32_t i = 0; i < VIRTIO_MMIO_MAX_QUEUES; i++) {
		const struct virtio_mmio_queue *queue = &mmio.queues[i];

		cr_assert_eq(queue->started, back_end.running[i], "seed %u step %u", seed, step);
		cr_assert(!queue->started || (alive && queue->ready && i < QUEUES),
			"seed %u step %u: queue %u runs", seed, step, i);
		cr_assert_leq(queue->size, SIZE_MAX_ENTRIES);
		cr_assert_eq(queue->size & (queue->size - 1), 0);
		cr_assert(!queue->ready || queue->size != 0);
	}
	cr_assert(!alive || (mmio.status & (ACKNOWLEDGE | DRIVER | FEATURES_OK)) == 11,
		"seed %u step %u", seed, step);
	cr_assert((mmio.status & FEATURES_OK) == 0 || (mmio.driver_features & ~mmio.features) == 0,
		"seed %u step %u", seed, step);
}

/* What a driver in its right mind writes, over and over; the noise comes in between. */
static const struct {
	uint64_t offset;
	uint32_t value;
} good_driver[] = {
	{ VIRTIO_MMIO_STATUS, 0 },
	{ VIRTIO_MMIO_STATUS, 1 },
	{ VIRTIO_MMIO_STATUS, 3 },
	{ VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1 },
	{ VIRTIO_MMIO_DRIVER_FEATURES, 1 },
	{ VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0 },
	{ VIRTIO_MMIO_DRIVER_FEATURES, TYPE_BIT },
	{ VIRTIO_MMIO_STATUS, 11 },
	{ VIRTIO_MMIO_QUEUE_SEL, 1 },
	{ VIRTIO_MMIO_QUEUE_NUM, 16 },
	{ VIRTIO_MMIO_QUEUE_DESC_LOW, 0x40000000 },
	{ VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x40001000 },
	{ VIRTIO_MMIO_QUEUE_USED_LOW, 0x40002000 },
	{ VIRTIO_MMIO_QUEUE_READY, 1 },
	{ VIRTIO_MMIO_STATUS, 15 },
	{ VIRTIO_MMIO_QUEUE_NOTIFY, 1 },
	{ VIRTIO_MMIO_QUEUE_READY, 0 },
};

Test(virtio_mmio_queues, every_order_of_writes_leaves_it_consistent)
{
	const size_t good_count = sizeof(good_driver) / sizeof(good_driver[0]);

	fake_log_capture();
	back_end.silent = true;
	for (uint32_t seed = 1; seed <= 400; seed++) {
		size_t next = 0;

		random_state = seed * 2654435761u;
		for (unsigned int step = 0; step < 500; step++) {
			uint64_t offset = random_number() % 64 * 4;

			if (random_number() % 8 != 0) {
				set(good_driver[next].offset, good_driver[next].value);
				next = (next + 1) % good_count;
			} else {
				set(offset, random_value(offset));
			}
			get(random_number() % 64 * 4);
			assert_consistent(seed, step);
		}
		set(VIRTIO_MMIO_STATUS, 0);
	}
	cr_assert_eq(failures, 0);
	cr_assert_eq(back_end.started, back_end.stopped);
	cr_assert_gt(back_end.started, 1000, "started %u times only", back_end.started);
}

/* --- several vCPUs ------------------------------------------------------------------------------
 */

#define VCPUS 4

static void *drive(void *argument)
{
	const size_t good_count = sizeof(good_driver) / sizeof(good_driver[0]);
	uint32_t seed = *(const uint32_t *)argument;

	for (unsigned int step = 0; step < 10000; step++) {
		const size_t next = step % good_count;

		set(good_driver[next].offset, good_driver[next].value);
		seed = seed * 1664525u + 1013904223u;
		if (seed >> 28 == 0)
			set(VIRTIO_MMIO_STATUS, ALIVE);
		get(seed >> 24 & 0xfc);
	}
	return NULL;
}

/* Each takes itself for the driver. The back end insists on its own: one start, one stop, in turn.
 */
Test(virtio_mmio_queues, several_vcpus_at_once)
{
	static const uint32_t seeds[VCPUS] = { 1, 22, 333, 4444 };
	pthread_t threads[VCPUS];

	fake_log_capture();
	back_end.silent = true;
	back_end.slow = true;
	for (size_t i = 0; i < VCPUS; i++)
		pthread_create(&threads[i], NULL, drive, (void *)(uintptr_t)&seeds[i]);
	for (size_t i = 0; i < VCPUS; i++)
		pthread_join(threads[i], NULL);
	assert_consistent(0, 0);
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(failures, 0);
	cr_assert_eq(back_end.started, back_end.stopped);
	cr_assert_gt(back_end.started, 10, "started %u times only", back_end.started);
}
