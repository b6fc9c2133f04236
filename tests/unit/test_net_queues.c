/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several pairs of queues by the kernel's vhost, and the control queue that says how many are used
 * (virtio 1.2, 5.1.2, 5.1.5 and 5.1.6.5.5): register file, front ends and the control queue's
 * worker are real, tap and kernel are not.
 */
#include "devices/virtio/net_control.h"
#include "devices/virtio/net_vhost.h"
#include "tests/unit/fakes.h"
#include "tests/unit/vhost_fake.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/base/clock.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#define PAIRS	    3
#define QUEUES	    7
#define MQ	    BIT(VIRTIO_NET_F_MQ)
#define CONTROL	    BIT(VIRTIO_NET_F_CTRL_VQ)
#define COMMAND_GPA (TEST_RAM_BASE + 0x80000)
#define ANSWER_GPA  (TEST_RAM_BASE + 0x81000)
#define UNTOUCHED   0x77

static struct test_ram ram;
static struct test_ring rings[QUEUES];
static struct net_tap tap;
static struct net_vhost vhost;
static struct net_control control;
static struct virtio_mmio mmio;
static pthread_t thread;
static int sockets[2], failure;

static void *run(void *argument)
{
	return net_control_run(argument) == 0 ? NULL : argument;
}

static void failed(struct virtio_mmio *device, int error)
{
	(void)device;
	failure = error;
}

static int try_tap(uint32_t pairs)
{
	const struct net_options options = { .tap = "tap7", .fd = -1, .vhost = true };

	fake_log_capture();
	vhost_fake.features = TEST_VERSION_1;
	vhost_fake.tap_name = "tap7";
	return net_tap_open(&tap, &options, pairs);
}

static void open_tap(uint32_t pairs)
{
	vhost_fake.is_tun = true;
	cr_assert_eq(try_tap(pairs), 0, "%s", fake_log_text());
}

static void begin(void)
{
	struct virtio_mmio_options options = {
		.name = "net0",
		.device_id = 1,
		.queue_count = QUEUES,
		.queue_size_max = 256,
		.config_size = NET_MAC_SIZE,
		.config = "\2\0\0\0\0\1",
		.memory = &ram.memory,
		.failed = failed,
		.front = &vhost.front,
	};
	int taps[PAIRS];

	vhost_fake.multi_queue = true;
	test_ram_open(&ram, 0x100000);
	open_tap(PAIRS);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	cr_assert_eq(net_vhost_open(&vhost, &tap, "net0"), 0);
	for (uint32_t i = 0; i < PAIRS; i++)
		taps[i] = net_tap_queue(&tap, i);
	net_control_init(&control, sockets[1], taps, PAIRS);
	pthread_create(&thread, NULL, run, &control);
	cr_assert_eq(net_vhost_open_control(&vhost, sockets[0], "net0"), 0);
	cr_assert_eq(virtio_mmio_init(&mmio, &options), 0);
	mmio.memory_fd = ram.fd;
}

static void end(void)
{
	void *result;

	close(sockets[0]);
	pthread_join(thread, &result);
	cr_assert_null(result);
	cr_assert_eq(failure, 0);
	virtio_mmio_close(&mmio);
	net_control_close(&control);
	close(sockets[1]);
	net_vhost_close(&vhost);
	net_tap_close(&tap);
	test_ram_close(&ram);
}

TestSuite(net_queues, .init = begin, .fini = end, .timeout = 60);
TestSuite(net_queues_tap, .timeout = 60);

static void start_driver(uint64_t features)
{
	for (uint32_t i = 0; i < QUEUES; i++)
		test_ring_open(&rings[i], &ram, TEST_RAM_BASE + i * TEST_RING_BYTES, 16);
	fake_trace_clear();
	test_driver_start(&mmio, features | TEST_VERSION_1, rings, QUEUES);
	cr_assert_eq(test_register_read(&mmio, VIRTIO_MMIO_STATUS), 15);
}

/* Sends a command on queue `queue`, its last byte apart from the others; the answer. */
static uint8_t command(uint32_t queue, const uint8_t *bytes, uint32_t size, uint32_t answer_size)
{
	struct test_ring *ring = &rings[queue];
	uint8_t *answer = test_ram_at(&ram, ANSWER_GPA);
	uint32_t head, written;
	uint64_t count;
	struct pollfd wait = { .fd = mmio.queues[queue].call_fd, .events = POLLIN };

	memcpy(test_ram_at(&ram, COMMAND_GPA), bytes, size);
	*answer = UNTOUCHED;
	test_ring_set(ring, 0, COMMAND_GPA, size - 1, VRING_DESC_F_NEXT, 1);
	test_ring_set(ring, 1, COMMAND_GPA + size - 1, 1, answer_size ? VRING_DESC_F_NEXT : 0, 2);
	test_ring_set(ring, 2, ANSWER_GPA, answer_size, VRING_DESC_F_WRITE, 0);
	test_ring_offer(ring, 0);
	test_register_write(&mmio, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	while (!test_ring_take(ring, &head, &written)) {
		cr_assert_eq(poll(&wait, 1, 20000), 1, "no answer");
		cr_assert_eq(read(wait.fd, &count, sizeof(count)), 8);
	}
	/* 5.1.6.5: one byte, ack. */
	cr_assert_eq(written, answer_size ? 1 : 0);
	return *answer;
}

static uint8_t set_pairs(uint16_t pairs)
{
	const uint8_t bytes[] = { 4, 0, (uint8_t)pairs, (uint8_t)(pairs >> 8) };

	fake_trace_clear();
	return command(2 * PAIRS, bytes, sizeof(bytes), 1);
}

/* 5.1.3.1: VIRTIO_NET_F_MQ needs VIRTIO_NET_F_CTRL_VQ. */
Test(net_queues, several_pairs_are_offered_with_their_control_queue)
{
	cr_assert_eq(mmio.features & (MQ | CONTROL), MQ | CONTROL);
	cr_assert_eq(net_tap_queue_count(&tap), QUEUES);
}

/* 5.1.5, 5.1.6.5.5: multiqueue is off after a reset: only the first pair is used, though the kernel
 * has the queues of all. */
Test(net_queues, driver_begins_with_one_pair)
{
	start_driver(MQ | CONTROL);
	cr_assert_null(strstr(fake_trace_text(), "attach"), "%s", fake_trace_text());
	cr_assert_not_null(strstr(fake_trace_text(), "pair 1:\nback end 0 fd\n"));
	cr_assert_not_null(strstr(fake_trace_text(), "pair 2:\nback end 1 fd\n"));
}

Test(net_queues, pairs_are_attached_and_detached_as_the_driver_says)
{
	start_driver(MQ | CONTROL);
	cr_assert_eq(set_pairs(3), VIRTIO_NET_OK);
	cr_assert_str_eq(fake_trace_text(), "attach 1\nattach 2\n");
	cr_assert_eq(set_pairs(3), VIRTIO_NET_OK);
	cr_assert_str_eq(fake_trace_text(), "");
	cr_assert_eq(set_pairs(1), VIRTIO_NET_OK);
	cr_assert_str_eq(fake_trace_text(), "detach 2\ndetach 1\n");
	cr_assert_eq(set_pairs(2), VIRTIO_NET_OK);
	cr_assert_str_eq(fake_trace_text(), "attach 1\n");
}

/* 5.1.6.5.5: pairs from 1 to max_virtqueue_pairs; other commands are of features not offered. */
Test(net_queues, commands_that_are_refused_change_nothing)
{
	static const struct {
		uint8_t bytes[8];
		uint32_t size;
	} wrong[] = {
		{ { 4, 0, 0, 0 }, 4 }, /* no pair */
		{ { 4, 0, PAIRS + 1, 0 }, 4 },
		{ { 4, 0, 0, 1 }, 4 }, /* 256 */
		{ { 4, 0, 1, 0x80 }, 4 },
		{ { 4, 0, 1 }, 3 }, /* half a number */
		{ { 4, 0, 1, 0, 0 }, 5 },
		{ { 4, 0 }, 2 },
		{ { 4, 1, 1, 0 }, 4 }, /* VIRTIO_NET_CTRL_MQ_RSS_CONFIG */
		{ { 0, 0, 1, 0 }, 4 }, /* VIRTIO_NET_CTRL_RX */
		{ { 255, 255, 255, 255 }, 4 },
	};

	start_driver(MQ | CONTROL);
	cr_assert_eq(set_pairs(2), VIRTIO_NET_OK);
	fake_trace_clear();
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		cr_assert_eq(command(2 * PAIRS, wrong[i].bytes, wrong[i].size, 1), VIRTIO_NET_ERR,
			"%zu", i);
	cr_assert_str_eq(fake_trace_text(), "");
	cr_assert_not_null(strstr(fake_log_text(), "is refused"));
}

Test(net_queues, command_without_room_for_its_answer)
{
	static const uint8_t bytes[] = { 4, 0, 2, 0 };

	start_driver(MQ | CONTROL);
	cr_assert_eq(command(2 * PAIRS, bytes, sizeof(bytes), 0), UNTOUCHED);
	cr_assert_eq(set_pairs(1), VIRTIO_NET_OK);
}

Test(net_queues, tap_that_refuses)
{
	start_driver(MQ | CONTROL);
	vhost_fake.refused = TUNSETQUEUE;
	vhost_fake.refusal = -E2BIG;
	cr_assert_eq(set_pairs(2), VIRTIO_NET_ERR);
	vhost_fake.refused = 0;
	cr_assert_eq(set_pairs(2), VIRTIO_NET_OK);
	cr_assert_str_eq(fake_trace_text(), "attach 1\n");
}

Test(net_queues, reset_goes_back_to_one_pair)
{
	start_driver(MQ | CONTROL);
	cr_assert_eq(set_pairs(3), VIRTIO_NET_OK);
	fake_trace_clear();
	test_register_write(&mmio, VIRTIO_MMIO_STATUS, 0);
	cr_assert_not_null(
		strstr(fake_trace_text(), "detach 2\ndetach 1\n"), "%s", fake_trace_text());
	start_driver(MQ | CONTROL);
	cr_assert_eq(set_pairs(2), VIRTIO_NET_OK);
	cr_assert_str_eq(fake_trace_text(), "attach 1\n");
}

/* The host waits for all its CPUs with each: a driver that does nothing else slows itself down. */
Test(net_queues, next_command_waits_for_as_long_as_there_were_changes)
{
	int64_t before;

	start_driver(MQ | CONTROL);
	before = clock_ms();
	cr_assert_eq(set_pairs(3), VIRTIO_NET_OK);
	cr_assert_eq(set_pairs(3), VIRTIO_NET_OK);
	cr_assert_geq(clock_ms() - before, 2 * NET_CONTROL_PAUSE_MS);
	before = clock_ms();
	test_register_write(&mmio, VIRTIO_MMIO_STATUS, 0);
	start_driver(MQ | CONTROL);
	cr_assert_eq(set_pairs(2), VIRTIO_NET_OK);
	cr_assert_geq(clock_ms() - before, 2 * NET_CONTROL_PAUSE_MS);
}

/* The host's refusal is a line in the log. */
Test(net_queues, commands_that_change_nothing_have_a_pause_too)
{
	start_driver(MQ | CONTROL);
	vhost_fake.refused = TUNSETQUEUE;
	vhost_fake.refusal = -E2BIG;
	for (uint16_t pairs = 1; pairs <= PAIRS + 1; pairs++) {
		int64_t before = clock_ms();

		for (int i = 0; i < 3; i++)
			cr_assert_eq(set_pairs(pairs), pairs == 1 ? VIRTIO_NET_OK : VIRTIO_NET_ERR);
		cr_assert_geq(clock_ms() - before, 2 * NET_CONTROL_PAUSE_MS, "%u pairs", pairs);
	}
	vhost_fake.refused = 0;
}

/* 5.1.2: without VIRTIO_NET_F_MQ there is one pair, and the control queue comes behind it. */
Test(net_queues, control_queue_without_multiqueue)
{
	static const uint8_t bytes[] = { 4, 0, 2, 0 };

	start_driver(CONTROL);
	cr_assert_null(strstr(fake_trace_text(), "pair 1:\nback end"));
	fake_trace_clear();
	cr_assert_eq(command(2, bytes, sizeof(bytes), 1), VIRTIO_NET_ERR);
	cr_assert_str_eq(fake_trace_text(), "");
}

/* Not a driver's to do (5.1.3.1). Nobody serves a control queue then, and one pair is used. */
Test(net_queues, multiqueue_without_a_control_queue)
{
	start_driver(MQ);
	cr_assert_null(strstr(fake_trace_text(), "attach"));
	test_register_write(&mmio, VIRTIO_MMIO_STATUS, 0);
	start_driver(0);
	cr_assert_null(strstr(fake_trace_text(), "attach"));
}

Test(net_queues_tap, queues_but_the_first_are_detached)
{
	vhost_fake.multi_queue = true;
	open_tap(2);
	cr_assert_eq(tap.pair_count, 2);
	cr_assert_str_eq(fake_trace_text(),
		"open /dev/net/tun\ntap tap7 flags 0x5102\nopen /dev/net/tun\n"
		"tap tap7 flags 0x5102\ndetach 1\nheader 12\noffload 0xf\noffload 0x0\n");
	net_tap_close(&tap);
}

Test(net_queues_tap, tap_for_one_queue_is_taken_with_one)
{
	open_tap(4);
	cr_assert_eq(tap.pair_count, 1);
	cr_assert_not_null(strstr(fake_log_text(), "mode tap multi_queue"));
	net_tap_close(&tap);
}

/* The kernel would let both have it, and take frames away from the first. */
Test(net_queues_tap, tap_that_another_program_has_is_left_alone)
{
	vhost_fake.multi_queue = true;
	vhost_fake.is_tun = true;
	vhost_fake.has_carrier = true;
	cr_assert_eq(try_tap(2), -EBUSY);
	cr_assert_str_eq(fake_trace_text(), "");
	cr_assert_not_null(strstr(fake_log_text(), "another program has it open"));
}

/* It is down, so its carrier is not known; or the other came at the same moment. */
Test(net_queues_tap, tap_that_another_program_has_too_is_closed_again)
{
	vhost_fake.multi_queue = true;
	vhost_fake.is_tun = true;
	vhost_fake.has_second_queue = true;
	cr_assert_eq(try_tap(2), -EBUSY);
	cr_assert_null(strstr(fake_trace_text(), "offload"));
	cr_assert_not_null(strstr(fake_log_text(), "another program has it open"));
}

/* A carrier of another kind of interface's says nothing of that. */
Test(net_queues_tap, interface_that_is_no_tap)
{
	vhost_fake.has_carrier = true;
	vhost_fake.refused = TUNSETIFF;
	vhost_fake.refusal = -EINVAL;
	cr_assert_eq(try_tap(2), -EINVAL);
	cr_assert_not_null(strstr(fake_log_text(), "it is no tap"));
}

Test(net_queues_tap, fewer_queues_than_asked_for)
{
	vhost_fake.multi_queue = true;
	vhost_fake.refused = TUNSETQUEUE;
	vhost_fake.refusal = -EPERM;
	open_tap(3);
	cr_assert_eq(tap.pair_count, 1);
	cr_assert_not_null(strstr(fake_log_text(), "1 of 3 queues"));
	net_tap_close(&tap);
}
