/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between a guest's rings and a tap, which a socket with message boundaries stands for. */
#include "tests/unit/fakes.h"
#include "tests/unit/net_guest.h"
#include "tests/unit/vhost_fake.h"

#include <criterion/criterion.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MERGEABLE BIT(VIRTIO_NET_F_MRG_RXBUF)

static void *nothing(void *argument)
{
	return argument;
}

static void begin(void)
{
	net_guest_open(SOCK_SEQPACKET);
}

static void begin_stream(void)
{
	net_guest_open(SOCK_STREAM);
}

TestSuite(net_loop, .init = begin, .fini = net_guest_end, .timeout = 60);
TestSuite(net_loop_stream, .init = begin_stream, .fini = net_guest_end, .timeout = 60);

Test(net_loop, frame_goes_out_behind_its_header_however_the_driver_cuts_it)
{
	net_guest_driver(0);
	net_guest_send((struct virtio_net_hdr_mrg_rxbuf){ .num_buffers = 0 }, 100);
	net_guest_sent(100);
}

Test(net_loop, frame_that_makes_no_sense_is_dropped_and_the_next_goes)
{
	struct virtio_net_hdr_mrg_rxbuf bad = { .hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };

	net_guest_driver(0); /* no checksums negotiated */
	net_guest_send(bad, 100);
	net_guest_send(bad, 100);
	cr_assert_not(net_guest_readable(net_guest.wire[0], 100));
	net_guest_send((struct virtio_net_hdr_mrg_rxbuf){ .num_buffers = 0 }, 60);
	net_guest_sent(60);
	cr_assert_not_null(strstr(fake_log_text(), "makes no sense (112 bytes)"));
}

Test(net_loop, tap_is_told_what_each_driver_takes)
{
	net_guest_driver(NET_OFFLOADS);
	net_guest_send((struct virtio_net_hdr_mrg_rxbuf){ .num_buffers = 0 }, 60);
	cr_assert_str_eq(fake_trace_text(), "offload 0x1\n");
	fake_trace_clear();
	test_register_write(&net_guest.mmio, VIRTIO_MMIO_STATUS, 0);
	net_guest_driver(0);
	net_guest_send((struct virtio_net_hdr_mrg_rxbuf){ .num_buffers = 0 }, 60);
	cr_assert_str_eq(fake_trace_text(), "offload 0x0\n");
}

Test(net_loop, driver_that_knows_of_checksums_is_told_that_a_frame_was_checked)
{
	net_guest_driver(NET_OFFLOADS);
	net_guest_offer(NET_BUFFER_SIZE);
	net_guest_arrive(7, 100);
	net_guest_received(7, 100);
}

Test(net_loop, frame_waits_for_a_buffer)
{
	net_guest_driver(0);
	net_guest_arrive(7, 100);
	net_guest_arrive(8, 200);
	usleep(20 * 1000);
	net_guest_offer(NET_BUFFER_SIZE);
	net_guest_received(7, 100);
	net_guest_offer(NET_BUFFER_SIZE);
	net_guest_received(8, 200);
}

Test(net_loop, buffer_waits_for_a_frame)
{
	net_guest_driver(0);
	net_guest_offer(NET_BUFFER_SIZE);
	usleep(20 * 1000);
	net_guest_arrive(9, 1500);
	net_guest_received(9, 1500);
}

Test(net_loop, frame_without_room_is_lost_and_its_buffer_is_the_next_one_s)
{
	net_guest_driver(0);
	net_guest_offer(500);
	net_guest_arrive(1, 489); /* one byte more than fits behind the header */
	net_guest_arrive(2, 488);
	net_guest_received(2, 488);
}

Test(net_loop, buffer_that_no_frame_fits_comes_back_empty)
{
	net_guest_driver(0);
	net_guest_offer(25);
	cr_assert_eq(net_guest_used(RECEIVE), 0);
	cr_assert_not_null(strstr(fake_log_text(), "buffer of 25 bytes"));
}

#define SMALL	    100
#define SMALL_AT(n) (NET_BUFFERS + 0x10000 + (n)*0x100u)

/* Offers `count` buffers of SMALL bytes each, all 0x5a. */
static void offer_small(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		memset(test_ram_at(&net_guest.ram, SMALL_AT(i)), 0x5a, 0x100);
		test_ring_set(&net_guest.rings[RECEIVE], (uint16_t)i, SMALL_AT(i), SMALL,
			VRING_DESC_F_WRITE, 0);
		test_ring_offer(&net_guest.rings[RECEIVE], (uint16_t)i);
	}
	net_guest_notify(RECEIVE);
}

/* What is in the first `count` of them; they are full but for the last. */
static void assert_small(uint32_t count, uint8_t fill, uint32_t size)
{
	struct virtio_net_hdr_mrg_rxbuf header;
	uint32_t left = NET_HEADER_SIZE + size;

	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *at = test_ram_at(&net_guest.ram, SMALL_AT(i));
		uint32_t part = left < SMALL ? left : SMALL;

		/* All at once: the first was seen, so nothing is waited for. */
		cr_assert_eq(net_guest_used(RECEIVE), part, "buffer %u", i);
		for (uint32_t n = i == 0 ? NET_HEADER_SIZE : 0; n < part; n++)
			cr_assert_eq(at[n], fill);
		cr_assert_eq(at[SMALL], 0x5a);
		left -= part;
	}
	cr_assert_eq(left, 0);
	memcpy(&header, test_ram_at(&net_guest.ram, SMALL_AT(0)), sizeof(header));
	cr_assert_eq(le16toh(header.num_buffers), count);
}

/* 5.1.6.4.1: with VIRTIO_NET_F_MRG_RXBUF all buffers but a frame's last are filled, and num_buffers
 * says how many there are. */
Test(net_loop, frame_is_spread_over_buffers)
{
	net_guest_driver(MERGEABLE);
	net_guest_arrive(6, 250);
	offer_small(3);
	assert_small(3, 6, 250);
	cr_assert_eq(net_guest.rings[RECEIVE].used->idx, 3);
}

Test(net_loop, frame_that_fills_its_buffers_takes_no_more)
{
	net_guest_driver(MERGEABLE);
	net_guest_arrive(6, 2 * SMALL - NET_HEADER_SIZE);
	offer_small(3);
	assert_small(2, 6, 2 * SMALL - NET_HEADER_SIZE);
	net_guest_arrive(7, 20);
	cr_assert_eq(net_guest_used(RECEIVE), NET_HEADER_SIZE + 20);
}

/* It is lost, and its buffers are there for the next one. */
Test(net_loop, frame_for_which_there_are_too_few_buffers)
{
	net_guest_driver(MERGEABLE);
	net_guest_arrive(1, 3 * SMALL);
	net_guest_arrive(2, 150);
	offer_small(3);
	assert_small(2, 2, 150);
}

Test(net_loop, buffers_are_not_merged_for_a_driver_that_does_not_know)
{
	net_guest_driver(0);
	net_guest_arrive(1, 150);
	net_guest_arrive(2, 50);
	offer_small(3);
	assert_small(1, 2, 50);
}

/* Each is for a frame's part, as long as it is a buffer at all: nothing is written to others. */
Test(net_loop, buffers_without_room_between_others)
{
	net_guest_driver(MERGEABLE);
	net_guest_arrive(3, 150);
	memset(test_ram_at(&net_guest.ram, SMALL_AT(1)), 0x5a, 0x100);
	test_ring_set(&net_guest.rings[RECEIVE], 0, SMALL_AT(0), SMALL, VRING_DESC_F_WRITE, 0);
	test_ring_set(&net_guest.rings[RECEIVE], 1, SMALL_AT(1), SMALL, 0, 0);
	test_ring_set(&net_guest.rings[RECEIVE], 2, SMALL_AT(2), SMALL, VRING_DESC_F_WRITE, 0);
	for (uint16_t i = 0; i < 3; i++)
		test_ring_offer(&net_guest.rings[RECEIVE], i);
	net_guest_notify(RECEIVE);
	cr_assert_eq(net_guest_used(RECEIVE), SMALL);
	cr_assert_eq(net_guest_used(RECEIVE), 0);
	cr_assert_eq(net_guest_used(RECEIVE), NET_HEADER_SIZE + 150 - SMALL);
	cr_assert_eq(*(uint8_t *)test_ram_at(&net_guest.ram, SMALL_AT(1)), 0x5a);
}

/* After a reset nothing is written into the buffers that an earlier driver gave (2.1, 4.2.2.2). */
Test(net_loop, reset_takes_the_buffers_back)
{
	net_guest_driver(0);
	net_guest_offer(NET_BUFFER_SIZE);
	usleep(20 * 1000);
	test_register_write(&net_guest.mmio, VIRTIO_MMIO_STATUS, 0);
	memset(test_ram_at(&net_guest.ram, NET_BUFFERS + 0x10000), 0x5a, NET_BUFFER_SIZE);
	net_guest_arrive(3, 100);
	usleep(50 * 1000);
	for (uint32_t i = 0; i < NET_BUFFER_SIZE; i++)
		cr_assert_eq(
			((uint8_t *)test_ram_at(&net_guest.ram, NET_BUFFERS + 0x10000))[i], 0x5a);
	/* What came for the one driver is not the next one's, though it negotiates the same. */
	net_guest_driver(0);
	net_guest_offer(NET_BUFFER_SIZE);
	net_guest_arrive(4, 100);
	net_guest_received(4, 100);
}

/* A program's stream has the frame's length in the place of the header. */
Test(net_loop_stream, frames_go_out_behind_their_length)
{
	uint8_t frame[4 + 100];

	net_guest_driver(0);
	for (int i = 0; i < 3; i++) {
		net_guest_send((struct virtio_net_hdr_mrg_rxbuf){ .num_buffers = 0 }, 100);
		cr_assert(net_guest_readable(net_guest.wire[0], 20000));
		cr_assert_eq(recv(net_guest.wire[0], frame, sizeof(frame), MSG_WAITALL), 104);
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
	net_guest_driver(0);
	net_guest_offer(NET_BUFFER_SIZE);
	cr_assert_eq(write(net_guest.wire[0], frame, 350), 350);
	net_guest_received(7, 300);
	net_guest_offer(NET_BUFFER_SIZE);
	usleep(20 * 1000);
	cr_assert_eq(write(net_guest.wire[0], frame + 350, sizeof(frame) - 350),
		(ssize_t)sizeof(frame) - 350);
	net_guest_received(8, 300);
}

Test(net_loop_stream, frame_is_spread_over_buffers)
{
	uint8_t frame[4 + 250] = { 0, 0, 0, 250 };

	memset(frame + 4, 5, 250);
	net_guest_driver(MERGEABLE);
	cr_assert_eq(write(net_guest.wire[0], frame, sizeof(frame)), (ssize_t)sizeof(frame));
	offer_small(3);
	assert_small(3, 5, 250);
}

static void end_broken(int error)
{
	pthread_join(net_guest.thread, NULL);
	cr_assert_eq(net_guest.status, error);
	/* For the end of the test. */
	net_guest.status = 0;
	pthread_create(&net_guest.thread, NULL, nothing, NULL);
}

Test(net_loop_stream, program_that_is_gone_ends_the_worker)
{
	net_guest_driver(0);
	close(net_guest.wire[0]);
	end_broken(-ENODEV);
	cr_assert_not_null(strstr(fake_log_text(), "tap7 is gone"));
}

Test(net_loop_stream, length_that_makes_no_sense_ends_the_worker)
{
	net_guest_driver(0);
	net_guest_offer(NET_BUFFER_SIZE);
	cr_assert_eq(write(net_guest.wire[0], "\377\377\377\377", 4), 4);
	end_broken(-EPROTO);
}
