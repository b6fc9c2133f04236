/* SPDX-License-Identifier: Apache-2.0 */
/* The register file, rule by rule. Section numbers are those of virtio 1.2. */
#include "devices/virtio/virtio_mmio.h"
#include "tests/unit/fakes.h"
#include "tests/unit/virtio_driver.h"
#include "tests/unit/virtio_fake_front.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#define RAM_SIZE	 UINT64_C(0x100000)
#define QUEUES		 3
#define SIZE_MAX_ENTRIES 64

#define ACKNOWLEDGE	 VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER		 VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK	 VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK	 VIRTIO_CONFIG_S_DRIVER_OK
#define FAILED		 VIRTIO_CONFIG_S_FAILED
#define NEEDS_RESET	 VIRTIO_CONFIG_S_NEEDS_RESET
#define ALIVE		 (ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)

/* One bit of the device's type, version 1, and three that this register file cannot carry. */
#define TYPE_BIT	 UINT64_C(0x5)
#define OFFERED                                                                                    \
	(TYPE_BIT | TEST_VERSION_1 | UINT64_C(1) << VIRTIO_F_RING_PACKED | UINT64_C(1) << 38 |     \
		UINT64_C(1) << 24)

static struct test_ram ram;
static struct test_ring rings[QUEUES];
static struct fake_front back_end;
static struct virtio_mmio mmio;
static int failures;

static void failed(struct virtio_mmio *device, int error)
{
	(void)device;
	failures++;
	fake_trace("failed %d", error);
}

static void open_with(const void *config, uint32_t config_size)
{
	const struct virtio_mmio_options options = {
		.name = "test",
		.base = 0x0a000000,
		.device_id = 3,
		.queue_count = QUEUES,
		.queue_size_max = SIZE_MAX_ENTRIES,
		.config = config,
		.config_size = config_size,
		.front = &back_end.front,
		.memory = &ram.memory,
		.failed = failed,
	};

	cr_assert_eq(virtio_mmio_init(&mmio, &options), 0);
	mmio.memory_fd = ram.fd;
}

static void open_device(void)
{
	test_ram_open(&ram, RAM_SIZE);
	for (uint16_t i = 0; i < QUEUES; i++)
		test_ring_open(&rings[i], &ram, TEST_RAM_BASE + i * TEST_RING_BYTES, 16);
	fake_front_open(&back_end, OFFERED);
	open_with("\x11\x22\x33\x44\x55", 5);
}

static void close_device(void)
{
	virtio_mmio_close(&mmio);
	test_ram_close(&ram);
}

TestSuite(virtio_mmio, .init = open_device, .fini = close_device, .timeout = 30);

static uint32_t get(uint64_t offset)
{
	return test_register_read(&mmio, offset);
}

static void set(uint64_t offset, uint32_t value)
{
	test_register_write(&mmio, offset, value);
}

static uint64_t eventfd_count(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count) ? count : 0;
}

Test(virtio_mmio, says_what_it_is_4_2_2)
{
	cr_assert_eq(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	cr_assert_eq(get(VIRTIO_MMIO_VERSION), 2);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_ID), 3);
	cr_assert_eq(get(VIRTIO_MMIO_VENDOR_ID), VIRTIO_MMIO_VENDOR);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), 0);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	cr_assert_eq(get(VIRTIO_MMIO_CONFIG_GENERATION), 0);
}

Test(virtio_mmio, offers_what_the_back_end_has_and_it_can_carry)
{
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), TYPE_BIT, "bit 24 is reserved");
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 1, "no packed ring, no notification data");
	for (uint32_t select = 2; select != 0; select <<= 1) {
		set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, select);
		cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 0, "window %u", select);
	}
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, UINT32_MAX);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
}

static uint32_t try_features(uint64_t features)
{
	test_driver_prepare(&mmio, features, rings, 0);
	return get(VIRTIO_MMIO_STATUS) & FEATURES_OK;
}

Test(virtio_mmio, features_ok_only_for_a_subset_with_version_1_2_2_6_1)
{
	cr_assert(try_features(TEST_VERSION_1));
	cr_assert(try_features(TEST_VERSION_1 | TYPE_BIT));
	cr_assert_not(try_features(TYPE_BIT), "legacy");
	cr_assert_not(try_features(0));
	cr_assert_not(try_features(TEST_VERSION_1 | 2), "never offered");
	cr_assert_not(try_features(TEST_VERSION_1 | UINT64_C(1) << VIRTIO_F_RING_PACKED),
		"offered by the back end, but not to the driver");
	cr_assert_not(try_features(UINT64_MAX));
}

Test(virtio_mmio, features_change_only_between_driver_and_features_ok_3_1_1)
{
	set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	cr_assert_eq(mmio.driver_features, 0, "before DRIVER");
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	cr_assert_eq(mmio.driver_features, 0, "before DRIVER");
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 2);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, UINT32_MAX);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	cr_assert_eq(mmio.driver_features, 0, "no such window");
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	cr_assert_eq(mmio.driver_features, TEST_VERSION_1);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 0);
	cr_assert_eq(mmio.driver_features, TEST_VERSION_1, "after FEATURES_OK");
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(mmio.driver_features, 0);
}

Test(virtio_mmio, status_bits_come_in_order_and_stay_2_1)
{
	set(VIRTIO_MMIO_STATUS, DRIVER);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), 0, "DRIVER without ACKNOWLEDGE");
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | FEATURES_OK | DRIVER_OK);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ACKNOWLEDGE);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ACKNOWLEDGE | DRIVER, "a bit cannot be cleared");
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | DRIVER_OK);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ACKNOWLEDGE | DRIVER, "without FEATURES_OK");
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | 0xffffff30 | NEEDS_RESET);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ACKNOWLEDGE | DRIVER, "bits that do not exist");
	cr_assert_str_empty(fake_trace_text());
}

Test(virtio_mmio, failed_leaves_only_the_reset_2_1)
{
	test_driver_prepare(&mmio, TEST_VERSION_1, rings, 0);
	set(VIRTIO_MMIO_STATUS, get(VIRTIO_MMIO_STATUS) | FAILED);
	set(VIRTIO_MMIO_STATUS, ALIVE | FAILED);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ACKNOWLEDGE | DRIVER | FEATURES_OK | FAILED);
	set(VIRTIO_MMIO_QUEUE_NUM, 16);
	cr_assert_eq(mmio.queues[0].size, 0);
	cr_assert_str_empty(fake_trace_text());
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), 0);
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ALIVE);
}

Test(virtio_mmio, driver_ok_hands_the_ready_queues_over_3_1_1)
{
	const struct vhost_queue *queue = &back_end.queues[1];

	test_driver_prepare(&mmio, TEST_VERSION_1 | TYPE_BIT, rings, 2);
	cr_assert_str_empty(fake_trace_text(), "the back end hears nothing before DRIVER_OK");
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	set(VIRTIO_MMIO_STATUS, ALIVE);
	cr_assert_str_eq(fake_trace_text(),
		"features 0x100000005\n"
		"memory given\n"
		"start 0 of 16\n"
		"start 1 of 16\n");
	cr_assert_eq(queue->descriptors, rings[1].descriptors);
	cr_assert_eq(queue->available, rings[1].available);
	cr_assert_eq(queue->used, rings[1].used);
	cr_assert_eq(queue->call_fd, mmio.queues[1].call_fd);
	cr_assert_eq(queue->error_fd, mmio.error_fd);
	/* Buffers may have been made available before. */
	cr_assert_eq(eventfd_count(mmio.queues[0].kick_fd), 1);
	cr_assert_eq(eventfd_count(mmio.queues[1].kick_fd), 1);
	cr_assert_eq(eventfd_count(mmio.queues[2].kick_fd), 0);
	fake_trace_clear();
	set(VIRTIO_MMIO_STATUS, ALIVE);
	cr_assert_str_empty(fake_trace_text(), "once is enough");
}

Test(virtio_mmio, reset_returns_when_every_queue_is_stopped_2_4)
{
	test_driver_start(&mmio, TEST_VERSION_1, rings, QUEUES);
	fake_trace_clear();
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_str_eq(fake_trace_text(), "stop 0\nstop 1\nstop 2\n");
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), 0);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	for (uint32_t i = 0; i < QUEUES; i++) {
		set(VIRTIO_MMIO_QUEUE_SEL, i);
		cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 0);
		cr_assert_eq(mmio.queues[i].size, 0);
		cr_assert_eq(mmio.queues[i].descriptors, 0);
	}
	fake_trace_clear();
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_str_empty(fake_trace_text());
	test_driver_start(&mmio, TEST_VERSION_1, rings, QUEUES);
	virtio_mmio_reset(&mmio);
	cr_assert_eq(back_end.stopped, 2 * QUEUES);
	cr_assert_eq(failures, 0);
}

Test(virtio_mmio, queue_select_may_be_anything)
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

Test(virtio_mmio, queue_notify_may_be_anything)
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

Test(virtio_mmio, queue_size_is_a_power_of_two_up_to_the_maximum_2_7)
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

Test(virtio_mmio, queues_are_set_up_between_features_ok_and_driver_ok_3_1_1)
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

Test(virtio_mmio, queues_do_not_change_while_they_are_used)
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

Test(virtio_mmio, queue_can_be_withdrawn_4_2_2_2)
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

Test(virtio_mmio, interrupt_status_while_the_driver_runs_2_3)
{
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	set(VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING,
		"the back end may have signalled again without the machine's knowledge");
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

Test(virtio_mmio, queue_given_up_asks_for_a_reset_2_1_2)
{
	const uint64_t one = 1;

	virtio_mmio_queue_failed(&mmio);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), 0, "nothing was signalled");
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert_eq(write(mmio.error_fd, &one, sizeof(one)), 8);
	virtio_mmio_queue_failed(&mmio);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ALIVE | NEEDS_RESET);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	cr_assert_eq(eventfd_count(mmio.config_fd), 1, "an interrupt says so");
	set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 3, "not acknowledged yet");
	set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 1);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ALIVE | NEEDS_RESET, "until the reset");
	/* One that the reset overtakes is of no interest. */
	cr_assert_eq(write(mmio.error_fd, &one, sizeof(one)), 8);
	set(VIRTIO_MMIO_STATUS, 0);
	virtio_mmio_queue_failed(&mmio);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), 0);
	cr_assert_eq(failures, 0, "the guest's fault, not the device's");
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

Test(virtio_mmio, rings_outside_of_memory_ask_for_a_reset)
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
}

Test(virtio_mmio, back_end_that_cannot_start_fails_the_device)
{
	back_end.start_queue = -EREMOTEIO;
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert_eq(failures, 1);
	cr_assert(get(VIRTIO_MMIO_STATUS) & NEEDS_RESET);
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), NEEDS_RESET, "no reset mends it");
}

Test(virtio_mmio, back_end_that_does_not_stop_fails_the_device)
{
	test_driver_start(&mmio, TEST_VERSION_1, rings, 2);
	back_end.stop_queue = -ETIMEDOUT;
	fake_trace_clear();
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_str_eq(fake_trace_text(), "stop 0\nfailed -110\nstop 1\nfailed -110\n");
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), NEEDS_RESET);
}

Test(virtio_mmio, registers_are_four_bytes_wide_and_aligned_4_2_2_2)
{
	static const unsigned int widths[] = { 1, 2, 4, 8 };

	test_driver_prepare(&mmio, TEST_VERSION_1, rings, 1);
	for (uint64_t offset = 0; offset < 0x100; offset++)
		for (size_t w = 0; w < 4; w++) {
			if (widths[w] == 4 && offset % 4 == 0)
				continue;
			mmio.region.ops->write(&mmio.region, offset, widths[w], 0);
			mmio.region.ops->write(&mmio.region, offset, widths[w], UINT64_MAX);
			cr_assert_eq(mmio.region.ops->read(&mmio.region, offset, widths[w]), 0,
				"offset 0x%llx, width %u", (unsigned long long)offset, widths[w]);
		}
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ACKNOWLEDGE | DRIVER | FEATURES_OK);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), 1);
	cr_assert_str_empty(fake_trace_text());
}

Test(virtio_mmio, config_space_of_any_width_at_any_place)
{
	static const uint8_t expected[0x110] = { 0x11, 0x22, 0x33, 0x44, 0x55 };

	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	for (uint64_t offset = 0; offset < 0x100; offset++)
		for (unsigned int width = 1; width <= 8 && offset + width <= 0x100; width *= 2) {
			uint64_t place = VIRTIO_MMIO_CONFIG + offset, value = 0;

			memcpy(&value, expected + offset, width);
			cr_assert_eq(mmio.region.ops->read(&mmio.region, place, width), value);
			mmio.region.ops->write(&mmio.region, place, width, UINT64_MAX);
			cr_assert_eq(mmio.region.ops->read(&mmio.region, place, width), value,
				"the machine's own is read-only");
		}
}

Test(virtio_mmio, config_space_of_the_back_end_is_written_through)
{
	virtio_mmio_close(&mmio);
	fake_front_with_config(&back_end, 10);
	open_with(NULL, 10);
	cr_assert_eq(mmio.region.ops->read(&mmio.region, 0x100, 4), 0x04030201);
	mmio.region.ops->write(&mmio.region, 0x100, 1, 0xff);
	cr_assert_eq(back_end.config[0], 1, "no driver yet (3.1.1)");
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	for (uint64_t offset = 0; offset < 0x100; offset++)
		for (unsigned int width = 1; width <= 8 && offset + width <= 0x100; width *= 2)
			mmio.region.ops->write(
				&mmio.region, 0x100 + offset, width, 0xa0a0a0a0a0a0a0a0);
	for (uint32_t i = 0; i < 10; i++)
		cr_assert_eq(mmio.region.ops->read(&mmio.region, 0x100 + i, 1), 0xa0);
	cr_assert_eq(mmio.region.ops->read(&mmio.region, 0x108, 8), 0xa0a0, "0 past its end");

	back_end.write_config = -EREMOTEIO;
	mmio.region.ops->write(&mmio.region, 0x100, 1, 0);
	cr_assert_eq(failures, 0, "a refused write is the driver's mistake");
	back_end.write_config = -ECONNRESET;
	mmio.region.ops->write(&mmio.region, 0x100, 1, 0);
	cr_assert_eq(failures, 1);
}

Test(virtio_mmio, has_no_shared_memory_4_2_2)
{
	set(VIRTIO_MMIO_SHM_SEL, 7);
	for (uint64_t offset = VIRTIO_MMIO_SHM_LEN_LOW; offset <= VIRTIO_MMIO_SHM_BASE_HIGH;
		offset += 4)
		cr_assert_eq(get(offset), UINT32_MAX);
}

Test(virtio_mmio, read_only_registers_do_not_change)
{
	static const uint64_t registers[] = { VIRTIO_MMIO_MAGIC_VALUE, VIRTIO_MMIO_VERSION,
		VIRTIO_MMIO_DEVICE_ID, VIRTIO_MMIO_VENDOR_ID, VIRTIO_MMIO_DEVICE_FEATURES,
		VIRTIO_MMIO_QUEUE_NUM_MAX, VIRTIO_MMIO_INTERRUPT_STATUS,
		VIRTIO_MMIO_CONFIG_GENERATION };

	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		uint32_t before = get(registers[i]);

		set(registers[i], ~before);
		cr_assert_eq(get(registers[i]), before);
	}
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

Test(virtio_mmio, every_order_of_writes_leaves_it_consistent)
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
