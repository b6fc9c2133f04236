/* SPDX-License-Identifier: Apache-2.0 */
/* The server writes the journal before it asks, and whoever reads it afterwards can go on. */
#include "devices/bpmp/journal.h"
#include "devices/bpmp/message.h"
#include "devices/bpmp/restore.h"
#include "devices/bpmp/server.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(bpmp_journal_use, .timeout = 60);

static int file_of_zeroes(void)
{
	int fd = memfd_create("journal", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, BPMP_JOURNAL_SIZE), 0);
	return fd;
}

struct world {
	struct bpmp_model model;
	struct bpmp_server server;
	struct bpmp_journal journal;
	struct bpmp_host host; /* between server and model */
	struct bpmp_undo seen; /* the journal when the last request went out */
};

static int look_and_pass_on(
	struct bpmp_host *host, const struct bpmp_request *request, struct bpmp_response *response)
{
	struct world *world = (struct world *)(void *)((char *)host - offsetof(struct world, host));
	struct bpmp_journal journal;

	if (world->journal.fd > 0)
		cr_assert_eq(bpmp_journal_load(&journal, world->journal.fd, &world->seen), 1);
	return world->model.host.transfer(&world->model.host, request, response);
}

/* `enables`: of clock 155, as found at start. */
static struct world *serving(int enables)
{
	static struct world world;
	struct bpmp_ids ids = model_ids();

	fake_log_capture();
	world.journal = (struct bpmp_journal){ 0 };
	model_init(&world.model);
	model_clock(&world.model, 155)->enables = enables;
	world.host.transfer = look_and_pass_on;
	cr_assert_eq(bpmp_server_start(&world.server, &world.host, &ids), 0);
	world.journal.fd = file_of_zeroes();
	cr_assert_eq(bpmp_server_keep_journal(&world.server, &world.journal), 0);
	bpmp_server_guest_starts(&world.server);
	return &world;
}

static int32_t ask(struct world *world, struct bpmp_request request)
{
	struct bpmp_response response;

	bpmp_server_serve(&world->server, &request, &response);
	return response.error;
}

Test(bpmp_journal_use, is_written_before_each_request)
{
	struct world *world = serving(0);

	cr_assert_eq(ask(world, bpmp_clk_request(BPMP_CLK_ENABLE, 155)), 0);
	cr_assert(world->seen.clocks[0].enabled && world->seen.clocks[0].in_doubt);
	cr_assert_eq(world->seen.resets[0].state, BPMP_RESET_IN_USE, "a guest runs");
	cr_assert_eq(ask(world, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1843200)), 0);
	cr_assert(world->seen.clocks[0].enabled && !world->seen.clocks[0].in_doubt);
	cr_assert(world->seen.clocks[0].rate_changed);
	cr_assert_eq(ask(world, bpmp_reset_request(BPMP_RESET_DEASSERT, 100)), 0);
	cr_assert_eq(world->seen.resets[0].state, BPMP_RESET_IS_RELEASED);
	cr_assert_eq(ask(world, bpmp_pg_request(BPMP_PG_SET_STATE, 35, BPMP_PG_ON)), 0);
	cr_assert(world->seen.domains[0].changed);
	cr_assert_eq(ask(world, bpmp_clk_request(BPMP_CLK_ENABLE, 91)), 0);
	cr_assert(world->seen.kept_count == 1 && world->seen.kept[0] == 91);
}

Test(bpmp_journal_use, without_it_nothing_is_asked_that_changes)
{
	struct world *world = serving(0);

	close(world->journal.fd);
	world->journal.fd = open("/dev/null", O_RDONLY);
	world->host = world->model.host;
	world->server.host = &world->model.host;
	fake_trace_clear();
	cr_assert_eq(ask(world, bpmp_clk_request(BPMP_CLK_ENABLE, 155)), -BPMP_EIO);
	cr_assert_eq(ask(world, bpmp_clk_request(BPMP_CLK_GET_RATE, 155)), 0);
	cr_assert_str_empty(fake_trace_text());
	cr_assert_eq(model_clock(&world->model, 155)->enables, 0);
}

/* The worker is gone after any step of a guest's life: whoever reads the journal mends it. */
static void use(struct world *world, unsigned int steps)
{
	const struct bpmp_request requests[] = {
		bpmp_clk_request(BPMP_CLK_ENABLE, 155),
		bpmp_reset_request(BPMP_RESET_DEASSERT, 100),
		bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1843200),
		bpmp_clk_parent_request(155, 319),
		bpmp_pg_request(BPMP_PG_SET_STATE, 35, BPMP_PG_ON),
		bpmp_clk_request(BPMP_CLK_DISABLE, 155),
		bpmp_clk_request(BPMP_CLK_ENABLE, 155),
	};

	for (unsigned int i = 0; i < steps && i < 7; i++)
		(void)ask(world, requests[i]);
}

static void as_before(const struct bpmp_model *model, unsigned int enables, const char *when)
{
	struct bpmp_model copy = *model;
	const struct model_clock *clock = model_clock(&copy, 155);

	cr_assert_eq(clock->enables, (int)enables, "%s: %d enables", when, clock->enables);
	cr_assert(clock->rate == 408000000 && clock->parent == 102, "%s", when);
	cr_assert_eq(model->domains[0].state, (uint32_t)BPMP_PG_OFF, "%s", when);
}

Test(bpmp_journal_use, is_enough_for_whoever_comes_after)
{
	for (unsigned int steps = 0; steps <= 7; steps++) {
		struct world *world = serving(0);
		struct bpmp_journal journal;
		struct bpmp_undo undo;

		use(world, steps);
		cr_assert_eq(bpmp_journal_load(&journal, world->journal.fd, &undo), 1);
		cr_assert_eq(bpmp_restore(&world->model.host, &undo, true, &journal).failed, 0);
		as_before(&world->model, 0, "restored");
		fake_trace_clear();
		cr_assert_eq(bpmp_journal_load(&journal, world->journal.fd, &undo), 1);
		cr_assert_not(bpmp_restore_owed(&undo));
		cr_assert_eq(bpmp_restore(&world->model.host, &undo, true, &journal).steps, 0);
		cr_assert_str_empty(fake_trace_text(), "once, and not twice");
		close(world->journal.fd);
	}
}

/* A restoration that is cut short after any of its requests, carried out or not, and gone on with.
 */
struct cut {
	struct bpmp_host host;
	struct bpmp_model *model;
	int left;  /* requests until the process is killed */
	bool done; /* the last one reaches the firmware */
};

static int until_cut(
	struct bpmp_host *host, const struct bpmp_request *request, struct bpmp_response *response)
{
	struct cut *cut = (struct cut *)(void *)host;

	if (--cut->left > 0)
		return cut->model->host.transfer(&cut->model->host, request, response);
	if (cut->done)
		(void)cut->model->host.transfer(&cut->model->host, request, response);
	_exit(0);
}

/* Between whoever goes on and the model: how few enables clock 155 ever had. */
struct watched {
	struct bpmp_host host;
	struct bpmp_model *model;
	int fewest;
};

static int watch(
	struct bpmp_host *host, const struct bpmp_request *request, struct bpmp_response *response)
{
	struct watched *watched = (struct watched *)(void *)host;
	int error = watched->model->host.transfer(&watched->model->host, request, response);
	int enables = model_clock(watched->model, 155)->enables;

	if (enables < watched->fewest)
		watched->fewest = enables;
	return error;
}

/* A process that restores is killed with its nth request; the journal is gone on with. */
static int cut_and_go_on(struct world *world, int requests, bool done, struct bpmp_model *shared)
{
	struct cut cut = { { until_cut }, shared, requests, done };
	struct watched watched = { { watch }, shared, INT_MAX };
	struct bpmp_journal journal;
	struct bpmp_undo undo;
	pid_t pid;

	*shared = world->model;
	cr_assert_eq(bpmp_journal_load(&journal, world->journal.fd, &undo), 1);
	pid = fork();
	if (pid == 0) {
		bpmp_restore(&cut.host, &undo, true, &journal);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	cr_assert_eq(bpmp_journal_load(&journal, world->journal.fd, &undo), 1);
	cr_assert_eq(bpmp_restore(&watched.host, &undo, true, &journal).failed, 0);
	return watched.fewest;
}

static struct bpmp_model *shared_model(void)
{
	struct bpmp_model *shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(shared, MAP_FAILED);
	return shared;
}

Test(bpmp_journal_use, a_restoration_that_is_cut_short_is_gone_on_with)
{
	struct bpmp_model *shared = shared_model();

	for (int requests = 1; requests <= 8; requests++) {
		for (int done = 0; done < 2; done++) {
			struct world *world = serving(0);

			use(world, 5);
			cut_and_go_on(world, requests, done, shared);
			as_before(shared, 0, done ? "cut after" : "cut before");
			close(world->journal.fd);
		}
	}
	munmap(shared, sizeof(*shared));
}

/* Of a DISABLE that was under way nobody knows; a second would take the enable found at start. */
Test(bpmp_journal_use, going_on_never_turns_off_a_clock_that_was_found_on)
{
	struct bpmp_model *shared = shared_model();

	for (int requests = 1; requests <= 8; requests++) {
		struct world *world = serving(1);

		world->model.counts = true;
		use(world, 5);
		cr_assert_eq(model_clock(&world->model, 155)->enables, 2);
		cr_assert_geq(cut_and_go_on(world, requests, true, shared), 1, "%d", requests);
		close(world->journal.fd);
	}
	munmap(shared, sizeof(*shared));
}
