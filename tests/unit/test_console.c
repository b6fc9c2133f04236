/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console from the guest's rings to whoever is at the other end: register file, front end and
 * worker are real, the guest's driver and the machine are the test's.
 */
#include "devices/virtio/console_loop.h"
#include "devices/virtio/vhost_user_front.h"
#include "tests/unit/fakes.h"
#include "tests/unit/virtio_driver.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#define RAM_SIZE     UINT64_C(0x400000)
#define RECEIVE	     0
#define TRANSMIT     1
#define RING_SIZE    16
#define RECEIVE_GPA  (TEST_RAM_BASE + 0x10000) /* 4 KiB for each entry */
#define TRANSMIT_GPA (TEST_RAM_BASE + 0x100000)
#define PIECE	     4096
#define FLOOD	     (4u << 20)

static struct test_ram ram;
static struct test_ring rings[2];
static struct vhost_user_front front;
static struct virtio_mmio mmio;
static struct console_worker worker;
static pthread_t worker_thread;
static int worker_status;
static int sockets[2], stop_fd;

static void *run_worker(void *argument)
{
	(void)argument;
	worker_status = console_worker_run(&worker);
	return NULL;
}

static void failed(struct virtio_mmio *device, int error)
{
	(void)device;
	cr_assert_fail("the back end failed: %s", strerror(-error));
}

/* A guest with its console's driver at work, and `fd` at the other end. */
static void start_console(enum console_kind kind, int fd, int output_fd)
{
	const struct virtio_mmio_options options = {
		.name = "console",
		.device_id = 3,
		.queue_count = 2,
		.queue_size_max = 64,
		.front = &front.front,
		.memory = &ram.memory,
		.failed = failed,
	};

	fake_log_capture();
	test_ram_open(&ram, RAM_SIZE);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	stop_fd = eventfd(0, EFD_NONBLOCK);
	console_worker_init(&worker, sockets[1], kind, fd, output_fd, stop_fd);
	pthread_create(&worker_thread, NULL, run_worker, NULL);
	cr_assert_eq(vhost_user_front_open(&front, sockets[0], "console", 2), 0);
	cr_assert_eq(virtio_mmio_init(&mmio, &options), 0);
	mmio.memory_fd = ram.fd;
}

static void start_driver(uint64_t features)
{
	for (uint32_t i = 0; i < 2; i++)
		test_ring_open(&rings[i], &ram, TEST_RAM_BASE + i * TEST_RING_BYTES, RING_SIZE);
	test_driver_start(&mmio, features | TEST_VERSION_1, rings, 2);
	cr_assert_eq(test_register_read(&mmio, VIRTIO_MMIO_STATUS), 15);
}

static void end_console(void)
{
	close(sockets[0]);
	pthread_join(worker_thread, NULL);
	cr_assert_eq(worker_status, 0);
	console_worker_close(&worker);
	close(sockets[1]);
	virtio_mmio_close(&mmio);
	test_ram_close(&ram);
}

static void notify(uint32_t queue)
{
	test_register_write(&mmio, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

static bool wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd wait = { .fd = fd, .events = events };

	return poll(&wait, 1, timeout_ms) == 1;
}

/* Sleeps until the device used a buffer of the queue; false after `timeout_ms`. */
static bool take(uint32_t queue, uint32_t *head, uint32_t *written, int timeout_ms)
{
	uint16_t *used_event = &rings[queue].available->ring[RING_SIZE];
	uint64_t count;

	/* Of use with VIRTIO_F_EVENT_IDX, ignored without it (2.7.7). */
	__atomic_store_n(used_event, rings[queue].taken, __ATOMIC_SEQ_CST);
	while (!test_ring_take(&rings[queue], head, written)) {
		if (!wait_for(mmio.queues[queue].call_fd, POLLIN, timeout_ms))
			return test_ring_take(&rings[queue], head, written);
		if (read(mmio.queues[queue].call_fd, &count, sizeof(count)) < 0)
			return false;
	}
	return true;
}

static void offer_receive(uint16_t index)
{
	test_ring_set(&rings[RECEIVE], index, RECEIVE_GPA + index * (uint64_t)PIECE, PIECE,
		VRING_DESC_F_WRITE, 0);
	test_ring_offer(&rings[RECEIVE], index);
}

/* What the guest prints; waits until it was taken. */
static void print(const char *text)
{
	uint32_t head, written;

	memcpy(test_ram_at(&ram, TRANSMIT_GPA), text, strlen(text));
	test_ring_set(&rings[TRANSMIT], 0, TRANSMIT_GPA, (uint32_t)strlen(text), 0, 0);
	test_ring_offer(&rings[TRANSMIT], 0);
	notify(TRANSMIT);
	cr_assert(take(TRANSMIT, &head, &written, 5000));
	cr_assert_eq(written, 0, "the device writes nothing into what it reads");
}

/* What arrives in the guest, in one piece; offers the buffer again. */
static const char *receive(int timeout_ms)
{
	static char text[PIECE + 1];
	uint32_t head, written;

	if (!take(RECEIVE, &head, &written, timeout_ms))
		return "nothing";
	memcpy(text, test_ram_at(&ram, RECEIVE_GPA + head * (uint64_t)PIECE), written);
	text[written] = '\0';
	offer_receive((uint16_t)head);
	return text;
}

static const char *read_text(int fd)
{
	static char text[PIECE + 1];
	ssize_t count;

	if (!wait_for(fd, POLLIN, 5000))
		return "nothing";
	count = read(fd, text, PIECE);
	text[count < 0 ? 0 : count] = '\0';
	return text;
}

TestSuite(console, .timeout = 60);

/* Standard input and output as pipes: [0] is the reading end. */
static int input_pipe[2], output_pipe[2];

static void start_with_pipes(int flags)
{
	cr_assert_eq(pipe2(input_pipe, flags), 0);
	cr_assert_eq(pipe2(output_pipe, flags), 0);
	start_console(CONSOLE_STDIO, input_pipe[0], output_pipe[1]);
	start_driver(0);
}

Test(console, carries_both_ways)
{
	start_with_pipes(O_NONBLOCK);
	print("hello\r\n");
	cr_assert_str_eq(read_text(output_pipe[0]), "hello\r\n");
	cr_assert_eq(write(input_pipe[1], "typed", 5), 5);
	usleep(50 * 1000);
	offer_receive(0);
	notify(RECEIVE);
	cr_assert_str_eq(receive(5000), "typed", "it waited for a buffer");
	cr_assert_eq(write(input_pipe[1], "more", 4), 4);
	cr_assert_str_eq(receive(5000), "more");
	end_console();
}

Test(console, end_of_input_is_not_the_end)
{
	start_with_pipes(O_NONBLOCK);
	offer_receive(0);
	cr_assert_eq(write(input_pipe[1], "last", 4), 4);
	close(input_pipe[1]);
	cr_assert_str_eq(receive(5000), "last");
	cr_assert_str_eq(receive(100), "nothing");
	print("still here");
	cr_assert_str_eq(read_text(output_pipe[0]), "still here");
	end_console();
}

Test(console, escape_is_no_escape_in_a_pipe)
{
	start_with_pipes(O_NONBLOCK);
	offer_receive(0);
	cr_assert_eq(write(input_pipe[1], "\1x\1\1", 4), 4);
	cr_assert_str_eq(receive(5000), "\1x\1\1");
	cr_assert_not(wait_for(stop_fd, POLLIN, 0));
	end_console();
}

Test(console, output_without_a_reader_is_discarded)
{
	signal(SIGPIPE, SIG_IGN);
	start_with_pipes(O_NONBLOCK);
	close(output_pipe[0]);
	for (int i = 0; i < 100; i++)
		print("nobody listens");
	end_console();
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
		if (!wait_for(reader->fd, POLLIN, 10000))
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
			uint8_t *data = test_ram_at(&ram, gpa);
			uint32_t size = 2 + next_random(&state) % (2 * PIECE - 2);

			if (size > FLOOD - printed)
				size = FLOOD - printed;
			for (uint32_t i = 0; i < size; i++)
				data[i] = (uint8_t)next_random(&state);
			sum = checksum(sum, data, size);
			test_ring_set(&rings[TRANSMIT], index, gpa, size / 2, VRING_DESC_F_NEXT,
				index + 1);
			test_ring_set(
				&rings[TRANSMIT], index + 1, gpa + size / 2, size - size / 2, 0, 0);
			test_ring_offer(&rings[TRANSMIT], index);
			printed += size;
			offered++;
		}
		notify(TRANSMIT);
		cr_assert(take(TRANSMIT, &head, &written, 10000), "%u of %u buffers came back",
			taken, offered);
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
	end_console();
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
	start_console(CONSOLE_STDIO, pair[1], pair[1]);
	start_driver(UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX);
	flood_through(pair[0]);
}

Test(console, paste_of_megabytes_arrives)
{
	uint32_t state = 1, sent = 0, got = 0, head, written;
	uint64_t sent_sum = 0, got_sum = 0;

	start_with_pipes(O_NONBLOCK);
	for (uint16_t i = 0; i < 3; i++)
		offer_receive(i);
	notify(RECEIVE);
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
		if (!take(RECEIVE, &head, &written, count > 0 ? 0 : 5000))
			continue;
		got_sum = checksum(
			got_sum, test_ram_at(&ram, RECEIVE_GPA + head * (uint64_t)PIECE), written);
		got += written;
		offer_receive((uint16_t)head);
		notify(RECEIVE);
	}
	cr_assert_eq(got, FLOOD);
	cr_assert_eq(got_sum, sent_sum);
	end_console();
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

	memset(test_ram_at(&ram, TRANSMIT_GPA), '#', 0x100000);
	for (uint16_t i = 0; i < 4; i++) {
		test_ring_set(&rings[TRANSMIT], i, TRANSMIT_GPA, 0x80000, 0, 0);
		test_ring_offer(&rings[TRANSMIT], i);
	}
	notify(TRANSMIT);
	cr_assert_not(take(TRANSMIT, &head, &written, 200), "output did not block");
}

Test(console, blocked_output_blocks_nobody_else)
{
	int64_t before;

	start_with_pipes(O_NONBLOCK);
	block_output();
	offer_receive(0);
	cr_assert_eq(write(input_pipe[1], "typed", 5), 5);
	cr_assert_str_eq(receive(5000), "typed");
	before = milliseconds();
	test_register_write(&mmio, VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(test_register_read(&mmio, VIRTIO_MMIO_STATUS), 0);
	cr_assert_lt(milliseconds() - before, 1000, "the reset waited for the reader");
	/* The next driver starts with a clean ring, behind what the pipe still holds. */
	start_driver(0);
	while (wait_for(output_pipe[0], POLLIN, 0)) {
		char sink[65536];

		cr_assert_gt(read(output_pipe[0], sink, sizeof(sink)), 0);
	}
	print("anew");
	cr_assert_str_eq(read_text(output_pipe[0]), "anew");
	end_console();
}

Test(console, blocked_output_does_not_spin)
{
	struct timespec before, after;
	clockid_t clock;

	start_with_pipes(O_NONBLOCK);
	block_output();
	pthread_getcpuclockid(worker_thread, &clock);
	clock_gettime(clock, &before);
	usleep(300 * 1000);
	clock_gettime(clock, &after);
	cr_assert_lt((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec,
		50 * 1000 * 1000, "the worker burns the processor");
	end_console();
}

Test(console, what_was_printed_before_a_reset_is_written)
{
	start_with_pipes(O_NONBLOCK);
	memcpy(test_ram_at(&ram, TRANSMIT_GPA), "last words", 10);
	test_ring_set(&rings[TRANSMIT], 0, TRANSMIT_GPA, 10, 0, 0);
	test_ring_offer(&rings[TRANSMIT], 0);
	notify(TRANSMIT);
	test_register_write(&mmio, VIRTIO_MMIO_STATUS, 0);
	cr_assert_str_eq(read_text(output_pipe[0]), "last words");
	end_console();
}

Test(console, endless_empty_buffers_leave_time_for_others)
{
	int64_t before;

	start_with_pipes(O_NONBLOCK);
	/* A ring full of empty buffers, some read-only where they ought to be writable. */
	for (uint16_t i = 0; i < RING_SIZE; i++) {
		test_ring_set(&rings[RECEIVE], i, RECEIVE_GPA, i % 2, 0, 0);
		test_ring_offer(&rings[RECEIVE], i);
		test_ring_set(&rings[TRANSMIT], i, TRANSMIT_GPA, 0, 0, 0);
		test_ring_offer(&rings[TRANSMIT], i);
	}
	notify(TRANSMIT);
	notify(RECEIVE);
	cr_assert_eq(write(input_pipe[1], "typed", 5), 5);
	before = milliseconds();
	while (rings[RECEIVE].used->idx != RING_SIZE && milliseconds() - before < 5000)
		usleep(1000);
	offer_receive(0);
	notify(RECEIVE);
	rings[RECEIVE].taken = RING_SIZE;
	cr_assert_str_eq(receive(5000), "typed", "the empty buffers took nothing of it");
	end_console();
}

/* --- a terminal ------------------------------------------------------------------------------- */

Test(console, terminal_is_raw_while_the_worker_runs)
{
	int user = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK), terminal;
	struct termios before, during, after;

	cr_assert_eq(grantpt(user) | unlockpt(user), 0);
	terminal = open(ptsname(user), O_RDWR | O_NOCTTY | O_NONBLOCK);
	cr_assert_eq(tcgetattr(terminal, &before), 0);
	start_console(CONSOLE_STDIO, terminal, terminal);
	start_driver(0);
	offer_receive(0);
	offer_receive(1);
	cr_assert_eq(write(user, "a", 1), 1);
	cr_assert_str_eq(receive(5000), "a", "a key without a return");
	tcgetattr(terminal, &during);
	cr_assert_eq(during.c_lflag & (ICANON | ECHO | ISIG), 0);
	cr_assert_eq(during.c_oflag, before.c_oflag, "log lines share the terminal");
	print("$ ");
	cr_assert_str_eq(read_text(user), "$ ");

	cr_assert_eq(write(user, "\1", 1), 1);
	cr_assert_str_eq(receive(100), "nothing");
	cr_assert_eq(write(user, "\1b\1", 3), 3);
	cr_assert_str_eq(receive(5000), "\1b");
	cr_assert_not(wait_for(stop_fd, POLLIN, 0));
	cr_assert_eq(write(user, "x", 1), 1);
	cr_assert(wait_for(stop_fd, POLLIN, 5000), "Ctrl-A x across two reads");
	end_console();
	console_terminal_restore(&worker.terminal);
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
	start_console(CONSOLE_STDIO, terminal, terminal);
	cr_assert_eq(write(user, "\1x", 2), 2);
	cr_assert(wait_for(stop_fd, POLLIN, 5000));
	end_console();
}

Test(console_terminal, settings_of_somebody_else_are_left_alone)
{
	int user = posix_openpt(O_RDWR | O_NOCTTY), terminal;
	struct console_terminal console;
	struct termios settings, now;

	cr_assert_eq(grantpt(user) | unlockpt(user), 0);
	terminal = open(ptsname(user), O_RDWR | O_NOCTTY);
	console_terminal_save(&console, terminal);
	cr_assert(console_terminal_enter(&console));
	/* A shell that took the terminal back, with settings of its own. */
	tcgetattr(terminal, &settings);
	settings.c_lflag |= ISIG;
	tcsetattr(terminal, TCSANOW, &settings);
	console_terminal_restore(&console);
	tcgetattr(terminal, &now);
	cr_assert_eq(now.c_lflag, settings.c_lflag);
	console_terminal_save(&console, user == -1 ? 0 : open("/dev/null", O_RDWR));
	cr_assert_eq(console.fd, -1);
	cr_assert(console_terminal_enter(&console), "not a terminal: nothing to wait for");
	console_terminal_restore(&console);
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
