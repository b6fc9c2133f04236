/* SPDX-License-Identifier: Apache-2.0 */
/* The early UART's worker between the machine's socket and the other end. */
#include "devices/serial/serial_worker.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static struct serial_worker worker;
static int machine, worker_socket, wake, stop;
static int in[2], out[2]; /* pipes: what is typed, what is shown */
static pthread_t thread;
static int result;

static void *run(void *unused)
{
	(void)unused;
	result = serial_worker_run(&worker);
	return NULL;
}

static void begin(void)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	machine = pair[0];
	worker_socket = pair[1];
	wake = eventfd(0, EFD_CLOEXEC);
	stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	cr_assert(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	cr_assert_eq(fcntl(out[1], F_SETFL, O_NONBLOCK), 0);
	serial_worker_init(&worker, worker_socket, CONSOLE_STDIO, in[0], out[1], wake, stop);
	cr_assert_eq(pthread_create(&thread, NULL, run, NULL), 0);
}

TestSuite(serial_worker, .init = begin, .timeout = 60);

static void join(void)
{
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_assert_eq(result, 0);
	serial_worker_close(&worker);
	close(worker_socket);
}

static void get(int fd, const char *expected)
{
	char got[64] = "";
	size_t count = 0;

	while (count < strlen(expected)) {
		ssize_t n = read(fd, got + count, strlen(expected) - count);

		cr_assert_gt(n, 0);
		count += (size_t)n;
	}
	cr_assert_str_eq(got, expected);
}

static void await_wake(void)
{
	uint64_t count;

	cr_assert_eq(read(wake, &count, sizeof(count)), sizeof(count));
}

Test(serial_worker, moves_bytes_both_ways_and_wakes)
{
	cr_assert_eq(write(machine, "hello", 5), 5);
	await_wake();
	get(out[0], "hello");
	cr_assert_eq(write(in[1], "\001x", 2), 2, "no escape: this is no terminal");
	await_wake();
	get(machine, "\001x");
	close(machine);
	join();
}

Test(serial_worker, last_words_come_before_the_end)
{
	static char text[100000];
	size_t seen = 0;

	memset(text, 'x', sizeof(text));
	cr_assert_eq(write(machine, text, sizeof(text)), sizeof(text));
	close(machine);
	while (seen < sizeof(text)) {
		ssize_t n = read(out[0], text, sizeof(text));

		cr_assert_gt(n, 0);
		seen += (size_t)n;
	}
	join();
}

/* What nobody takes stays in the socket: the machine is told by EAGAIN, not by a full host. */
Test(serial_worker, a_peer_that_takes_nothing_is_bounded_and_does_not_keep_the_end)
{
	char block[4096] = "";
	size_t taken = 0;
	struct pollfd room = { .fd = machine, .events = POLLOUT };

	while (poll(&room, 1, 500) > 0) {
		ssize_t n = send(machine, block, sizeof(block), MSG_DONTWAIT);

		taken += n > 0 ? (size_t)n : 0;
		cr_assert_lt(taken, 16u << 20);
	}
	close(machine);
	join();
}

Test(serial_worker, the_end_of_input_is_not_the_end)
{
	close(in[1]);
	cr_assert_eq(write(machine, "more", 4), 4);
	get(out[0], "more");
	close(machine);
	join();
}
