/* SPDX-License-Identifier: Apache-2.0 */
/* The register page of the path without exits: it reads as the trapped registers do. */
#include "tests/unit/virtio_mmio_bench.h"

#include "vmm/base/kvm.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_mmio.h>

#define FEATURES (TEST_VERSION_1 | 1)

static void init_fast(void)
{
	const struct virtio_mmio_options options = {
		.name = "test",
		.base = 0x0a010000,
		.device_id = 3,
		.queue_count = QUEUES,
		.queue_size_max = SIZE_MAX_ENTRIES,
		.config = "\x11\x22\x33\x44\x55",
		.config_size = 5,
		.front = &back_end.front,
		.memory = &ram.memory,
		.failed = failed,
		.fast = true,
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
	init_fast();
}

TestSuite(virtio_mmio_fast, .init = open_fast, .fini = close_device, .timeout = 60);

static uint32_t shown(uint64_t offset)
{
	uint32_t value;

	memcpy(&value, mmio.page.bytes + offset, sizeof(value));
	return value;
}

static void assert_page_is_right(const char *when)
{
	for (uint64_t offset = 0; offset < VIRTIO_MMIO_SIZE; offset += 4)
		cr_assert_eq(shown(offset), mmio.region.ops->read(&mmio.region, offset, 4),
			"%s: offset 0x%x shows 0x%x", when, (unsigned int)offset, shown(offset));
}

Test(virtio_mmio_fast, what_kvm_is_told)
{
	struct kvm_vm *vm = calloc(1, sizeof(*vm));

	cr_assert_not_null(vm);
	cr_assert_eq(virtio_mmio_attach(&mmio, vm), 0);
	cr_assert_str_eq(fake_trace_text(),
		"kvm map 0xa010000 0x1000 ro\n"
		"kvm ioeventfd 0xa010064 4 == 1\n" /* acknowledges a used buffer notification */
		"kvm ioeventfd 0xa010050 4 == 0\n" /* the kick of each queue */
		"kvm ioeventfd 0xa010050 4 == 1\n"
		"kvm ioeventfd 0xa010050 4 == 2\n");
	free(vm);
}

Test(virtio_mmio_fast, what_kvm_refuses_is_told)
{
	struct kvm_vm *vm = calloc(1, sizeof(*vm));

	cr_assert_not_null(vm);
	fake_kvm_results.map = -ENOMEM;
	cr_assert_eq(virtio_mmio_attach(&mmio, vm), -ENOMEM);
	cr_assert_str_empty(fake_trace_text(), "and nothing more is asked for");
	fake_kvm_results.map = 0;
	fake_kvm_results.ioeventfd = -ENOSPC;
	cr_assert_eq(virtio_mmio_attach(&mmio, vm), -ENOSPC);
	free(vm);
}

/* Nothing is mapped, every access comes here. */
Test(virtio_mmio_fast, without_a_page_kvm_is_told_nothing)
{
	struct kvm_vm *vm = calloc(1, sizeof(*vm));

	cr_assert_not_null(vm);
	virtio_mmio_close(&mmio);
	open_with("", 0);
	cr_assert_eq(virtio_mmio_attach(&mmio, vm), 0);
	cr_assert_str_empty(fake_trace_text());
	free(vm);
}

Test(virtio_mmio_fast, the_page_goes_with_the_device)
{
	int ignored_fd = mmio.page.ignored_fd;

	virtio_mmio_close(&mmio);
	cr_assert_null(mmio.page.bytes);
	cr_assert_eq(fcntl(ignored_fd, F_GETFD), -1);
	init_fast();
}

static void whole_word(uintptr_t at, size_t size, bool invalidate)
{
	cr_assert_eq(at % sizeof(uint32_t), 0, "a guest may see half of it");
	cr_assert_eq(size, sizeof(uint32_t));
	cr_assert_not(invalidate);
}

Test(virtio_mmio_fast, what_is_stored_is_a_whole_word)
{
	virtio_mmio_close(&mmio);
	fake_cache = whole_word;
	init_fast();
	cr_assert_eq(shown(VIRTIO_MMIO_CONFIG), 0x44332211);
	cr_assert_not(virtio_mmio_change_config(&mmio, "\5\4\3\2\1"));
	cr_assert_eq(shown(VIRTIO_MMIO_CONFIG + 4), 1);
}

Test(virtio_mmio_fast, the_page_follows_a_drivers_life)
{
	assert_page_is_right("at power-on");
	cr_assert_eq(shown(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	cr_assert_eq(shown(VIRTIO_MMIO_CONFIG), 0x44332211);
	test_driver_start(&mmio, FEATURES, rings, QUEUES);
	assert_page_is_right("after DRIVER_OK");
	cr_assert_eq(shown(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	set(VIRTIO_MMIO_STATUS, 0);
	assert_page_is_right("after a reset");
	cr_assert_eq(shown(VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

/* 2.1.2: the page says so before the interrupt does, on whatever thread. */
Test(virtio_mmio_fast, a_queue_that_failed_shows_at_once)
{
	const uint64_t one = 1;

	test_driver_start(&mmio, FEATURES, rings, QUEUES);
	cr_assert_eq(write(mmio.error_fd, &one, sizeof(one)), 8);
	virtio_mmio_queue_failed(&mmio);
	cr_assert_eq(shown(VIRTIO_MMIO_STATUS), ALIVE | NEEDS_RESET);
	cr_assert_eq(shown(VIRTIO_MMIO_INTERRUPT_STATUS),
		VIRTIO_MMIO_INT_VRING | VIRTIO_MMIO_INT_CONFIG);
	set(VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	cr_assert_eq(shown(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	virtio_mmio_reset(&mmio, INT64_MAX);
	assert_page_is_right("after the machine's reset");
}

Test(virtio_mmio_fast, the_page_is_right_after_any_writes)
{
	static const uint32_t values[] = { 0, 1, 2, 3, 7, 11, 15, 16, 64, 0x80, UINT32_MAX };
	unsigned int seed = 1;

	for (int i = 0; i < 20000; i++) {
		uint64_t offset = (uint64_t)(rand_r(&seed) % 64) * 4;
		uint32_t value = values[(size_t)rand_r(&seed) % ARRAY_SIZE(values)];

		/* Mostly a driver that gets somewhere. */
		if (rand_r(&seed) % 64 == 0)
			test_driver_start(
				&mmio, FEATURES, rings, (uint32_t)rand_r(&seed) % QUEUES + 1);
		mmio.region.ops->write(&mmio.region, offset, 4, value);
		if (i % 16 == 0)
			assert_page_is_right("after random writes");
	}
}
