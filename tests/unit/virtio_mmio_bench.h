/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A register file with RAM, rings and a back end that takes notes. Each test file that includes
 * this has its own; TestSuite(..., .init = open_device, .fini = close_device).
 */
#ifndef TESTS_UNIT_VIRTIO_MMIO_BENCH_H
#define TESTS_UNIT_VIRTIO_MMIO_BENCH_H

#include "devices/virtio/virtio_mmio.h"
#include "tests/unit/fakes.h"
#include "tests/unit/virtio_driver.h"
#include "tests/unit/virtio_fake_front.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#define UNUSED		 __attribute__((unused))

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

static UNUSED struct test_ram ram;
static UNUSED struct test_ring rings[QUEUES];
static UNUSED struct fake_front back_end;
static UNUSED struct virtio_mmio mmio;
static UNUSED int failures;

static UNUSED void failed(struct virtio_mmio *device, int error)
{
	(void)device;
	failures++;
	fake_trace("failed %d", error);
}

static UNUSED void open_with(const void *config, uint32_t config_size)
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

static UNUSED void open_device(void)
{
	fake_log_capture();
	test_ram_open(&ram, RAM_SIZE);
	for (uint16_t i = 0; i < QUEUES; i++)
		test_ring_open(&rings[i], &ram, TEST_RAM_BASE + i * TEST_RING_BYTES, 16);
	fake_front_open(&back_end, OFFERED);
	open_with("\x11\x22\x33\x44\x55", 5);
}

static UNUSED void close_device(void)
{
	virtio_mmio_close(&mmio);
	test_ram_close(&ram);
}

static UNUSED uint32_t get(uint64_t offset)
{
	return test_register_read(&mmio, offset);
}

static UNUSED void set(uint64_t offset, uint32_t value)
{
	test_register_write(&mmio, offset, value);
}

static UNUSED uint64_t eventfd_count(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count) ? count : 0;
}

#endif
