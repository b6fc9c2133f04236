/* SPDX-License-Identifier: Apache-2.0 */
/* A tap, or a program, that takes no frames for a while; a guest that sends without end, or changes
 * what it sends. */
#include "tests/unit/net_guest.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FRAME	  100
#define SENDS_AT  (NET_BUFFERS + 0x80000)
#define MOST_SENT 5000u

static void small_wire(int type)
{
	const int size = 4608; /* the least that the kernel gives */

	net_guest_open(type);
	cr_assert_eq(setsockopt(net_guest.wire[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
}

static void begin(void)
{
	small_wire(SOCK_SEQPACKET);
}

static void begin_stream(void)
{
	small_wire(SOCK_STREAM);
}

TestSuite(net_full, .init = begin, .fini = net_guest_end, .timeout = 120);
TestSuite(net_full_stream, .init = begin_stream, .fini = net_guest_end, .timeout = 120);

/* Frame `number` of the guest's, which says so in its first bytes. */
static void offer_frame(uint32_t number)
{
	const uint16_t index = (uint16_t)(number % NET_RING_SIZE);
	const uint64_t gpa = SENDS_AT + index * UINT64_C(0x400);
	uint8_t *at = test_ram_at(&net_guest.ram, gpa);

	memset(at, 0, NET_HEADER_SIZE + FRAME);
	memcpy(at + NET_HEADER_SIZE, &number, sizeof(number));
	test_ring_set(&net_guest.rings[TRANSMIT], index, gpa, NET_HEADER_SIZE + FRAME, 0, 0);
	test_ring_offer(&net_guest.rings[TRANSMIT], index);
	net_guest_notify(TRANSMIT);
}

static uint16_t used_index(void)
{
	return __atomic_load_n(&net_guest.rings[TRANSMIT].used->idx, __ATOMIC_ACQUIRE);
}

/* Long against what a frame takes that can go, and against anything. */
#define STALL_TURNS 4000
#define TURNS	    200000

/* Whether the device gets beyond, or to, this index of used buffers; a turn is 50 us or more. */
static bool gets_to(uint16_t index, int turns)
{
	for (int i = 0; i < turns; i++) {
		if ((int16_t)(used_index() - index) >= 0)
			return true;
		usleep(50);
	}
	return false;
}

static bool are_used(uint32_t count)
{
	return gets_to((uint16_t)count, TURNS);
}

/* Sends until wire and ring are full. Returns how many frames were offered. */
static uint32_t fill_wire(void)
{
	uint32_t count = 0;
	uint16_t used;

	do {
		used = used_index();
		while ((uint16_t)(count - used) < NET_RING_SIZE)
			offer_frame(count++);
		cr_assert_lt(count, MOST_SENT);
	} while (gets_to((uint16_t)(used + 1), STALL_TURNS));
	return count;
}

/* The next frame, which must be that one. */
static void comes_out(uint32_t number)
{
	uint8_t bytes[4096];
	size_t before = net_guest.worker.stream != NULL ? 4 : NET_HEADER_SIZE;
	uint32_t seen;

	cr_assert(net_guest_readable(net_guest.wire[0], 20000), "frame %u does not come", number);
	cr_assert_eq(recv(net_guest.wire[0], bytes, before + FRAME, MSG_WAITALL),
		(ssize_t)(before + FRAME));
	memcpy(&seen, bytes + before, sizeof(seen));
	cr_assert_eq(seen, number);
}

/* All of them, once and in order, without another kick. */
static void all_come_out(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		comes_out(i);
	cr_assert(are_used(count));
	cr_assert_not(net_guest_readable(net_guest.wire[0], 50), "one too many");
}

static double worker_seconds(void)
{
	struct timespec time;
	clockid_t clock;

	cr_assert_eq(pthread_getcpuclockid(net_guest.thread, &clock), 0);
	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* Returns how many frames there were. */
static uint32_t frames_wait(void)
{
	double before;
	uint32_t count;

	net_guest_driver(0);
	count = fill_wire();
	before = worker_seconds();
	usleep(300 * 1000);
	cr_assert_lt(worker_seconds() - before, 0.02, "it waits and does not ask all the time");
	all_come_out(count);
	return count;
}

Test(net_full, frames_wait_in_the_guest_s_ring)
{
	uint32_t count = frames_wait();

	offer_frame(count);
	comes_out(count);
}

Test(net_full, the_other_way_goes_on)
{
	uint32_t count;

	net_guest_driver(0);
	count = fill_wire();
	net_guest_offer(NET_BUFFER_SIZE);
	net_guest_arrive(7, 300);
	net_guest_received(7, 300);
	net_guest_arrive(8, 200);
	net_guest_offer(NET_BUFFER_SIZE);
	net_guest_received(8, 200);
	all_come_out(count);
}

/* Both ways stand still; whichever is made room for first, the other one goes on later. */
Test(net_full, tap_and_ring_are_both_full)
{
	uint32_t count;

	for (int tap_first = 0; tap_first < 2; tap_first++) {
		net_guest_driver(0);
		count = fill_wire();
		net_guest_arrive(7, 300);
		net_guest_arrive(8, 200);
		usleep(50 * 1000);
		if (tap_first)
			all_come_out(count);
		net_guest_offer(NET_BUFFER_SIZE);
		net_guest_received(7, 300);
		net_guest_offer(NET_BUFFER_SIZE);
		net_guest_received(8, 200);
		if (!tap_first)
			all_come_out(count);
	}
}

/* A reset does not wait for the tap, and what was not taken is not the next driver's. */
Test(net_full, reset_forgets_what_waits)
{
	uint32_t count, out;

	net_guest_driver(0);
	count = fill_wire();
	out = net_guest.rings[TRANSMIT].used->idx;
	cr_assert_lt(out, count);
	net_guest_driver(0);
	for (uint32_t i = 0; i < out; i++)
		comes_out(i);
	cr_assert_not(net_guest_readable(net_guest.wire[0], 100));
	offer_frame(0);
	comes_out(0);
}

Test(net_full_stream, frames_wait_in_the_guest_s_ring)
{
	frames_wait();
}

Test(net_full_stream, tap_and_ring_are_both_full)
{
	const uint8_t frame[4 + FRAME] = { 0, 0, 0, FRAME, 7 };
	uint32_t count;

	net_guest_driver(0);
	count = fill_wire();
	cr_assert_eq(write(net_guest.wire[0], frame, sizeof(frame)), (ssize_t)sizeof(frame));
	usleep(50 * 1000);
	net_guest_offer(NET_BUFFER_SIZE);
	cr_assert_eq(net_guest_used(RECEIVE), NET_HEADER_SIZE + FRAME);
	all_come_out(count);
}

/* --- a ring that is never empty --------------------------------------------------------------- */

static _Atomic bool refilling;
static _Atomic uint32_t refills;

/*
 * In the place of the C library's, for the whole test program. While `refilling`, the tap takes
 * all, and each frame has the guest offer another one before its buffer is given back.
 */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): its names are reserved */
ssize_t writev(int fd, const struct iovec *parts, int count)
{
	if (!atomic_load(&refilling) || fd != net_guest.wire[1])
		return syscall(SYS_writev, fd, parts, count);
	atomic_fetch_add(&refills, 1);
	test_ring_offer(&net_guest.rings[TRANSMIT], 0);
	return NET_HEADER_SIZE + FRAME;
}

Test(net_full, guest_that_sends_without_end_receives_too)
{
	net_guest_driver(0);
	net_guest.front.deadline_ms = 3000;
	atomic_store(&refilling, true);
	offer_frame(0);
	while (atomic_load(&refills) < 20000)
		usleep(100);
	net_guest_offer(NET_BUFFER_SIZE);
	net_guest_arrive(7, 300);
	net_guest_received(7, 300);
	test_register_write(&net_guest.mmio, VIRTIO_MMIO_STATUS, 0);
	atomic_store(&refilling, false);
}

/* --- a frame that changes while it is sent ---------------------------------------------------- */

static _Atomic bool rewriting;

/* So that it comes in at any moment, however few processors there are. */
static void pause_now_and_then(uint32_t round)
{
	const struct timespec moment = { .tv_nsec = 1 };

	if (round % 64 == 0)
		nanosleep(&moment, NULL);
}

/* Another vCPU: the header asks for a checksum inside the frame, and then for one behind it. */
static void *rewrite(void *at)
{
	volatile struct virtio_net_hdr *header = at;

	for (uint32_t i = 0; atomic_load(&rewriting); i++) {
		header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header->csum_start = 20;
		pause_now_and_then(i);
		header->csum_start = 0xfff0;
		pause_now_and_then(i + 32);
		header->gso_type = VIRTIO_NET_HDR_GSO_UDP;
		header->gso_type = VIRTIO_NET_HDR_GSO_NONE;
		header->flags = 0;
		pause_now_and_then(i + 16);
	}
	return NULL;
}

/* What goes to the tap is what was checked: each header that comes out would pass again. */
Test(net_full, header_is_checked_and_sent_from_one_copy)
{
	struct virtio_net_hdr_mrg_rxbuf header;
	uint32_t sent = 0, with_checksum = 0;
	uint8_t bytes[4096];
	pthread_t thread;

	net_guest_driver(NET_OFFLOADS);
	offer_frame(0);
	comes_out(0);
	atomic_store(&rewriting, true);
	pthread_create(&thread, NULL, rewrite, test_ram_at(&net_guest.ram, SENDS_AT));
	for (uint32_t i = 1; i < 200000 && (sent < 300 || with_checksum < 10); i++) {
		test_ring_offer(&net_guest.rings[TRANSMIT], 0);
		net_guest_notify(TRANSMIT);
		cr_assert(are_used(i + 1));
		if (recv(net_guest.wire[0], bytes, sizeof(bytes), 0) < 0)
			continue; /* it made no sense, and was dropped */
		memcpy(&header, bytes, sizeof(header));
		cr_assert(net_header_valid(&header, NET_OFFLOADS, FRAME));
		with_checksum += (header.hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
		sent++;
	}
	atomic_store(&rewriting, false);
	pthread_join(thread, NULL);
	cr_assert_geq(with_checksum, 10, "%u", sent);
}
