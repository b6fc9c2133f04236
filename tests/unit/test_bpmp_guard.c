/* SPDX-License-Identifier: Apache-2.0 */
/* The guard in a thread: when it acts, and when it does not. */
#include "devices/bpmp/guard.h"
#include "devices/bpmp/journal.h"
#include "devices/bpmp/message.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(bpmp_guard, .timeout = 30);

struct world {
	struct bpmp_model model;
	struct bpmp_guard guard;
	int machine, worker; /* their ends */
	pthread_t thread;
	int status;
};

static void *run(void *argument)
{
	struct world *world = argument;

	world->status = bpmp_guard_serve(&world->guard);
	return NULL;
}

/* Clock 155 is enabled once by the host, and once more by the guest. */
static struct world *started(bool changed)
{
	struct bpmp_request enable = bpmp_clk_request(BPMP_CLK_ENABLE, 155);
	const struct bpmp_found_clock found = { .enabled = true };
	static struct world world;
	struct bpmp_ids ids = model_ids();
	struct bpmp_journal journal;
	struct bpmp_undo_mark mark;
	struct bpmp_undo undo;
	int pair[2];
	char byte;

	fake_log_capture();
	model_init(&world.model);
	world.guard.host = &world.model.host;
	world.guard.journal = memfd_create("journal", MFD_CLOEXEC);
	cr_assert_eq(ftruncate(world.guard.journal, BPMP_JOURNAL_SIZE), 0);
	bpmp_undo_init(&undo, &ids);
	bpmp_undo_found_clock(&undo, 155, &found);
	if (changed) {
		mark = bpmp_undo_before(&undo, &enable);
		bpmp_undo_after(&undo, &enable, mark, BPMP_DONE);
		model_clock(&world.model, 155)->enables = 2;
	}
	journal = (struct bpmp_journal){ .fd = world.guard.journal };
	cr_assert_eq(bpmp_journal_store(&journal, &undo), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	world.machine = pair[0];
	world.guard.machine = pair[1];
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	world.worker = pair[0];
	world.guard.lifeline = pair[1];
	cr_assert_eq(pthread_create(&world.thread, NULL, run, &world), 0);
	cr_assert_eq(read(world.machine, &byte, 1), 1, "it is ready");
	return &world;
}

static void waits(struct world *world)
{
	usleep(50000);
	cr_assert_eq(pthread_tryjoin_np(world->thread, NULL), EBUSY);
	cr_assert_str_empty(fake_trace_text());
}

static int ends(struct world *world)
{
	pthread_join(world->thread, NULL);
	return world->status;
}

Test(bpmp_guard, waits_for_the_worker_when_the_machine_is_gone)
{
	struct world *world = started(true);

	close(world->machine);
	waits(world);
	cr_assert_eq(write(world->worker, "x", 1), 1);
	waits(world);
	close(world->worker);
	cr_assert_eq(ends(world), EXIT_SUCCESS);
	cr_assert_eq(model_clock(&world->model, 155)->enables, 1);
	cr_assert_not_null(strstr(fake_log_text(), "the BPMP worker is gone; putting back"));
}

/* A vCPU may still run, and touch what would be gated under it. */
Test(bpmp_guard, waits_for_the_machine_when_the_worker_is_gone)
{
	struct world *world = started(true);

	close(world->worker);
	waits(world);
	close(world->machine);
	cr_assert_eq(ends(world), EXIT_SUCCESS);
	cr_assert_eq(model_clock(&world->model, 155)->enables, 1);
}

Test(bpmp_guard, does_nothing_where_the_worker_has_put_back_all)
{
	struct world *world = started(false);

	close(world->worker);
	close(world->machine);
	cr_assert_eq(ends(world), EXIT_SUCCESS);
	cr_assert_str_empty(fake_trace_text());
	cr_assert_str_empty(fake_log_text());
}

Test(bpmp_guard, says_what_it_could_not_do)
{
	struct world *world = started(true);

	world->model.fault_mrq = BPMP_MRQ_CLK;
	world->model.fault_command = BPMP_CLK_DISABLE;
	world->model.fault_firmware = -BPMP_EACCES;
	close(world->worker);
	close(world->machine);
	cr_assert_eq(ends(world), EXIT_FAILURE);
	cr_assert_not_null(strstr(fake_log_text(), "what failed is in the journal"));
}

Test(bpmp_guard, a_journal_that_is_damaged)
{
	struct world *world = started(true);
	const char bad[] = "bad";

	cr_assert_eq(pwrite(world->guard.journal, bad, 3, 0x2000), 3);
	close(world->worker);
	close(world->machine);
	cr_assert_eq(ends(world), EXIT_FAILURE);
	cr_assert_str_empty(fake_trace_text());
}
