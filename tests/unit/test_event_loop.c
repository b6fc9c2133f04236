/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's event loop. */
#include "tests/unit/fakes.h"
#include "vmm/base/event_loop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct event_loop loop;
static struct event_source one, two;

static void drain(struct event_source *source)
{
	eventfd_t count;

	cr_assert_eq(eventfd_read(source->fd, &count), 0);
	fake_trace("%s %d", source == &one ? "one" : "two", (int)count);
}

static void note(struct event_source *source)
{
	fake_trace("%s", source == &one ? "one" : "two");
}

static void begin(void)
{
	cr_assert_eq(event_loop_open(&loop), 0);
	one = (struct event_source){ eventfd(0, EFD_NONBLOCK), drain };
	two = (struct event_source){ eventfd(0, EFD_NONBLOCK), drain };
	cr_assert_eq(event_loop_add(&loop, &one), 0);
	cr_assert_eq(event_loop_add(&loop, &two), 0);
}

static void end(void)
{
	event_loop_close(&loop);
	close(one.fd);
	close(two.fd);
}

TestSuite(event_loop, .init = begin, .fini = end, .timeout = 20);

Test(event_loop, serves_the_source_that_is_ready)
{
	eventfd_write(two.fd, 3);
	cr_assert_eq(event_loop_run_once(&loop, -1), 0);
	cr_assert_str_eq(fake_trace_text(), "two 3\n");
	cr_assert_eq(event_loop_run_once(&loop, 0), 0);
	cr_assert_str_eq(fake_trace_text(), "two 3\n");
}

Test(event_loop, busy_source_does_not_starve_another)
{
	one.ready = two.ready = note; /* both stay ready */
	eventfd_write(one.fd, 1);
	eventfd_write(two.fd, 1);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(event_loop_run_once(&loop, -1), 0);
	cr_assert_not_null(strstr(fake_trace_text(), "one\ntwo\none\n"), "%s", fake_trace_text());
}

Test(event_loop, what_is_not_served_stays_ready)
{
	one.ready = note;
	eventfd_write(one.fd, 1);
	event_loop_run_once(&loop, -1);
	event_loop_run_once(&loop, -1);
	cr_assert_str_eq(fake_trace_text(), "one\none\n");
}

static void remove_both(struct event_source *source)
{
	note(source);
	event_loop_remove(&loop, &one);
	event_loop_remove(&loop, &two);
}

Test(event_loop, callback_may_remove_itself_and_others)
{
	one.ready = two.ready = remove_both;
	eventfd_write(one.fd, 1);
	eventfd_write(two.fd, 1);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(event_loop_run_once(&loop, 0), 0);
	cr_assert_eq(strlen(fake_trace_text()), strlen("one\n"));
}

Test(event_loop, removed_source_can_be_added_again)
{
	event_loop_remove(&loop, &one);
	eventfd_write(one.fd, 1);
	cr_assert_eq(event_loop_run_once(&loop, 0), 0);
	cr_assert_str_eq(fake_trace_text(), "");
	cr_assert_eq(event_loop_add(&loop, &one), 0);
	cr_assert_eq(event_loop_run_once(&loop, 0), 0);
	cr_assert_str_eq(fake_trace_text(), "one 1\n");
	event_loop_remove(&loop, &one);
	event_loop_remove(&loop, &one); /* once too often does no harm */
}

Test(event_loop, end_of_a_stream_is_an_event)
{
	struct event_source stream = { -1, note };
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	stream.fd = pair[0];
	cr_assert_eq(event_loop_add(&loop, &stream), 0);
	cr_assert_eq(event_loop_run_once(&loop, 0), 0);
	cr_assert_str_eq(fake_trace_text(), "");
	close(pair[1]);
	cr_assert_eq(event_loop_run_once(&loop, 0), 0);
	cr_assert_str_eq(fake_trace_text(), "two\n");
	close(pair[0]);
}

Test(event_loop, descriptors_that_cannot_wait_are_refused)
{
	struct event_source closed = { -1, note };

	cr_assert_eq(event_loop_add(&loop, &closed), -EBADF);
	cr_assert_eq(event_loop_add(&loop, &one), -EEXIST);
}

static void nothing(int number)
{
	(void)number;
}

Test(event_loop, signal_is_no_error)
{
	const struct sigaction action = { .sa_handler = nothing };
	const struct itimerval soon = { .it_value.tv_usec = 20000 };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	cr_assert_eq(event_loop_run_once(&loop, 5000), 0);
	cr_assert_str_eq(fake_trace_text(), "");
}

Test(event_loop, closed_loop_is_an_error)
{
	event_loop_close(&loop);
	cr_assert_eq(loop.epoll_fd, -1);
	cr_assert_eq(event_loop_run_once(&loop, 0), -EBADF);
	event_loop_close(&loop);
}
