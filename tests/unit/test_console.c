/* SPDX-License-Identifier: Apache-2.0 */
/* The console from the guest's rings to the other end: what is promised about bytes and waiting. */
#include "tests/unit/console_guest.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define FLOOD (4u << 20)

TestSuite(console, .init = fake_log_capture, .timeout = 60);

/* Standard input and output as pipes: [0] is the reading end. */
static int input_pipe[2], output_pipe[2];

static void start_with_pipes(int flags)
{
	cr_assert_eq(pipe2(input_pipe, flags), 0);
	cr_assert_eq(pipe2(output_pipe, flags), 0);
	guest_start(CONSOLE_STDIO, input_pipe[0], output_pipe[1]);
	guest_start_driver(0);
}

Test(console, carries_both_ways)
{
	start_with_pipes(O_NONBLOCK);
	guest_print("hello\r\n");
	cr_assert_str_eq(test_read_text(output_pipe[0]), "hello\r\n");
	cr_assert_eq(write(input_pipe[1], "typed", 5), 5);
	usleep(50 * 1000);
	guest_offer_receive(0);
	guest_notify(RECEIVE);
	cr_assert_str_eq(guest_receive(5000), "typed", "it waited for a buffer");
	cr_assert_eq(write(input_pipe[1], "more", 4), 4);
	cr_assert_str_eq(guest_receive(5000), "more");
	guest_end();
}

/* 5.3.3: no size, no further ports, no emergency write: so no configuration space is read (5.3.4).
 */
Test(console, offers_no_feature_of_its_own_5_3_3)
{
	start_with_pipes(O_NONBLOCK);
	cr_assert_eq(guest.mmio.features & 0xffffff, 0);
	cr_assert_eq(guest.mmio.config_size, 0);
	guest_end();
}

Test(console, end_of_input_is_not_the_end)
{
	start_with_pipes(O_NONBLOCK);
	guest_offer_receive(0);
	cr_assert_eq(write(input_pipe[1], "last", 4), 4);
	close(input_pipe[1]);
	cr_assert_str_eq(guest_receive(5000), "last");
	cr_assert_str_eq(guest_receive(100), "nothing");
	guest_print("still here");
	cr_assert_str_eq(test_read_text(output_pipe[0]), "still here");
	guest_end();
}

Test(console, escape_is_no_escape_in_a_pipe)
{
	start_with_pipes(O_NONBLOCK);
	guest_offer_receive(0);
	cr_assert_eq(write(input_pipe[1], "\1x\1\1", 4), 4);
	cr_assert_str_eq(guest_receive(5000), "\1x\1\1");
	cr_assert_not(test_wait_for(guest.stop_fd, POLLIN, 0));
	guest_end();
}

Test(console, output_without_a_reader_is_discarded)
{
	signal(SIGPIPE, SIG_IGN);
	start_with_pipes(O_NONBLOCK);
	close(output_pipe[0]);
	for (int i = 0; i < 100; i++)
		guest_print("nobody listens");
	guest_end();
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static uint64_t checksum(uint64_t sum, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		sum = (sum ^ data[i]) * UINT64_C(0x100000001b3);
	return sum;
}

struct slow_reader {
	int fd;
	size_t bytes;
	uint64_t sum;
};

/* Takes odd amounts, and rests every now and then. */
static void *read_slowly(void *argument)
{
	struct slow_reader *reader = argument;
	uint32_t state = 7;
	uint8_t data[7919];

	while (reader->bytes < FLOOD) {
		ssize_t count;

		if (next_random(&state) % 64 == 0)
			usleep(2000);
		if (!test_wait_for(reader->fd, POLLIN, 10000))
			break;
		count = read(reader->fd, data, 1 + next_random(&state) % sizeof(data));
		if (count <= 0)
			break;
		reader->sum = checksum(reader->sum, data, (size_t)count);
		reader->bytes += (size_t)count;
	}
	return NULL;
}

/* The guest prints FLOOD bytes in chains of odd lengths, as many at a time as the ring holds. */
static uint64_t flood(void)
{
	uint32_t state = 42, printed = 0, offered = 0, taken = 0, head, written;
	uint64_t sum = 0;

	while (printed < FLOOD || taken < offered) {
		while (printed < FLOOD && offered - taken < RING_SIZE / 2) {
			uint16_t index = (uint16_t)(offered % (RING_SIZE / 2) * 2);
			uint64_t gpa = TRANSMIT_GPA + index * (uint64_t)PIECE;
			uint8_t *data = test_ram_at(&guest.ram, gpa);
			uint32_t size = 2 + next_random(&state) % (2 * PIECE - 2);

			if (size > FLOOD - printed)
				size = FLOOD - printed;
			for (uint32_t i = 0; i < size; i++)
				data[i] = (uint8_t)next_random(&state);
			sum = checksum(sum, data, size);
			test_ring_set(&guest.rings[TRANSMIT], index, gpa, size / 2,
				VRING_DESC_F_NEXT, index + 1);
			test_ring_set(&guest.rings[TRANSMIT], index + 1, gpa + size / 2,
				size - size / 2, 0, 0);
			test_ring_offer(&guest.rings[TRANSMIT], index);
			printed += size;
			offered++;
		}
		guest_notify(TRANSMIT);
		cr_assert(guest_take(TRANSMIT, &head, &written, 10000),
			"%u of %u buffers came back", taken, offered);
		taken++;
	}
	return sum;
}

static void flood_through(int read_fd)
{
	struct slow_reader reader = { .fd = read_fd };
	pthread_t thread;
	uint64_t sum;

	pthread_create(&thread, NULL, read_slowly, &reader);
	sum = flood();
	pthread_join(thread, NULL);
	cr_assert_eq(reader.bytes, FLOOD);
	cr_assert_eq(reader.sum, sum, "the flood arrived changed");
	guest_end();
}

Test(console, flood_through_a_slow_pipe)
{
	start_with_pipes(O_NONBLOCK);
	flood_through(output_pipe[0]);
}

Test(console, flood_through_a_slow_blocking_pipe)
{
	start_with_pipes(0);
	flood_through(output_pipe[0]);
}

Test(console, flood_through_a_slow_socket)
{
	int pair[2];

	/* Blocking, as standard output handed down by a service manager is. */
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	guest_start(CONSOLE_STDIO, pair[1], pair[1]);
	guest_start_driver(UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX);
	flood_through(pair[0]);
}

Test(console, paste_of_megabytes_arrives)
{
	uint32_t state = 1, sent = 0, got = 0, head, written;
	uint64_t sent_sum = 0, got_sum = 0;

	start_with_pipes(O_NONBLOCK);
	for (uint16_t i = 0; i < 3; i++)
		guest_offer_receive(i);
	guest_notify(RECEIVE);
	while (got < FLOOD) {
		uint8_t data[5000];
		size_t size = 1 + next_random(&state) % sizeof(data);
		ssize_t count = 0;

		if (sent < FLOOD) {
			if (size > FLOOD - sent)
				size = FLOOD - sent;
			for (size_t i = 0; i < size; i++)
				data[i] = (uint8_t)(sent + i * 7);
			count = write(input_pipe[1], data, size);
		}
		if (count > 0) {
			sent_sum = checksum(sent_sum, data, (size_t)count);
			sent += (uint32_t)count;
		}
		if (!guest_take(RECEIVE, &head, &written, count > 0 ? 0 : 5000))
			continue;
		got_sum = checksum(got_sum,
			test_ram_at(&guest.ram, RECEIVE_GPA + head * (uint64_t)PIECE), written);
		got += written;
		guest_offer_receive((uint16_t)head);
		guest_notify(RECEIVE);
	}
	cr_assert_eq(got, FLOOD);
	cr_assert_eq(got_sum, sent_sum);
	guest_end();
}

static int64_t milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Offers more than pipe and all will take, and waits until nothing moves any more. */
static void block_output(void)
{
	uint32_t head, written;

	memset(test_ram_at(&guest.ram, TRANSMIT_GPA), '#', 0x100000);
	for (uint16_t i = 0; i < 4; i++) {
		test_ring_set(&guest.rings[TRANSMIT], i, TRANSMIT_GPA, 0x80000, 0, 0);
		test_ring_offer(&guest.rings[TRANSMIT], i);
	}
	guest_notify(TRANSMIT);
	cr_assert_not(guest_take(TRANSMIT, &head, &written, 200), "output did not block");
}

/* Takes what the pipe holds. */
static void empty_output(void)
{
	char sink[65536];

	while (test_wait_for(output_pipe[0], POLLIN, 0))
		cr_assert_gt(read(output_pipe[0], sink, sizeof(sink)), 0);
}

Test(console, blocked_output_blocks_nobody_else)
{
	int64_t before;

	start_with_pipes(O_NONBLOCK);
	block_output();
	guest_offer_receive(0);
	cr_assert_eq(write(input_pipe[1], "typed", 5), 5);
	cr_assert_str_eq(guest_receive(5000), "typed");
	before = milliseconds();
	test_register_write(&guest.mmio, VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(test_register_read(&guest.mmio, VIRTIO_MMIO_STATUS), 0);
	cr_assert_lt(milliseconds() - before, 1000, "the reset waited for the reader");
	/* The next driver starts with a clean ring, behind what the pipe still holds. */
	guest_start_driver(0);
	empty_output();
	guest_print("anew");
	cr_assert_str_eq(test_read_text(output_pipe[0]), "anew");
	guest_end();
}

/* Linux' driver spins for its buffer with interrupts off: nobody may make it do so for long. */
Test(console, output_that_nobody_takes_is_dropped_after_a_while)
{
	uint32_t head, written;

	start_with_pipes(O_NONBLOCK);
	block_output();
	for (uint16_t i = 0; i < 4; i++)
		cr_assert(guest_take(TRANSMIT, &head, &written, 10000));
	guest_print("dropped");
	empty_output();
	guest_print("anew");
	cr_assert_str_eq(test_read_text(output_pipe[0]), "anew");
	guest_end();
	cr_assert_not_null(strstr(fake_log_text(), "it is dropped until somebody does"));
	cr_assert_not_null(strstr(fake_log_text(), "bytes of it were dropped"));
}

/* A guest that floods a slow peer cannot fill the host's log. */
Test(console, what_is_dropped_is_told_a_few_times)
{
	uint32_t head, written;
	size_t said = 0;

	start_with_pipes(O_NONBLOCK);
	guest.worker.told = CONSOLE_TOLD_AT_MOST - 1;
	for (int turn = 0; turn < 2; turn++) {
		block_output();
		for (uint16_t i = 0; i < 4; i++)
			cr_assert(guest_take(TRANSMIT, &head, &written, 10000));
		empty_output();
		guest_print("anew");
		cr_assert_str_eq(test_read_text(output_pipe[0]), "anew");
		if (turn == 0)
			said = strlen(fake_log_text());
	}
	guest_end();
	cr_assert_not_null(
		strstr(fake_log_text(), "bytes of it were dropped; this is not said again"));
	cr_assert_eq(strlen(fake_log_text()), said);
}

Test(console, blocked_output_does_not_spin)
{
	struct timespec before, after;
	clockid_t clock;

	start_with_pipes(O_NONBLOCK);
	block_output();
	pthread_getcpuclockid(guest.worker_thread, &clock);
	clock_gettime(clock, &before);
	usleep(300 * 1000);
	clock_gettime(clock, &after);
	cr_assert_lt((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec,
		50 * 1000 * 1000, "the guest.worker burns the processor");
	guest_end();
}

Test(console, what_was_printed_before_a_reset_is_written)
{
	start_with_pipes(O_NONBLOCK);
	memcpy(test_ram_at(&guest.ram, TRANSMIT_GPA), "last words", 10);
	test_ring_set(&guest.rings[TRANSMIT], 0, TRANSMIT_GPA, 10, 0, 0);
	test_ring_offer(&guest.rings[TRANSMIT], 0);
	guest_notify(TRANSMIT);
	test_register_write(&guest.mmio, VIRTIO_MMIO_STATUS, 0);
	cr_assert_str_eq(test_read_text(output_pipe[0]), "last words");
	guest_end();
}

Test(console, endless_empty_buffers_leave_time_for_others)
{
	int64_t before;

	start_with_pipes(O_NONBLOCK);
	/* A ring full of empty buffers, some read-only where they ought to be writable. */
	for (uint16_t i = 0; i < RING_SIZE; i++) {
		test_ring_set(&guest.rings[RECEIVE], i, RECEIVE_GPA, i % 2, 0, 0);
		test_ring_offer(&guest.rings[RECEIVE], i);
		test_ring_set(&guest.rings[TRANSMIT], i, TRANSMIT_GPA, 0, 0, 0);
		test_ring_offer(&guest.rings[TRANSMIT], i);
	}
	guest_notify(TRANSMIT);
	guest_notify(RECEIVE);
	cr_assert_eq(write(input_pipe[1], "typed", 5), 5);
	before = milliseconds();
	while (guest.rings[RECEIVE].used->idx != RING_SIZE && milliseconds() - before < 5000)
		usleep(1000);
	guest_offer_receive(0);
	guest_notify(RECEIVE);
	guest.rings[RECEIVE].taken = RING_SIZE;
	cr_assert_str_eq(guest_receive(5000), "typed", "the empty buffers took nothing of it");
	guest_end();
}

/*
 * What is typed says how many buffers are available: each one that is filled adds another, and a
 * buffer to send that holds the used index. What it holds when it is sent tells when it had its
 * turn.
 */
Test(console, guest_that_receives_without_end_sends_too)
{
	enum { TYPED = 1000, BOTH = 2 * sizeof(uint16_t) };
	struct test_ring *receive, *transmit;
	static uint16_t typed[TYPED][2];
	uint16_t seen;

	start_with_pipes(O_NONBLOCK);
	receive = &guest.rings[RECEIVE];
	transmit = &guest.rings[TRANSMIT];
	for (uint32_t i = 0; i < TYPED; i++) {
		typed[i][0] = (uint16_t)(i + 2);
		typed[i][1] = 1;
	}
	test_ring_set(receive, 0, receive->available_gpa + 2, 2,
		VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	test_ring_set(receive, 1, transmit->available_gpa + 2, 2, VRING_DESC_F_WRITE, 0);
	test_ring_set(transmit, 0, receive->used_gpa + 2, 2, 0, 0);
	cr_assert_eq(write(input_pipe[1], typed, sizeof(typed)), (ssize_t)sizeof(typed));
	test_ring_offer(receive, 0);
	guest_notify(RECEIVE);
	cr_assert(test_wait_for(output_pipe[0], POLLIN, 5000));
	cr_assert_eq(read(output_pipe[0], &seen, sizeof(seen)), sizeof(seen));
	cr_assert_gt(seen, 0);
	cr_assert_leq(seen, 256, "%u buffers were filled before", seen);
	guest_end();
}

/* --- a terminal ------------------------------------------------------------------------------- */

Test(console, terminal_is_raw_while_the_worker_runs)
{
	int user = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), terminal;
	struct termios before, during, after;

	cr_assert_eq(grantpt(user) | unlockpt(user), 0);
	terminal = open(ptsname(user), O_RDWR | O_NOCTTY | O_NONBLOCK);
	cr_assert_eq(tcgetattr(terminal, &before), 0);
	guest_start(CONSOLE_STDIO, terminal, terminal);
	guest_start_driver(0);
	guest_offer_receive(0);
	guest_offer_receive(1);
	cr_assert_eq(write(user, "a", 1), 1);
	cr_assert_str_eq(guest_receive(5000), "a", "a key without a return");
	tcgetattr(terminal, &during);
	cr_assert_eq(during.c_lflag & (ICANON | ECHO | ISIG), 0);
	cr_assert_eq(during.c_oflag, before.c_oflag, "log lines share the terminal");
	guest_print("$ ");
	cr_assert_str_eq(test_read_text(user), "$ ");

	cr_assert_eq(write(user, "\1", 1), 1);
	cr_assert_str_eq(guest_receive(100), "nothing");
	cr_assert_eq(write(user, "\1b\1", 3), 3);
	cr_assert_str_eq(guest_receive(5000), "\1b");
	cr_assert_not(test_wait_for(guest.stop_fd, POLLIN, 0));
	cr_assert_eq(write(user, "x", 1), 1);
	cr_assert(test_wait_for(guest.stop_fd, POLLIN, 5000), "Ctrl-A x across two reads");
	guest_end();
	console_terminal_restore(&guest.worker.terminal);
	tcgetattr(terminal, &after);
	cr_assert_eq(after.c_iflag, before.c_iflag);
	cr_assert_eq(after.c_oflag, before.c_oflag);
	cr_assert_eq(after.c_cflag, before.c_cflag);
	cr_assert_eq(after.c_lflag, before.c_lflag);
	cr_assert_arr_eq(before.c_cc, after.c_cc, sizeof(before.c_cc));
}

Test(console, escape_works_with_a_guest_that_takes_no_input)
{
	int user = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), terminal;

	cr_assert_eq(grantpt(user) | unlockpt(user), 0);
	terminal = open(ptsname(user), O_RDWR | O_NOCTTY | O_NONBLOCK);
	guest_start(CONSOLE_STDIO, terminal, terminal);
	cr_assert_eq(write(user, "\1x", 2), 2);
	cr_assert(test_wait_for(guest.stop_fd, POLLIN, 5000));
	guest_end();
}

Test(console, escape_works_behind_input_that_the_guest_does_not_take)
{
	int user = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), terminal;

	cr_assert_eq(grantpt(user) | unlockpt(user), 0);
	terminal = open(ptsname(user), O_RDWR | O_NOCTTY | O_NONBLOCK);
	guest_start(CONSOLE_STDIO, terminal, terminal);
	usleep(50 * 1000); /* it is raw by now */
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(write(user, "key", 3), 3);
		usleep(20 * 1000);
	}
	cr_assert_eq(write(user, "\1x", 2), 2);
	cr_assert(test_wait_for(guest.stop_fd, POLLIN, 5000));
	guest_start_driver(0);
	guest_offer_receive(0);
	guest_notify(RECEIVE);
	cr_assert_str_eq(guest_receive(5000), "keykeykey");
	guest_end();
}

Test(console_escape, survives_any_cut)
{
	static const uint8_t typed[] = "a\1\1b\1cd\1xe\1\1\1x";
	static const uint8_t expected[] = "a\1b\1cde\1";

	for (size_t cut = 0; cut < sizeof(typed); cut++) {
		struct console_escape escape = { .enabled = true };
		uint8_t output[64];
		bool first = false, second = false;
		size_t count = console_escape_filter(&escape, typed, cut, output, &first);

		count += console_escape_filter(
			&escape, typed + cut, sizeof(typed) - 1 - cut, output + count, &second);
		cr_assert_eq(count, sizeof(expected) - 1, "cut at %zu", cut);
		cr_assert_arr_eq(output, expected, sizeof(expected) - 1);
		cr_assert(second || cut == sizeof(typed) - 1);
		if (cut == sizeof(typed) - 1)
			break;
	}
}

Test(console_escape, grows_by_one_at_most)
{
	struct console_escape escape = { .enabled = true, .pending = true };
	uint8_t output[4] = { 0, 0, 0, 0xee };
	bool stop = false;

	cr_assert_eq(console_escape_filter(&escape, (const uint8_t *)"ab", 2, output, &stop), 3);
	cr_assert_arr_eq(output, "\1ab\xee", 4);
	cr_assert_not(stop);
}
