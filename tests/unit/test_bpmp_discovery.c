/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of the host before the guest runs, and what makes a VM not start. */
#include "devices/bpmp/abi.h"
#include "devices/bpmp/discovery.h"
#include "devices/bpmp/policy.h"
#include "devices/bpmp/undo.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

struct world {
	struct bpmp_model model;
	struct bpmp_policy policy;
	struct bpmp_undo undo;
};

static void setup(struct world *world)
{
	fake_log_capture();
	model_init(&world->model);
}

static int discover(struct world *world, const struct bpmp_ids *ids)
{
	bpmp_policy_init(&world->policy, ids);
	bpmp_undo_init(&world->undo, ids);
	return bpmp_discover(&world->model.host, &world->policy, &world->undo);
}

static bool sees(const struct world *world, uint32_t id)
{
	return bpmp_policy_clock(&world->policy, id) != NULL;
}

Test(bpmp_discovery, the_chain_of_current_parents_becomes_visible)
{
	struct bpmp_ids ids = model_ids();
	struct world world;

	setup(&world);
	cr_assert_eq(discover(&world, &ids), 0);
	cr_assert(sees(&world, 155) && sees(&world, 102) && sees(&world, 91));
	cr_assert_not(sees(&world, 319), "a possible parent, not the current one");
	cr_assert_not(sees(&world, 14));
	cr_assert_eq(world.policy.clock_count, 3);
	cr_assert_not(bpmp_policy_clock(&world.policy, 91)->owned);
}

Test(bpmp_discovery, reads_only)
{
	struct bpmp_ids ids = model_ids();
	struct world world;

	setup(&world);
	cr_assert_eq(discover(&world, &ids), 0);
	cr_assert_str_empty(fake_trace_text(), "the quiet model traces changes only");
}

Test(bpmp_discovery, the_snapshot_is_what_was_found)
{
	struct bpmp_ids ids = model_ids();
	struct world world;

	setup(&world);
	world.model.domains[0].state = BPMP_PG_ON;
	cr_assert_eq(discover(&world, &ids), 0);
	cr_assert_eq(world.undo.clock_count, 1, "102 is a protected root");
	cr_assert_eq(world.undo.clocks[0].id, 155);
	cr_assert(world.undo.clocks[0].found.enabled);
	cr_assert(world.undo.clocks[0].found.rate_known);
	cr_assert_eq(world.undo.clocks[0].found.rate, 408000000);
	cr_assert(world.undo.clocks[0].found.parent_known);
	cr_assert_eq(world.undo.clocks[0].found.parent, 102);
	cr_assert_eq(world.undo.domains[0].found, BPMP_PG_ON);
}

Test(bpmp_discovery, a_circle_is_refused)
{
	struct bpmp_ids ids = model_ids();
	struct world world;

	setup(&world);
	model_clock(&world.model, 91)->parents[0] = 102;
	cr_assert_eq(discover(&world, &ids), -ELOOP);
	cr_assert_not_null(strstr(fake_log_text(), "circle"), "%s", fake_log_text());
}

Test(bpmp_discovery, a_clock_that_feeds_itself_is_a_root)
{
	struct bpmp_ids ids = model_ids();
	struct world world;

	setup(&world);
	model_clock(&world.model, 91)->parents[0] = 91;
	cr_assert_eq(discover(&world, &ids), 0);
}

Test(bpmp_discovery, chains_are_bounded)
{
	struct bpmp_ids ids = { .clocks = { 1, { 155 } } };
	static struct world world;

	setup(&world);
	/* As long as the table of the model: no circle, and within what is allowed. */
	for (size_t i = 6; i < MODEL_CLOCKS - 1; i++)
		world.model.clocks[i] = (struct model_clock){ .name = "link",
			.rate = 1,
			.id = (uint32_t)(1000 + i),
			.parent = (uint32_t)(1001 + i),
			.parents = { (uint32_t)(1001 + i) } };
	world.model.clocks[MODEL_CLOCKS - 2].parents[0] = 0;
	world.model.clocks[0].parents[0] = 1006;
	world.model.clocks[0].parents[1] = 0;
	cr_assert_eq(discover(&world, &ids), 0);
	cr_assert_eq(world.policy.clock_count, 1 + MODEL_CLOCKS - 1 - 6);
}

Test(bpmp_discovery, an_id_that_the_firmware_does_not_know)
{
	struct bpmp_ids ids = { .clocks = { 1, { 999 } } };
	struct world world;

	setup(&world);
	cr_assert_eq(discover(&world, &ids), -ENOENT);
	cr_assert_not_null(strstr(fake_log_text(), "no clock 999"));
	ids = (struct bpmp_ids){ .power_domains = { 1, { 99 } } };
	cr_assert_eq(discover(&world, &ids), -ENOENT);
	cr_assert_not_null(strstr(fake_log_text(), "no power domain 99"));
	ids = model_ids();
	model_clock(&world.model, 155)->name = "";
	cr_assert_eq(discover(&world, &ids), -ENOENT, "a hole");
}

Test(bpmp_discovery, an_id_that_no_request_has_room_for)
{
	const struct bpmp_ids ids = { .clocks = { 1, { 0x01000000 | 155 } } };
	struct world world;

	setup(&world);
	cr_assert_eq(discover(&world, &ids), -ENOENT, "it is not 155");
	cr_assert_not_null(strstr(fake_log_text(), "no clock 16777371"), "%s", fake_log_text());
}

Test(bpmp_discovery, an_ancestor_that_nobody_describes_stays_hidden)
{
	struct bpmp_ids ids = model_ids();
	struct world world;

	setup(&world);
	model_clock(&world.model, 91)->name = "";
	cr_assert_eq(discover(&world, &ids), 0);
	cr_assert_not(sees(&world, 91));
	cr_assert_not_null(strstr(fake_log_text(), "does not describe"));
}

Test(bpmp_discovery, what_the_host_denies_names_its_allow_list)
{
	struct bpmp_ids ids = model_ids();
	struct world world;

	setup(&world);
	world.model.fault_mrq = BPMP_MRQ_CLK;
	world.model.fault_command = BPMP_CLK_GET_RATE;
	world.model.fault_errno = EPERM;
	cr_assert_eq(discover(&world, &ids), -EPERM);
	cr_assert_not_null(
		strstr(fake_log_text(), "add 155 to allowed-clocks"), "%s", fake_log_text());
}

/* The machine takes -EINVAL for wrong usage. */
Test(bpmp_discovery, a_host_that_refuses_is_no_wrong_usage)
{
	struct bpmp_ids ids = model_ids();
	struct world world;

	setup(&world);
	world.model.fault_mrq = BPMP_MRQ_CLK;
	world.model.fault_command = BPMP_CLK_GET_ALL_INFO;
	world.model.fault_errno = EINVAL;
	cr_assert_eq(discover(&world, &ids), -EIO);
	cr_assert_not_null(strstr(fake_log_text(), "older one"), "%s", fake_log_text());
}

Test(bpmp_discovery, a_firmware_that_keeps_a_rate_to_itself)
{
	struct bpmp_ids ids = model_ids();
	struct world world;

	setup(&world);
	world.model.fault_mrq = BPMP_MRQ_CLK;
	world.model.fault_command = BPMP_CLK_GET_RATE;
	world.model.fault_firmware = -BPMP_EINVAL;
	cr_assert_eq(discover(&world, &ids), 0);
	cr_assert_not(world.undo.clocks[0].found.rate_known);
	world.model.fault_firmware = 0;
	world.model.fault_size = 4;
	cr_assert_eq(discover(&world, &ids), 0, "half a rate is none");
	cr_assert_not(world.undo.clocks[0].found.rate_known);
}

Test(bpmp_discovery, a_vm_without_ids_asks_nothing)
{
	const struct bpmp_ids none = { 0 };
	struct world world;

	setup(&world);
	world.model.quiet = false;
	cr_assert_eq(discover(&world, &none), 0);
	cr_assert_str_empty(fake_trace_text());
}
