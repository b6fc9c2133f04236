/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's dealings with a worker that answers, lies, hangs or dies. */
#include "devices/bpmp/supervisor.h"
#include "devices/device.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

TestSuite(bpmp_supervisor, .timeout = 30);

struct world {
	struct event_loop loop;
	struct machine machine;
	struct bpmp_supervisor supervisor;
	int worker; /* the worker's end of the socket */
};

/* A process that does nothing stands for the worker, this test speaks for it. */
static void setup(struct world *world)
{
	struct bpmp_supervisor *supervisor = &world->supervisor;
	int pair[2];
	pid_t pid;

	fake_log_capture();
	memset(world, 0, sizeof(*world));
	cr_assert_eq(event_loop_open(&world->loop), 0);
	world->machine.loop = &world->loop;
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		for (;;)
			pause();
	}
	world->worker = pair[1];
	bpmp_supervisor_init(supervisor, &world->machine);
	supervisor->deadline_ms = 100;
	supervisor->worker = (struct worker){
		.kind = "bpmp",
		.pid = pid,
		.pid_fd = (int)syscall(SYS_pidfd_open, pid, 0),
		.socket = pair[0],
	};
	supervisor->ended.fd = supervisor->worker.pid_fd;
}

static void finish(struct world *world)
{
	if (world->supervisor.worker.pid > 0)
		kill(world->supervisor.worker.pid, SIGKILL);
	bpmp_supervisor_stop(&world->supervisor);
}

/* Sends an answer ahead of the question; the supervisor's next message has number 1. */
static void answer(struct world *world, uint32_t type, uint32_t sequence, int32_t result)
{
	struct bpmp_message message = { .type = type, .sequence = sequence, .result = result };

	cr_assert_eq(send(world->worker, &message, sizeof(message), 0), sizeof(message));
}

static void expect_message(struct world *world, uint32_t type)
{
	struct bpmp_message message;

	cr_assert_eq(recv(world->worker, &message, sizeof(message), MSG_DONTWAIT), sizeof(message));
	cr_assert_eq(message.type, type);
}

Test(bpmp_supervisor, asks_and_is_answered)
{
	const struct bpmp_ids ids = { .clocks = { 1, { 155 } } };
	struct world world;

	setup(&world);
	answer(&world, BPMP_MESSAGE_READY, 1, 0);
	cr_assert_eq(bpmp_supervisor_configure(&world.supervisor, &ids), 0);
	expect_message(&world, BPMP_MESSAGE_CONFIGURE);
	cr_assert_eq(bpmp_supervisor_guest_starts(&world.supervisor), 0);
	expect_message(&world, BPMP_MESSAGE_GUEST_STARTS);
	answer(&world, BPMP_MESSAGE_RESTORED, 3, 0);
	cr_assert_eq(bpmp_supervisor_restore(&world.supervisor), 0);
	expect_message(&world, BPMP_MESSAGE_RESTORE);
	cr_assert_str_empty(fake_trace_text());
	finish(&world);
}

Test(bpmp_supervisor, a_worker_that_could_not_start)
{
	const struct bpmp_ids ids = { 0 };
	struct world world;

	setup(&world);
	answer(&world, BPMP_MESSAGE_READY, 1, -EPERM);
	cr_assert_eq(bpmp_supervisor_configure(&world.supervisor, &ids), -EPERM);
	finish(&world);
}

Test(bpmp_supervisor, a_worker_that_claims_too_many_clocks)
{
	struct bpmp_message message = {
		.type = BPMP_MESSAGE_READY, .sequence = 1, .clock_count = BPMP_MAX_CLOCKS + 1
	};
	const struct bpmp_ids ids = { 0 };
	struct world world;

	setup(&world);
	cr_assert_eq(send(world.worker, &message, sizeof(message), 0), sizeof(message));
	cr_assert_eq(bpmp_supervisor_configure(&world.supervisor, &ids), -EPIPE);
	finish(&world);
}

Test(bpmp_supervisor, a_hang_ends_the_vm_and_leaves_the_worker)
{
	struct world world;
	pid_t pid;

	setup(&world);
	pid = world.supervisor.worker.pid;
	cr_assert_eq(bpmp_supervisor_restore(&world.supervisor), -ETIMEDOUT);
	cr_assert_not_null(strstr(fake_trace_text(), "bpmp: the host's BPMP does not answer"));
	fake_trace_clear();
	cr_assert_neq(bpmp_supervisor_restore(&world.supervisor), 0, "and is not asked again");
	cr_assert_str_empty(fake_trace_text());
	bpmp_supervisor_stop(&world.supervisor);
	cr_assert_eq(kill(pid, 0), 0, "it lives: it has things to put back");
	kill(pid, SIGKILL);
}

Test(bpmp_supervisor, a_death_is_named)
{
	struct world world;

	setup(&world);
	cr_assert_eq(event_loop_add(&world.loop, &world.supervisor.ended), 0);
	world.supervisor.lost = false;
	kill(world.supervisor.worker.pid, SIGSYS);
	close(world.worker);
	cr_assert_eq(bpmp_supervisor_restore(&world.supervisor), -EPIPE);
	cr_assert_not_null(strstr(fake_trace_text(), "SIGSYS"), "%s", fake_trace_text());
	cr_assert_not_null(strstr(fake_log_text(), "the guard puts back"));
	cr_assert_eq(event_loop_run_once(&world.loop, 0), 0, "its source is out of the loop");
	finish(&world);
}

Test(bpmp_supervisor, answers_that_are_none)
{
	static const struct {
		uint32_t type, sequence;
	} wrong[] = {
		{ BPMP_MESSAGE_READY, 1 },
		{ BPMP_MESSAGE_RESTORED, 2 },
		{ BPMP_MESSAGE_RESTORED, 0 },
		{ 0, 1 },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct world world;

		setup(&world);
		kill(world.supervisor.worker.pid, SIGKILL);
		answer(&world, wrong[i].type, wrong[i].sequence, 0);
		cr_assert_eq(bpmp_supervisor_restore(&world.supervisor), -EPIPE, "row %zu", i);
		finish(&world);
	}
}

static void send_counted(struct world *world, uint32_t sequence, uint32_t rows)
{
	static struct bpmp_counted_message message;

	message.type = BPMP_MESSAGE_COUNTED;
	message.sequence = sequence;
	message.statistics.row_count = rows;
	cr_assert_eq(send(world->worker, &message, sizeof(message), 0), sizeof(message));
}

Test(bpmp_supervisor, statistics_come_late_or_not_at_all)
{
	static struct bpmp_statistics statistics;
	struct world world;

	setup(&world);
	send_counted(&world, 1, 3);
	cr_assert_eq(bpmp_supervisor_statistics(&world.supervisor, &statistics), 0);
	cr_assert_eq(statistics.row_count, 3);
	expect_message(&world, BPMP_MESSAGE_STATISTICS);

	/* A worker that waits for the host is asked once, and its late answer is taken. */
	cr_assert_eq(bpmp_supervisor_statistics(&world.supervisor, &statistics), -ETIMEDOUT);
	cr_assert_eq(bpmp_supervisor_statistics(&world.supervisor, &statistics), -ETIMEDOUT);
	expect_message(&world, BPMP_MESSAGE_STATISTICS);
	cr_assert_lt(recv(world.worker, &statistics, sizeof(statistics), MSG_DONTWAIT), 0);
	send_counted(&world, 2, 4);
	cr_assert_eq(bpmp_supervisor_statistics(&world.supervisor, &statistics), 0);
	cr_assert_eq(statistics.row_count, 4);

	/* One that nobody waits for any more is not taken for the answer to something else. */
	cr_assert_eq(bpmp_supervisor_statistics(&world.supervisor, &statistics), -ETIMEDOUT);
	send_counted(&world, 3, 5);
	answer(&world, BPMP_MESSAGE_RESTORED, 4, 0);
	cr_assert_eq(bpmp_supervisor_restore(&world.supervisor), 0);
	send_counted(&world, 5, 6);
	cr_assert_eq(bpmp_supervisor_statistics(&world.supervisor, &statistics), 0);
	cr_assert_eq(statistics.row_count, 6);
	cr_assert_str_empty(fake_trace_text(), "the VM goes on");
	finish(&world);
}

/* 0 is the number of no question: such an answer is not a late one. */
Test(bpmp_supervisor, statistics_that_nobody_asked_for)
{
	struct world world;

	setup(&world);
	kill(world.supervisor.worker.pid, SIGKILL);
	send_counted(&world, 0, 1);
	answer(&world, BPMP_MESSAGE_RESTORED, 1, 0);
	cr_assert_eq(bpmp_supervisor_restore(&world.supervisor), -EPIPE);
	finish(&world);
}

Test(bpmp_supervisor, statistics_that_are_none)
{
	static const struct {
		uint32_t sequence, rows;
	} wrong[] = { { 2, 0 }, { 0, 0 }, { 1, BPMP_STATISTICS_ROWS + 1 } };
	static struct bpmp_statistics statistics;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct world world;

		setup(&world);
		kill(world.supervisor.worker.pid, SIGKILL);
		send_counted(&world, wrong[i].sequence, wrong[i].rows);
		cr_assert_eq(bpmp_supervisor_statistics(&world.supervisor, &statistics), -EPIPE,
			"row %zu", i);
		cr_assert_eq(statistics.row_count, 0);
		finish(&world);
	}
}
