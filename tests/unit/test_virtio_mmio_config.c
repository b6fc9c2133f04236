/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration space that changes under a driver (virtio 1.2, 2.5 and 4.2.2). */
#include "tests/unit/virtio_mmio_bench.h"

#include "vmm/base/kvm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <linux/virtio_mmio.h>

#define WORDS 4

/* What it is after the change of this number: every word tells. */
struct space {
	uint32_t words[WORDS];
};

static struct space space_of(uint32_t number)
{
	struct space space;

	for (size_t i = 0; i < WORDS; i++)
		space.words[i] = number * 0x01010101u;
	return space;
}

static void open_at(bool fast)
{
	const struct space first = space_of(0);
	const struct virtio_mmio_options options = {
		.name = "test",
		.base = 0x0a010000,
		.device_id = 3,
		.queue_count = QUEUES,
		.queue_size_max = SIZE_MAX_ENTRIES,
		.config = &first,
		.config_size = sizeof(first),
		.front = &back_end.front,
		.memory = &ram.memory,
		.failed = failed,
		.fast = fast,
	};

	cr_assert_eq(virtio_mmio_init(&mmio, &options), 0);
	mmio.memory_fd = ram.fd;
}

static void open_fast(void)
{
	fake_log_capture();
	test_ram_open(&ram, RAM_SIZE);
	for (uint16_t i = 0; i < QUEUES; i++)
		test_ring_open(&rings[i], &ram, TEST_RAM_BASE + i * TEST_RING_BYTES, 16);
	fake_front_open(&back_end, OFFERED);
	open_at(true);
}

static void use_trapping(void)
{
	virtio_mmio_close(&mmio);
	open_at(false);
}

TestSuite(virtio_mmio_config, .init = open_fast, .fini = close_device, .timeout = 60);

/* A load of the guest's, on either path. */
static uint32_t load(uint64_t offset)
{
	if (mmio.page.bytes == NULL)
		return get(offset);
	return __atomic_load_n(
		(const uint32_t *)(const void *)(mmio.page.bytes + offset), __ATOMIC_SEQ_CST);
}

static bool change_to(uint32_t number)
{
	const struct space space = space_of(number);

	return virtio_mmio_change_config(&mmio, &space);
}

Test(virtio_mmio_config, driver_is_told_2_3)
{
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert(change_to(7));
	cr_assert_eq(load(VIRTIO_MMIO_CONFIG_GENERATION), 1);
	cr_assert_eq(load(VIRTIO_MMIO_CONFIG + 8), 0x07070707);
	cr_assert_eq(
		load(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG | VIRTIO_MMIO_INT_VRING);
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), ALIVE, "no reset is asked for");
	cr_assert_eq(eventfd_count(mmio.config_fd), 0, "that is for when the vCPUs run");
	set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	cr_assert_eq(load(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	cr_assert(change_to(7));
	cr_assert_eq(load(VIRTIO_MMIO_CONFIG_GENERATION), 1, "the same is no change");
}

Test(virtio_mmio_config, stays_over_a_reset_and_nobody_is_told_without_a_driver)
{
	cr_assert_not(change_to(1));
	cr_assert_eq(load(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	cr_assert_eq(load(VIRTIO_MMIO_CONFIG), 0x01010101);
	/* One that has begun may have read the old one already. */
	test_driver_prepare(&mmio, TEST_VERSION_1, rings, 1);
	cr_assert(change_to(2));
	cr_assert_eq(load(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(load(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	cr_assert_eq(load(VIRTIO_MMIO_CONFIG), 0x02020202);
	cr_assert_eq(load(VIRTIO_MMIO_CONFIG_GENERATION), 2);
}

/* 2.1.2: a queue may break between two drivers, and the bit that says so stays. */
Test(virtio_mmio_config, change_without_a_driver_hides_no_failure)
{
	const uint64_t one = 1;

	cr_assert_eq(write(mmio.error_fd, &one, sizeof(one)), 8);
	virtio_mmio_queue_failed(&mmio);
	cr_assert_not(change_to(1));
	cr_assert_eq(load(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	cr_assert_eq(load(VIRTIO_MMIO_STATUS), NEEDS_RESET);
}

/* Reads as a driver does (2.5.2); `before_load` is called before each of its loads. */
static bool read_space(struct space *space, void (*before_load)(void), void (*after_load)(void))
{
	uint32_t generation[2];

	before_load();
	generation[0] = load(VIRTIO_MMIO_CONFIG_GENERATION);
	after_load();
	for (uint64_t i = 0; i < WORDS; i++) {
		before_load();
		space->words[i] = load(VIRTIO_MMIO_CONFIG + 4 * i);
		after_load();
	}
	before_load();
	generation[1] = load(VIRTIO_MMIO_CONFIG_GENERATION);
	after_load();
	return generation[0] == generation[1];
}

static bool is_whole(const struct space *space)
{
	for (size_t i = 1; i < WORDS; i++)
		if (space->words[i] != space->words[0])
			return false;
	return true;
}

static int loads, change_at;
static uint32_t number;

static void change_in_between(void)
{
	if (loads++ == change_at)
		change_to(++number);
}

static void nothing(void)
{
}

/* With the vCPUs out a change is between two loads: this is all of them. */
static void change_between_any_two_loads(void)
{
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	for (change_at = 0; change_at <= WORDS + 2; change_at++) {
		struct space space;
		bool valid;

		loads = 0;
		valid = read_space(&space, change_in_between, nothing);
		cr_assert(!valid || is_whole(&space), "changed before load %d", change_at);
		cr_assert_eq(valid, change_at == 0 || change_at > WORDS + 1);
	}
}

Test(virtio_mmio_config, all_old_or_all_new_fast)
{
	change_between_any_two_loads();
}

Test(virtio_mmio_config, all_old_or_all_new_trapping)
{
	use_trapping();
	change_between_any_two_loads();
}

/* --- a field that the driver writes (5.5.4: actual) ----------------------------------------- */

/* Of a space of ours, 4 bytes in the middle. */
static void use_writable(bool fast)
{
	const struct virtio_mmio_options options = {
		.name = "test",
		.base = 0x0a010000,
		.device_id = 5,
		.queue_count = 1,
		.queue_size_max = SIZE_MAX_ENTRIES,
		.config = "\1\1\1\1\0\0\0\0\2\2\2\2",
		.config_size = 12,
		.config_writable = { .offset = 4, .size = 4 },
		.front = &back_end.front,
		.memory = &ram.memory,
		.failed = failed,
		.fast = fast,
	};

	virtio_mmio_close(&mmio);
	cr_assert_eq(virtio_mmio_init(&mmio, &options), 0);
	mmio.memory_fd = ram.fd;
}

static void store(uint64_t offset, unsigned int width, uint64_t value)
{
	mmio.region.ops->write(&mmio.region, VIRTIO_MMIO_CONFIG + offset, width, value);
}

static uint32_t drivers_own(void)
{
	uint32_t own;

	virtio_mmio_driver_config(&mmio, &own);
	return own;
}

Test(virtio_mmio_config, driver_writes_its_own_field_and_no_other)
{
	/* One that the back end has as well is none of the driver's business. */
	fake_front_with_config(&back_end, 12);
	for (int fast = 0; fast < 2; fast++) {
		use_writable(fast == 1);
		store(4, 4, UINT32_MAX);
		cr_assert_eq(load(VIRTIO_MMIO_CONFIG + 4), 0, "no driver yet (3.1.1)");
		test_driver_prepare(&mmio, TEST_VERSION_1, rings, 0);
		/* Wherever a store begins and however wide it is. */
		for (uint64_t offset = 0; offset < 0x100; offset++)
			for (unsigned int width = 1; width <= 8 && offset + width <= 0x100;
				width *= 2)
				store(offset, width, UINT64_MAX);
		cr_assert_eq(load(VIRTIO_MMIO_CONFIG), 0x01010101);
		cr_assert_eq(load(VIRTIO_MMIO_CONFIG + 4), UINT32_MAX);
		cr_assert_eq(load(VIRTIO_MMIO_CONFIG + 8), 0x02020202);
		cr_assert_eq(load(VIRTIO_MMIO_CONFIG + 12), 0);
		store(2, 4, 0x44332211);
		cr_assert_eq(load(VIRTIO_MMIO_CONFIG), 0x01010101);
		cr_assert_eq(load(VIRTIO_MMIO_CONFIG + 4), 0xffff4433);
		store(4, 4, 0x12345678);
		cr_assert_eq(drivers_own(), 0x12345678);
		store(0, 8, UINT64_MAX);
		cr_assert_eq(load(VIRTIO_MMIO_CONFIG + 4), UINT32_MAX);
		cr_assert_eq(load(VIRTIO_MMIO_CONFIG_GENERATION), 0, "the device changed nothing");
		cr_assert_eq(back_end.config[4], 5, "it went to the back end");
	}
}

Test(virtio_mmio_config, drivers_field_stays_over_a_change_and_not_over_a_reset)
{
	use_writable(true);
	test_driver_start(&mmio, TEST_VERSION_1, rings, 1);
	store(4, 4, 77);
	cr_assert(virtio_mmio_change_config(&mmio, "\3\3\3\3\5\5\5\5\2\2\2\2"));
	cr_assert_eq(load(VIRTIO_MMIO_CONFIG), 0x03030303);
	cr_assert_eq(load(VIRTIO_MMIO_CONFIG + 4), 77);
	cr_assert_eq(drivers_own(), 77);
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(load(VIRTIO_MMIO_CONFIG), 0x03030303);
	cr_assert_eq(load(VIRTIO_MMIO_CONFIG + 4), 0);
	cr_assert_eq(drivers_own(), 0);
}
