/* SPDX-License-Identifier: Apache-2.0 */
/* The register file, rule by rule. Section numbers are those of virtio 1.2. */
#include "tests/unit/virtio_mmio_bench.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

TestSuite(virtio_mmio, .init = open_device, .fini = close_device, .timeout = 30);

Test(virtio_mmio, says_what_it_is_4_2_2)
{
	cr_assert_null(mmio.page.bytes, "it traps");
	cr_assert_eq(eventfd_count(mmio.config_fd), 0);
	for (uint32_t i = 0; i < QUEUES; i++)
		cr_assert_eq(eventfd_count(mmio.queues[i].call_fd) +
				eventfd_count(mmio.queues[i].kick_fd),
			0, "nothing has happened yet");
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
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	cr_assert_eq(mmio.driver_features, 0, "what the driver looks at it does not take");
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
	virtio_mmio_reset(&mmio, INT64_MAX);
	cr_assert_eq(back_end.stopped, 2 * QUEUES);
	cr_assert_eq(failures, 0);
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
	set(VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_INT_CONFIG);
	cr_assert_eq(get(VIRTIO_MMIO_INTERRUPT_STATUS), 3, "a kick is none");
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

Test(virtio_mmio, back_end_that_cannot_start_fails_the_device)
{
	back_end.start_queue = -EREMOTEIO;
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert_eq(failures, 1);
	cr_assert_not_null(strstr(fake_log_text(), "test: the back end cannot be started: "));
	cr_assert(get(VIRTIO_MMIO_STATUS) & NEEDS_RESET);
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), NEEDS_RESET, "no reset mends it");
	/* A driver that goes on: the VM ends soon, and neither it nor the log is kept busy. */
	fake_trace_clear();
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert_str_empty(fake_trace_text(), "a back end that has failed is left alone");
	cr_assert_eq(failures, 1);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ALIVE | NEEDS_RESET);
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

/* What the devices' back ends have (capacity, geometry) is not the driver's to write. */
Test(virtio_mmio, config_space_of_the_back_end_is_read_only)
{
	uint32_t generation;

	virtio_mmio_close(&mmio);
	fake_front_with_config(&back_end, 10);
	open_with(NULL, 10);
	generation = get(VIRTIO_MMIO_CONFIG_GENERATION);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	for (uint64_t offset = 0; offset < 0x100; offset++)
		for (unsigned int width = 1; width <= 8 && offset + width <= 0x100; width *= 2)
			mmio.region.ops->write(&mmio.region, 0x100 + offset, width, UINT64_MAX);
	cr_assert_eq(mmio.region.ops->read(&mmio.region, 0x100, 8), 0x0807060504030201);
	cr_assert_eq(mmio.region.ops->read(&mmio.region, 0x108, 8), 0x0a09, "0 past its end");
	cr_assert_eq(get(VIRTIO_MMIO_CONFIG_GENERATION), generation);
	cr_assert_eq(failures, 0);
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

/* 6 and 2.2: the bits of a device's type, 28, 29 and 32, whatever else a back end has. */
Test(virtio_mmio, offers_no_feature_that_it_does_not_carry_6)
{
	virtio_mmio_close(&mmio);
	fake_front_open(&back_end, UINT64_MAX);
	open_with("", 0);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 0x30ffffff);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), 1,
		"nor packed rings, in-order use, reset "
		"of a queue, notification data");
}

/* 2.1: a reset is back to where it all began, the windows too. */
Test(virtio_mmio, windows_are_the_first_after_a_reset_2_1)
{
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_QUEUE_SEL, QUEUES);
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_FEATURES), TYPE_BIT);
	cr_assert_eq(get(VIRTIO_MMIO_QUEUE_NUM_MAX), SIZE_MAX_ENTRIES);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER);
	set(VIRTIO_MMIO_DRIVER_FEATURES, TYPE_BIT);
	cr_assert_eq(mmio.driver_features, TYPE_BIT);
}

/* 4.2.2: a device without configuration has none, whoever would have it. */
Test(virtio_mmio, no_configuration_at_all)
{
	virtio_mmio_close(&mmio);
	open_with(NULL, 0);
	cr_assert_eq(mmio.region.ops->read(&mmio.region, VIRTIO_MMIO_CONFIG, 8), 0);
	mmio.region.ops->write(&mmio.region, VIRTIO_MMIO_CONFIG, 1, 1);
	virtio_mmio_close(&mmio);
	fake_front_with_config(&back_end, 1);
	open_with(NULL, 1);
	cr_assert_eq(mmio.region.ops->read(&mmio.region, VIRTIO_MMIO_CONFIG, 8), 1);
}

/* 4.2.2: it ends where the registers end. */
Test(virtio_mmio, longest_configuration)
{
	uint8_t config[VIRTIO_MMIO_MAX_CONFIG + 1] = { 0 };
	struct virtio_mmio_options options = {
		.name = "test",
		.queue_count = 1,
		.config = config,
		.config_size = sizeof(config),
		.front = &back_end.front,
		.memory = &ram.memory,
		.failed = failed,
	};

	virtio_mmio_close(&mmio);
	cr_assert_eq(virtio_mmio_init(&mmio, &options), -EINVAL);
	options.config_size--;
	config[VIRTIO_MMIO_MAX_CONFIG - 1] = 7;
	cr_assert_eq(virtio_mmio_init(&mmio, &options), 0);
	cr_assert_eq(mmio.region.ops->read(&mmio.region, VIRTIO_MMIO_SIZE - 1, 1), 7);
}

Test(virtio_mmio, configuration_that_nobody_has)
{
	struct virtio_mmio_options options = {
		.name = "test",
		.queue_count = 1,
		.config_size = 4,
		.front = &back_end.front,
		.memory = &ram.memory,
		.failed = failed,
	};
	struct virtio_mmio other;

	cr_assert_eq(virtio_mmio_init(&other, &options), -ENOTSUP);
	fake_front_with_config(&back_end, 3);
	cr_assert_eq(virtio_mmio_init(&other, &options), -EREMOTEIO, "less than there should be");
	cr_assert_not_null(strstr(fake_log_text(), "test: cannot set up the virtio device: "));
	options.fast = true;
	cr_assert_eq(virtio_mmio_init(&other, &options), -EREMOTEIO, "with a page as well");
	cr_assert_neq(fcntl(STDIN_FILENO, F_GETFD), -1, "what was not opened was closed");
}

/* 2.2.2: what was accepted once is accepted after every reset; what was refused once may be mended.
 */
Test(virtio_mmio, features_are_negotiated_anew_after_each_reset_2_2_2)
{
	for (int i = 0; i < 3; i++) {
		cr_assert(try_features(TEST_VERSION_1 | 1));
		cr_assert_eq(mmio.driver_features, TEST_VERSION_1 | 1);
		cr_assert_not(try_features(TEST_VERSION_1 | 2));
	}
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 1);
	set(VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	cr_assert(get(VIRTIO_MMIO_STATUS) & FEATURES_OK, "without a reset in between");
}

/* 4.2.2, table: offsets without a register, QueueReset (not offered, 2.6.1) and the legacy ones. */
Test(virtio_mmio, places_without_a_register_read_0_and_take_nothing_4_2_2)
{
	static const uint64_t places[] = { 0x018, 0x01c, 0x028, 0x02c, 0x03c, 0x040, 0x048, 0x04c,
		0x054, 0x058, 0x05c, 0x068, 0x06c, 0x074, 0x078, 0x07c, 0x088, 0x08c, 0x098, 0x09c,
		0x0a8, 0x0ac, 0x0c0, 0x0c4, 0x0c8, 0x0cc, 0x0d0, 0x0e0, 0x0f0, 0x0f8 };
	struct virtio_mmio_queue before;

	test_driver_prepare(&mmio, TEST_VERSION_1, rings, 1);
	before = mmio.queues[0];
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		cr_assert_eq(get(places[i]), 0, "0x%x", (unsigned int)places[i]);
		set(places[i], 1);
		cr_assert_eq(get(places[i]), 0, "0x%x", (unsigned int)places[i]);
	}
	cr_assert_arr_eq(&before, &mmio.queues[0], sizeof(before));
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ACKNOWLEDGE | DRIVER | FEATURES_OK);
	cr_assert_str_empty(fake_trace_text());
}

/* 4.2.2.2: a driver may not read them; one that does learns nothing. */
Test(virtio_mmio, write_only_registers_read_0)
{
	static const uint64_t registers[] = { VIRTIO_MMIO_DEVICE_FEATURES_SEL,
		VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_MMIO_DRIVER_FEATURES_SEL, VIRTIO_MMIO_QUEUE_SEL,
		VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MMIO_INTERRUPT_ACK,
		VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_USED_LOW,
		VIRTIO_MMIO_QUEUE_DESC_HIGH, VIRTIO_MMIO_QUEUE_USED_HIGH };

	test_driver_start(&mmio, TEST_VERSION_1 | 1, rings, 2);
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++)
		cr_assert_eq(get(registers[i]), 0, "0x%x", (unsigned int)registers[i]);
}

static rlim_t lowest_free(void)
{
	int fd = dup(ram.fd);

	cr_assert_geq(fd, 0);
	close(fd);
	return (rlim_t)fd;
}

/* One descriptor after the other is the one too many; none is left behind. */
Test(virtio_mmio, host_without_descriptors)
{
	const rlim_t needed = 2 + 2 * QUEUES;
	struct rlimit limit;
	rlim_t first;

	virtio_mmio_close(&mmio);
	first = lowest_free();
	cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	for (rlim_t extra = 0; extra < needed; extra++) {
		const struct rlimit few = { first + extra, limit.rlim_max };
		const struct virtio_mmio_options options = {
			.name = "test",
			.queue_count = QUEUES,
			.config = "",
			.front = &back_end.front,
			.memory = &ram.memory,
			.failed = failed,
		};

		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		cr_assert_eq(virtio_mmio_init(&mmio, &options), -EMFILE, "%d", (int)extra);
		cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		cr_assert_eq(lowest_free(), first);
	}
	open_with("", 0);
	virtio_mmio_close(&mmio);
	cr_assert_eq(lowest_free(), first);
	open_with("", 0);
}

static void assert_closed(int fd)
{
	cr_assert_eq(fcntl(fd, F_GETFD), -1);
	cr_assert_eq(errno, EBADF);
}

Test(virtio_mmio, closes_every_descriptor)
{
	const struct virtio_mmio before = mmio;

	virtio_mmio_close(&mmio);
	assert_closed(before.config_fd);
	assert_closed(before.error_fd);
	for (uint32_t i = 0; i < QUEUES; i++) {
		assert_closed(before.queues[i].kick_fd);
		assert_closed(before.queues[i].call_fd);
	}
	open_with("", 0);
}
