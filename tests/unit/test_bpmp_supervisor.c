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
	supervisor->machine = &world->machine;
	supervisor->deadline_ms = 100;
	supervisor->worker =
		(struct worker){ "bpmp", pid, (int)syscall(SYS_pidfd_open, pid, 0), pair[0] };
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
	cr_assert_not_null(strstr(fake_log_text(), "not put back"));
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
