/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between a guest's rings and a tap, which a socket with message boundaries stands for. */
#include "devices/virtio/net_loop.h"
#include "devices/virtio/vhost_user_front.h"
#include "tests/unit/fakes.h"
#include "tests/unit/vhost_fake.h"
#include "tests/unit/virtio_driver.h"

#include <criterion/criterion.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECEIVE, TRANSMIT };

#define BIT(n)	    (UINT64_C(1) << (n))
#define OFFLOADS    (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM))
#define RING_SIZE   16
#define BUFFER_SIZE 1600
#define BUFFERS	    (TEST_RAM_BASE + 0x10000)

static struct test_ram ram;
static struct test_ring rings[2];
static struct vhost_user_front front;
static struct virtio_mmio mmio;
static struct net_worker worker;
static pthread_t thread;
static int sockets[2], wire[2], status;

static void *run(void *argument)
{
	(void)argument;
	status = net_worker_run(&worker);
	return NULL;
}

static void *nothing(void *argument)
{
	return argument;
}

static void failed(struct virtio_mmio *device, int error)
{
	(void)device;
	cr_assert_fail("the back end failed: %s", strerror(-error));
}

static void start_driver(uint64_t features)
{
	for (uint32_t i = 0; i < 2; i++)
		test_ring_open(&rings[i], &ram, TEST_RAM_BASE + i * TEST_RING_BYTES, RING_SIZE);
	test_driver_start(&mmio, features | TEST_VERSION_1, rings, 2);
	cr_assert_eq(test_register_read(&mmio, VIRTIO_MMIO_STATUS), 15);
}

static void open_on(int wire_type, bool is_stream)
{
	struct virtio_mmio_options options = {
		.name = "net0",
		.device_id = 1,
		.queue_count = 2,
		.queue_size_max = 256,
		.config_size = NET_MAC_SIZE,
		.config = "\2\0\0\0\0\1",
		.front = &front.front,
		.memory = &ram.memory,
		.failed = failed,
	};
	struct net_tap tap = { .name = "tap7", .is_stream = is_stream };

	fake_log_capture();
	test_ram_open(&ram, 0x400000);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	cr_assert_eq(socketpair(AF_UNIX, wire_type | SOCK_NONBLOCK, 0, wire), 0);
	tap.fd = wire[1];
	if (!is_stream)
		tap.features = OFFLOADS;
	cr_assert_eq(net_worker_init(&worker, sockets[1], &tap), 0);
	pthread_create(&thread, NULL, run, NULL);
	cr_assert_eq(vhost_user_front_open(&front, sockets[0], "net0", 2), 0);
	cr_assert_eq(virtio_mmio_init(&mmio, &options), 0);
	mmio.memory_fd = ram.fd;
}

static void begin(void)
{
	open_on(SOCK_SEQPACKET, false);
}

static void begin_stream(void)
{
	open_on(SOCK_STREAM, true);
}

static void end(void)
{
	close(sockets[0]);
	pthread_join(thread, NULL);
	cr_assert_eq(status, 0);
	net_worker_close(&worker);
	virtio_mmio_close(&mmio);
	test_ram_close(&ram);
}

TestSuite(net_loop, .init = begin, .fini = end, .timeout = 60);
TestSuite(net_loop_stream, .init = begin_stream, .fini = end, .timeout = 60);

static void notify(uint32_t queue)
{
	test_register_write(&mmio, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, timeout_ms) == 1;
}

/* Waits for the device to use a buffer; the length that it says. */
static uint32_t used(int queue)
{
	uint32_t head, written = 0;
	uint64_t count;

	while (!test_ring_take(&rings[queue], &head, &written)) {
		cr_assert(readable(mmio.queues[queue].call_fd, 20000), "no interrupt");
		cr_assert_eq(read(mmio.queues[queue].call_fd, &count, sizeof(count)), 8);
	}
	return written;
}

/* The guest sends `size` bytes of frame behind a header, in pieces that part the header. */
static void send_frame(struct virtio_net_hdr_mrg_rxbuf header, uint32_t size)
{
	uint8_t *at = test_ram_at(&ram, BUFFERS);

	memcpy(at, &header, sizeof(header));
	for (uint32_t i = 0; i < size; i++)
		at[NET_HEADER_SIZE + i] = (uint8_t)i;
	test_ring_set(&rings[TRANSMIT], 0, BUFFERS, 7, VRING_DESC_F_NEXT, 1);
	test_ring_set(&rings[TRANSMIT], 1, BUFFERS + 7, NET_HEADER_SIZE + size - 7, 0, 0);
	test_ring_offer(&rings[TRANSMIT], 0);
	notify(TRANSMIT);
	cr_assert_eq(used(TRANSMIT), 0);
}

static void assert_sent(uint32_t size)
{
	uint8_t frame[4096];

	cr_assert(readable(wire[0], 20000));
	cr_assert_eq(read(wire[0], frame, sizeof(frame)), NET_HEADER_SIZE + size);
	for (uint32_t i = 0; i < size; i++)
		cr_assert_eq(frame[NET_HEADER_SIZE + i], (uint8_t)i);
}

Test(net_loop, frame_goes_out_behind_its_header_however_the_driver_cuts_it)
{
	start_driver(0);
	send_frame((struct virtio_net_hdr_mrg_rxbuf){ .num_buffers = 0 }, 100);
	assert_sent(100);
}

Test(net_loop, frame_that_makes_no_sense_is_dropped_and_the_next_goes)
{
	struct virtio_net_hdr_mrg_rxbuf bad = { .hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };

	start_driver(0); /* no checksums negotiated */
	send_frame(bad, 100);
	send_frame(bad, 100);
	cr_assert_not(readable(wire[0], 100));
	send_frame((struct virtio_net_hdr_mrg_rxbuf){ .num_buffers = 0 }, 60);
	assert_sent(60);
	cr_assert_not_null(strstr(fake_log_text(), "makes no sense (112 bytes)"));
}

Test(net_loop, tap_is_told_what_each_driver_takes)
{
	start_driver(OFFLOADS);
	send_frame((struct virtio_net_hdr_mrg_rxbuf){ .num_buffers = 0 }, 60);
	cr_assert_str_eq(fake_trace_text(), "offload 0x1\n");
	fake_trace_clear();
	test_register_write(&mmio, VIRTIO_MMIO_STATUS, 0);
	start_driver(0);
	send_frame((struct virtio_net_hdr_mrg_rxbuf){ .num_buffers = 0 }, 60);
	cr_assert_str_eq(fake_trace_text(), "offload 0x0\n");
}

static void offer_receive(uint32_t size)
{
	test_ring_set(&rings[RECEIVE], 0, BUFFERS + 0x10000, 5,
		VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	test_ring_set(&rings[RECEIVE], 1, BUFFERS + 0x10005, size - 5, VRING_DESC_F_WRITE, 0);
	test_ring_offer(&rings[RECEIVE], 0);
	notify(RECEIVE);
}

static void arrive(uint8_t fill, size_t size)
{
	uint8_t frame[4096] = { 0 };

	memset(frame + NET_HEADER_SIZE, fill, size);
	cr_assert_eq(
		write(wire[0], frame, NET_HEADER_SIZE + size), (ssize_t)(NET_HEADER_SIZE + size));
}

static void assert_received(uint8_t fill, uint32_t size)
{
	struct virtio_net_hdr_mrg_rxbuf header;
	const uint8_t *at = test_ram_at(&ram, BUFFERS + 0x10000);

	cr_assert_eq(used(RECEIVE), NET_HEADER_SIZE + size);
	memcpy(&header, at, sizeof(header));
	/* 5.1.6.4.1: without VIRTIO_NET_F_MRG_RXBUF a frame is in one buffer. */
	cr_assert_eq(le16toh(header.num_buffers), 1);
	for (uint32_t i = 0; i < size; i++)
		cr_assert_eq(at[NET_HEADER_SIZE + i], fill);
}

Test(net_loop, frame_waits_for_a_buffer)
{
	start_driver(0);
	arrive(7, 100);
	arrive(8, 200);
	usleep(20 * 1000);
	offer_receive(BUFFER_SIZE);
	assert_received(7, 100);
	offer_receive(BUFFER_SIZE);
	assert_received(8, 200);
}

Test(net_loop, buffer_waits_for_a_frame)
{
	start_driver(0);
	offer_receive(BUFFER_SIZE);
	usleep(20 * 1000);
	arrive(9, 1500);
	assert_received(9, 1500);
}

Test(net_loop, frame_without_room_is_lost_and_its_buffer_is_the_next_one_s)
{
	start_driver(0);
	offer_receive(500);
	arrive(1, 489); /* one byte more than fits behind the header */
	arrive(2, 488);
	assert_received(2, 488);
}

Test(net_loop, buffer_that_no_frame_fits_comes_back_empty)
{
	start_driver(0);
	offer_receive(25);
	cr_assert_eq(used(RECEIVE), 0);
	cr_assert_not_null(strstr(fake_log_text(), "buffer of 25 bytes"));
}

#define MERGEABLE   BIT(VIRTIO_NET_F_MRG_RXBUF)
#define SMALL	    100
#define SMALL_AT(n) (BUFFERS + 0x10000 + (n)*0x100u)

/* Offers `count` buffers of SMALL bytes each, all 0x5a. */
static void offer_small(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		memset(test_ram_at(&ram, SMALL_AT(i)), 0x5a, 0x100);
		test_ring_set(
			&rings[RECEIVE], (uint16_t)i, SMALL_AT(i), SMALL, VRING_DESC_F_WRITE, 0);
		test_ring_offer(&rings[RECEIVE], (uint16_t)i);
	}
	notify(RECEIVE);
}

/* What is in the first `count` of them; they are full but for the last. */
static void assert_small(uint32_t count, uint8_t fill, uint32_t size)
{
	struct virtio_net_hdr_mrg_rxbuf header;
	uint32_t left = NET_HEADER_SIZE + size;

	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *at = test_ram_at(&ram, SMALL_AT(i));
		uint32_t part = left < SMALL ? left : SMALL;

		/* All at once: the first was seen, so nothing is waited for. */
		cr_assert_eq(used(RECEIVE), part, "buffer %u", i);
		for (uint32_t n = i == 0 ? NET_HEADER_SIZE : 0; n < part; n++)
			cr_assert_eq(at[n], fill);
		cr_assert_eq(at[SMALL], 0x5a);
		left -= part;
	}
	cr_assert_eq(left, 0);
	memcpy(&header, test_ram_at(&ram, SMALL_AT(0)), sizeof(header));
	cr_assert_eq(le16toh(header.num_buffers), count);
}

/* 5.1.6.4.1: with VIRTIO_NET_F_MRG_RXBUF all buffers but a frame's last are filled, and num_buffers
 * says how many there are. */
Test(net_loop, frame_is_spread_over_buffers)
{
	start_driver(MERGEABLE);
	arrive(6, 250);
	offer_small(3);
	assert_small(3, 6, 250);
	cr_assert_eq(rings[RECEIVE].used->idx, 3);
}

Test(net_loop, frame_that_fills_its_buffers_takes_no_more)
{
	start_driver(MERGEABLE);
	arrive(6, 2 * SMALL - NET_HEADER_SIZE);
	offer_small(3);
	assert_small(2, 6, 2 * SMALL - NET_HEADER_SIZE);
	arrive(7, 20);
	cr_assert_eq(used(RECEIVE), NET_HEADER_SIZE + 20);
}

/* It is lost, and its buffers are there for the next one. */
Test(net_loop, frame_for_which_there_are_too_few_buffers)
{
	start_driver(MERGEABLE);
	arrive(1, 3 * SMALL);
	arrive(2, 150);
	offer_small(3);
	assert_small(2, 2, 150);
}

Test(net_loop, buffers_are_not_merged_for_a_driver_that_does_not_know)
{
	start_driver(0);
	arrive(1, 150);
	arrive(2, 50);
	offer_small(3);
	assert_small(1, 2, 50);
}

/* Each is for a frame's part, as long as it is a buffer at all: nothing is written to others. */
Test(net_loop, buffers_without_room_between_others)
{
	start_driver(MERGEABLE);
	arrive(3, 150);
	memset(test_ram_at(&ram, SMALL_AT(1)), 0x5a, 0x100);
	test_ring_set(&rings[RECEIVE], 0, SMALL_AT(0), SMALL, VRING_DESC_F_WRITE, 0);
	test_ring_set(&rings[RECEIVE], 1, SMALL_AT(1), SMALL, 0, 0);
	test_ring_set(&rings[RECEIVE], 2, SMALL_AT(2), SMALL, VRING_DESC_F_WRITE, 0);
	for (uint16_t i = 0; i < 3; i++)
		test_ring_offer(&rings[RECEIVE], i);
	notify(RECEIVE);
	cr_assert_eq(used(RECEIVE), SMALL);
	cr_assert_eq(used(RECEIVE), 0);
	cr_assert_eq(used(RECEIVE), NET_HEADER_SIZE + 150 - SMALL);
	cr_assert_eq(*(uint8_t *)test_ram_at(&ram, SMALL_AT(1)), 0x5a);
}

/* After a reset nothing is written into the buffers that an earlier driver gave (2.1, 4.2.2.2). */
Test(net_loop, reset_takes_the_buffers_back)
{
	start_driver(0);
	offer_receive(BUFFER_SIZE);
	usleep(20 * 1000);
	test_register_write(&mmio, VIRTIO_MMIO_STATUS, 0);
	memset(test_ram_at(&ram, BUFFERS + 0x10000), 0x5a, BUFFER_SIZE);
	arrive(3, 100);
	usleep(50 * 1000);
	for (uint32_t i = 0; i < BUFFER_SIZE; i++)
		cr_assert_eq(((uint8_t *)test_ram_at(&ram, BUFFERS + 0x10000))[i], 0x5a);
	/* What came for the one driver is not the next one's, though it negotiates the same. */
	start_driver(0);
	offer_receive(BUFFER_SIZE);
	arrive(4, 100);
	assert_received(4, 100);
}

/* A program's stream has the frame's length in the place of the header. */
Test(net_loop_stream, frames_go_out_behind_their_length)
{
	uint8_t frame[4 + 100];

	start_driver(0);
	for (int i = 0; i < 3; i++) {
		send_frame((struct virtio_net_hdr_mrg_rxbuf){ .num_buffers = 0 }, 100);
		cr_assert(readable(wire[0], 20000));
		cr_assert_eq(recv(wire[0], frame, sizeof(frame), MSG_WAITALL), 104);
		cr_assert_arr_eq(frame, ((uint8_t[]){ 0, 0, 0, 100, 0, 1, 2, 3 }), 8);
		cr_assert_eq(frame[103], 99);
	}
}

Test(net_loop_stream, frames_come_in_cut_as_they_like)
{
	uint8_t frame[2 * (4 + 300)] = { 0 };

	frame[2] = frame[306] = 300 >> 8;
	frame[3] = frame[307] = 300 & 0xff;
	memset(frame + 4, 7, 300);
	memset(frame + 308, 8, 300);
	start_driver(0);
	offer_receive(BUFFER_SIZE);
	cr_assert_eq(write(wire[0], frame, 350), 350);
	assert_received(7, 300);
	offer_receive(BUFFER_SIZE);
	usleep(20 * 1000);
	cr_assert_eq(
		write(wire[0], frame + 350, sizeof(frame) - 350), (ssize_t)sizeof(frame) - 350);
	assert_received(8, 300);
}

Test(net_loop_stream, frame_is_spread_over_buffers)
{
	uint8_t frame[4 + 250] = { 0, 0, 0, 250 };

	memset(frame + 4, 5, 250);
	start_driver(MERGEABLE);
	cr_assert_eq(write(wire[0], frame, sizeof(frame)), (ssize_t)sizeof(frame));
	offer_small(3);
	assert_small(3, 5, 250);
}

static void end_broken(int error)
{
	pthread_join(thread, NULL);
	cr_assert_eq(status, error);
	/* For the end of the test. */
	status = 0;
	pthread_create(&thread, NULL, nothing, NULL);
}

Test(net_loop_stream, program_that_is_gone_ends_the_worker)
{
	start_driver(0);
	close(wire[0]);
	end_broken(-ENODEV);
	cr_assert_not_null(strstr(fake_log_text(), "tap7 is gone"));
}

Test(net_loop_stream, length_that_makes_no_sense_ends_the_worker)
{
	start_driver(0);
	offer_receive(BUFFER_SIZE);
	cr_assert_eq(write(wire[0], "\377\377\377\377", 4), 4);
	end_broken(-EPROTO);
}
