/* SPDX-License-Identifier: Apache-2.0 */
/* What a balloon is asked for, what its driver says, and what of both is told (virtio 1.2, 5.5.4).
 */
#include "devices/virtio/balloon.h"
#include "devices/virtio/balloon_loop.h"
#include "devices/virtio/virtio_device.h"
#include "tests/unit/fakes.h"
#include "tests/unit/machine_parts.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/base/layout.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define RAM_SIZE (UINT64_C(8) << 20)
#define MIB	 (UINT64_C(1) << 20)

static struct machine_parts parts;
static struct balloon_worker worker;
static struct device *device;
static struct virtio_mmio *mmio;
static pthread_t thread;
static int socket_of_worker;

static int release(void *at, size_t size)
{
	(void)at;
	(void)size;
	return 0;
}

static void *run(void *argument)
{
	balloon_worker_run(argument);
	return NULL;
}

static void with_vcpus_out(struct machine *of, void (*act)(void *context), void *context)
{
	(void)of;
	act(context);
}

static void begin(void)
{
	struct worker process = { .kind = "balloon", .pid = -1 };
	int pair[2];

	machine_parts_open(&parts, RAM_SIZE);
	parts.machine.with_vcpus_out = with_vcpus_out;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	socket_of_worker = pair[1];
	process.socket = pair[0];
	process.pid_fd = eventfd(0, EFD_NONBLOCK);
	balloon_worker_init(&worker, pair[1], BALLOON_PAGE_SIZE, release);
	pthread_create(&thread, NULL, run, &worker);
	cr_assert_eq(balloon_create_on(&parts.machine, &process, &device), 0);
	mmio = &container_of(device, struct virtio_device, device)->mmio;
	mmio->memory_fd = parts.ram.fd;
}

static void end(void)
{
	shutdown(socket_of_worker, SHUT_RDWR);
	pthread_join(thread, NULL);
	device->ops->destroy(device);
	balloon_worker_close(&worker);
	close(socket_of_worker);
	machine_parts_close(&parts);
}

TestSuite(balloon_device, .init = begin, .fini = end, .timeout = 30);

static void start_driver(void)
{
	struct test_ring rings[BALLOON_QUEUES];

	for (uint32_t i = 0; i < BALLOON_QUEUES; i++)
		test_ring_open(&rings[i], &parts.ram, TEST_RAM_BASE + i * TEST_RING_BYTES, 16);
	test_driver_start(mmio, TEST_VERSION_1, rings, BALLOON_QUEUES);
	cr_assert_eq(test_register_read(mmio, VIRTIO_MMIO_STATUS), 15);
}

static void assert_told(uint64_t target, uint64_t actual)
{
	const struct balloon_status status = balloon_status(device);

	cr_assert_eq(status.target, target, "target 0x%llx", (unsigned long long)status.target);
	cr_assert_eq(status.actual, actual, "actual 0x%llx", (unsigned long long)status.actual);
}

static uint32_t num_pages(void)
{
	return test_register_read(mmio, VIRTIO_MMIO_CONFIG);
}

/* As its driver would say it. */
static void say_actual(uint32_t pages)
{
	test_register_write(mmio, VIRTIO_MMIO_CONFIG + 4, pages);
}

Test(balloon_device, all_is_the_guests_at_first)
{
	cr_assert_eq(mmio->device_id, 5);
	cr_assert_eq(num_pages(), 0);
	assert_told(RAM_SIZE, RAM_SIZE);
}

Test(balloon_device, what_is_asked_for_and_what_came_of_it_5_5_4)
{
	uint64_t interrupts = 0;

	start_driver();
	balloon_set_target(device, 6 * MIB);
	cr_assert_eq(num_pages(), 2 * MIB / BALLOON_PAGE_SIZE);
	cr_assert_eq(read(mmio->config_fd, &interrupts, sizeof(interrupts)), 8, "no interrupt");
	cr_assert_eq(
		test_register_read(mmio, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG,
		VIRTIO_MMIO_INT_CONFIG);
	assert_told(6 * MIB, RAM_SIZE);
	say_actual(100);
	assert_told(6 * MIB, RAM_SIZE - UINT64_C(100) * BALLOON_PAGE_SIZE);
	/* What the driver said stays when it is asked anew. */
	balloon_set_target(device, RAM_SIZE);
	cr_assert_eq(num_pages(), 0);
	assert_told(RAM_SIZE, RAM_SIZE - UINT64_C(100) * BALLOON_PAGE_SIZE);
}

Test(balloon_device, sizes_are_rounded_up_to_a_page)
{
	balloon_set_target(device, 1);
	assert_told(BALLOON_PAGE_SIZE, RAM_SIZE);
	balloon_set_target(device, BALLOON_PAGE_SIZE);
	assert_told(BALLOON_PAGE_SIZE, RAM_SIZE);
	balloon_set_target(device, BALLOON_PAGE_SIZE + 1);
	assert_told(UINT64_C(2) * BALLOON_PAGE_SIZE, RAM_SIZE);
	balloon_set_target(device, RAM_SIZE - 1);
	assert_told(RAM_SIZE, RAM_SIZE);
}

/* The driver may write anything; nothing is left below none. */
Test(balloon_device, driver_that_says_nonsense)
{
	start_driver();
	say_actual(RAM_SIZE / BALLOON_PAGE_SIZE - 1);
	assert_told(RAM_SIZE, BALLOON_PAGE_SIZE);
	say_actual(RAM_SIZE / BALLOON_PAGE_SIZE);
	assert_told(RAM_SIZE, 0);
	say_actual(UINT32_MAX);
	assert_told(RAM_SIZE, 0);
}

/* A new driver has nothing in its balloon, and is asked for the same. */
Test(balloon_device, reset_keeps_what_is_asked_for)
{
	start_driver();
	balloon_set_target(device, 4 * MIB);
	say_actual(1024);
	assert_told(4 * MIB, 4 * MIB);
	virtio_device_quiesce(device);
	assert_told(4 * MIB, RAM_SIZE);
	cr_assert_eq(num_pages(), 1024);
}
