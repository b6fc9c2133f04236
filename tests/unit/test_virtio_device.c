/* SPDX-License-Identifier: Apache-2.0 */
/* What every virtio device is to the machine: its place, its node, its interrupt, its end. */
#include "devices/virtio/vhost_user_back.h"
#include "devices/virtio/virtio_device.h"
#include "fdt/builder.h"
#include "tests/unit/fakes.h"
#include "tests/unit/machine_parts.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/base/clock.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <libfdt.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* A back end in a thread that stands for a worker's process: `ended` is its pidfd. */
struct stand_in {
	struct vhost_user_back back;
	struct worker worker;
	pthread_t thread;
	int socket, ended;
};

static struct machine_parts parts;
static const uint8_t back_config[4] = { 1, 2, 3, 4 };
static const struct vhost_user_back_device back_device = {
	.queue_count = 2, .config = back_config, .config_size = sizeof(back_config)
};

static void *serve(void *argument)
{
	struct stand_in *stand_in = argument;
	struct pollfd wait = { .fd = stand_in->socket, .events = POLLIN };

	do {
		poll(&wait, 1, -1);
	} while (vhost_user_back_receive(&stand_in->back) == 0);
	return NULL;
}

static void start_stand_in(struct stand_in *stand_in)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	stand_in->socket = pair[1];
	stand_in->ended = eventfd(0, EFD_NONBLOCK);
	stand_in->worker = (struct worker){
		.kind = "test", .pid = -1, .pid_fd = dup(stand_in->ended), .socket = pair[0]
	};
	vhost_user_back_init(&stand_in->back, pair[1], &back_device);
	pthread_create(&stand_in->thread, NULL, serve, stand_in);
}

static void end_stand_in(struct stand_in *stand_in)
{
	shutdown(stand_in->socket, SHUT_RDWR);
	pthread_join(stand_in->thread, NULL);
	vhost_user_back_close(&stand_in->back);
	close(stand_in->socket);
	close(stand_in->ended);
}

/* The stand-in's process has ended, and its end of the socket with it. */
static void kill_stand_in(struct stand_in *stand_in)
{
	const uint64_t one = 1;

	shutdown(stand_in->socket, SHUT_RDWR);
	cr_assert_eq(write(stand_in->ended, &one, sizeof(one)), 8);
}

static const struct device_ops ops = {
	.describe = virtio_device_describe,
	.attach = virtio_device_attach,
	.quiesce = virtio_device_quiesce,
};

static struct stand_in first, second;
static struct virtio_device device, other;

static int init_device(struct virtio_device *virtio, const char *name, struct stand_in *stand_in)
{
	const struct virtio_device_options options = {
		.name = name,
		.ops = &ops,
		.device_id = 3,
		.queue_count = 2,
		.queue_size_max = 64,
		.config_size = sizeof(back_config),
	};

	return virtio_device_init(virtio, &parts.machine, &options, &stand_in->worker);
}

static int times_out;	    /* that all vCPUs were taken out */
static uint32_t generation; /* before the change */

static void with_vcpus_out(struct machine *unused, void (*act)(void *context), void *context)
{
	struct pollfd interrupt = { .fd = device.mmio.config_fd, .events = POLLIN };

	(void)unused;
	times_out++;
	act(context);
	/* What was to be seen whole is there before a vCPU looks. */
	cr_assert_eq(
		test_register_read(&device.mmio, VIRTIO_MMIO_CONFIG_GENERATION), generation + 1);
	cr_assert_eq(test_register_read(&device.mmio, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	cr_assert_eq(poll(&interrupt, 1, 0), 0, "before they may run");
}

static void begin(void)
{
	machine_parts_open(&parts, 0x100000);
	parts.machine.with_vcpus_out = with_vcpus_out;
	parts.machine.memory_fd = -1; /* it comes with attach() */
	start_stand_in(&first);
	cr_assert_eq(init_device(&device, "first", &first), 0);
	parts.machine.memory_fd = parts.ram.fd;
}

static void end(void)
{
	virtio_device_close(&device, 0);
	end_stand_in(&first);
	machine_parts_close(&parts);
}

TestSuite(virtio_device, .init = begin, .fini = end, .timeout = 30);

static uint32_t bus_read(uint64_t gpa)
{
	uint8_t data[8] = { 0 };
	uint32_t value;

	cr_assert(mmio_bus_access(&parts.bus, gpa, data, 4, false));
	memcpy(&value, data, sizeof(value));
	return value;
}

Test(virtio_device, register_files_share_one_window)
{
	start_stand_in(&second);
	cr_assert_eq(init_device(&other, "second", &second), 0);
	cr_assert_eq(device.mmio.region.base, 0x0a000000);
	cr_assert_eq(other.mmio.region.base, 0x0a010000);
	cr_assert_neq(device.spi, other.spi);
	cr_assert_eq(bus_read(0x0a000000), 0x74726976);
	cr_assert_eq(bus_read(0x0a010008), 3);
	cr_assert_eq(layout_claim(&parts.layout, "else", 0x0a00f000, 0x1000), -EEXIST,
		"each has a page of the largest size");
	virtio_device_close(&other, 0);
	end_stand_in(&second);
}

Test(virtio_device, node_says_where_it_is_and_that_its_interrupt_is_an_edge)
{
	struct fdt_builder fdt;
	const fdt32_t *cells;
	void *blob;
	size_t blob_size;
	int node, size;

	fdt_builder_start(&fdt);
	cr_assert_eq(virtio_device_describe(&device.device, &fdt), 0);
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &blob_size), 0);
	node = fdt_path_offset(blob, "/virtio_mmio@a000000");
	cr_assert_geq(node, 0);
	cr_assert_eq(fdt_node_check_compatible(blob, node, "virtio,mmio"), 0);
	cells = fdt_getprop(blob, node, "interrupts", &size);
	cr_assert_eq(size, 12);
	cr_assert_eq(fdt32_to_cpu(cells[0]), 0);
	cr_assert_eq(fdt32_to_cpu(cells[1]), device.spi);
	cr_assert_eq(fdt32_to_cpu(cells[2]), 1);
	cells = fdt_getprop(blob, node, "reg", &size);
	cr_assert_eq(size, 16);
	cr_assert_eq(fdt32_to_cpu(cells[1]), 0x0a000000);
	cr_assert_eq(fdt32_to_cpu(cells[3]), 0x200);
	cr_assert_not_null(fdt_getprop(blob, node, "dma-coherent", NULL));
	free(blob);
}

static void run_driver(void)
{
	struct test_ring rings[2];

	for (uint32_t i = 0; i < 2; i++)
		test_ring_open(&rings[i], &parts.ram, TEST_RAM_BASE + i * TEST_RING_BYTES, 16);
	test_driver_start(&device.mmio, TEST_VERSION_1, rings, 2);
	cr_assert_eq(test_register_read(&device.mmio, VIRTIO_MMIO_STATUS), 15);
}

Test(virtio_device, every_guest_gets_its_interrupts_and_no_older_ones)
{
	const uint64_t one = 1;
	char expected[256];

	snprintf(expected, sizeof(expected),
		"kvm irqfd %u\nkvm irqfd %u\nkvm irqfd %u\n"
		"kvm irqfd %u removed\nkvm irqfd %u removed\nkvm irqfd %u removed\n",
		device.spi, device.spi, device.spi, device.spi, device.spi, device.spi);
	for (int life = 0; life < 2; life++) {
		struct pollfd pending;

		fake_trace_clear();
		cr_assert_eq(virtio_device_attach(&device.device), 0);
		run_driver();
		pending = (struct pollfd){ .fd = device.mmio.queues[0].call_fd, .events = POLLIN };
		cr_assert_eq(write(pending.fd, &one, sizeof(one)), 8);
		virtio_device_quiesce(&device.device);
		cr_assert_str_eq(fake_trace_text(), expected);
		cr_assert_eq(poll(&pending, 1, 0), 0, "the next guest would get it");
		cr_assert_eq(test_register_read(&device.mmio, VIRTIO_MMIO_STATUS), 0);
		cr_assert_not(first.back.queues[0].started);
	}
	fake_kvm_results.irqfd = -EINVAL;
	cr_assert_eq(virtio_device_attach(&device.device), -EINVAL);
	cr_assert_not_null(strstr(fake_log_text(), "cannot tie interrupt"));
}

Test(virtio_device, worker_that_dies_ends_the_machine)
{
	virtio_device_attach(&device.device);
	run_driver();
	fake_trace_clear();
	kill_stand_in(&first);
	/* A reset that comes before the event loop has noticed leaves the news to it. */
	test_register_write(&device.mmio, VIRTIO_MMIO_STATUS, 0);
	cr_assert_str_empty(fake_trace_text());
	cr_assert_eq(event_loop_run_once(&parts.loop, 5000), 0);
	cr_assert_str_eq(fake_trace_text(), "machine ends 3: first: its process is gone\n");
	cr_assert_eq(event_loop_run_once(&parts.loop, 0), 0);
	virtio_device_quiesce(&device.device);
}

/* It has a hold on guest memory, and nobody can tell it to let go. */
Test(virtio_device, worker_that_hangs_up_and_lives_ends_the_machine)
{
	virtio_device_attach(&device.device);
	run_driver();
	fake_trace_clear();
	shutdown(first.socket, SHUT_RDWR);
	cr_assert_eq(event_loop_run_once(&parts.loop, 5000), 0);
	cr_assert_str_eq(
		fake_trace_text(), "machine ends 3: first: its back end closed the connection\n");
}

/* It shares them with the machine, and whether they block. */
Test(virtio_device, back_end_that_has_its_eventfds_block_is_not_waited_for)
{
	const uint64_t full = UINT64_MAX - 1;
	struct virtio_mmio_queue *queue = &device.mmio.queues[1];

	virtio_device_attach(&device.device);
	run_driver();
	cr_assert_eq(fcntl(device.mmio.error_fd, F_SETFL, 0), 0);
	cr_assert_eq(fcntl(queue->call_fd, F_SETFL, 0), 0);
	event_take(queue->kick_fd);
	cr_assert_eq(write(queue->kick_fd, &full, sizeof(full)), 8);
	cr_assert_eq(fcntl(queue->kick_fd, F_SETFL, 0), 0);
	virtio_mmio_queue_failed(&device.mmio);
	test_register_write(&device.mmio, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	test_register_write(&device.mmio, VIRTIO_MMIO_STATUS, 0);
	run_driver();
	virtio_device_quiesce(&device.device);
	cr_assert_eq(test_register_read(&device.mmio, VIRTIO_MMIO_STATUS), 0);
}

Test(virtio_device, remembers_of_each_guest_whether_it_had_a_driver)
{
	for (int life = 0; life < 2; life++) {
		virtio_device_attach(&device.device);
		cr_assert_not(device.mmio.was_driven);
		run_driver();
		/* Linux' reset their devices before they power off. */
		test_register_write(&device.mmio, VIRTIO_MMIO_STATUS, 0);
		cr_assert(device.mmio.was_driven);
		virtio_device_quiesce(&device.device);
		cr_assert(device.mmio.was_driven);
	}
}

/* Signals and commands wait meanwhile. Those that are well are not taken for failed. */
Test(virtio_device, next_to_one_that_stood_still_there_is_less_time)
{
	for (int stuck = 0; stuck < 2; stuck++) {
		virtio_device_attach(&device.device);
		run_driver();
		parts.machine.quiesce_failed = stuck == 1;
		virtio_device_quiesce(&device.device);
		cr_assert_gt(device.front.front.deadline, clock_ms());
		cr_assert_eq(device.front.front.deadline <= clock_ms() + VHOST_DEADLINE_MS / 2,
			stuck == 1);
		cr_assert_eq(device.front.error, 0);
	}
	parts.machine.quiesce_failed = false;
	virtio_device_attach(&device.device);
	run_driver();
	shutdown(first.socket, SHUT_RDWR);
	virtio_device_quiesce(&device.device);
	cr_assert(parts.machine.quiesce_failed);
}

Test(virtio_device, queue_that_breaks_reaches_the_driver)
{
	const uint64_t one = 1;

	virtio_device_attach(&device.device);
	run_driver();
	cr_assert_eq(write(device.mmio.error_fd, &one, sizeof(one)), 8);
	cr_assert_eq(event_loop_run_once(&parts.loop, 5000), 0);
	cr_assert_eq(test_register_read(&device.mmio, VIRTIO_MMIO_STATUS), 15 | 64);
	cr_assert_eq(test_register_read(&device.mmio, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
}

/* 2.3 and 2.5: with all vCPUs out; the interrupt comes when they may run. */
Test(virtio_device, changed_configuration_is_told)
{
	struct pollfd interrupt = { .fd = device.mmio.config_fd, .events = POLLIN };

	virtio_device_attach(&device.device);
	run_driver();
	generation = test_register_read(&device.mmio, VIRTIO_MMIO_CONFIG_GENERATION);
	virtio_device_change_config(&device, "\x01\x02\x03\x05");
	cr_assert_eq(times_out, 1);
	cr_assert_eq(poll(&interrupt, 1, 0), 1);
	cr_assert_eq(test_register_read(&device.mmio, VIRTIO_MMIO_CONFIG), 0x05030201);
}

Test(virtio_device, back_end_that_does_not_greet_leaves_nothing_behind)
{
	size_t regions = parts.bus.count;

	start_stand_in(&second);
	kill_stand_in(&second);
	pthread_join(second.thread, NULL);
	cr_assert_eq(init_device(&other, "second", &second), -ECONNRESET);
	cr_assert_eq(parts.bus.count, regions);
	cr_assert_eq(other.socket, -1);
}
