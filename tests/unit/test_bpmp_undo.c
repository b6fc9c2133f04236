/* SPDX-License-Identifier: Apache-2.0 */
/* The way back: which requests undo what the guest did. */
#include "devices/bpmp/message.h"
#include "devices/bpmp/undo.h"
#include "tests/unit/bpmp_model.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void setup(struct bpmp_undo *undo)
{
	const struct bpmp_found_clock found = {
		.rate_known = true, .parent_known = true, .rate = 408000000, .parent = 102
	};
	struct bpmp_ids ids = model_ids();

	bpmp_undo_init(undo, &ids);
	bpmp_undo_found_clock(undo, 155, &found);
	bpmp_undo_found_domain(undo, 35, BPMP_PG_OFF);
}

static void change(struct bpmp_undo *undo, struct bpmp_request request, enum bpmp_outcome outcome)
{
	struct bpmp_undo_mark before = bpmp_undo_before(undo, &request);

	bpmp_undo_after(undo, &request, before, outcome);
}

/* The steps as text, '?' for one that depends on the clock being off, '!' for one on its being on.
 */
static const char *steps_at(const struct bpmp_undo *undo, bool guest_ran, bool end)
{
	static struct bpmp_undo_step list[BPMP_MAX_UNDO_STEPS];
	static char text[4096];
	struct bpmp_undo ran = *undo;
	size_t count, used = 0;
	char call[64];

	if (guest_ran)
		bpmp_undo_guest_starts(&ran);
	count = bpmp_undo_steps(&ran, end, list);

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s = %lld; ",
			bpmp_call_text(&list[i].call, call, sizeof(call)),
			list[i].only_if_off ? "?" : "", list[i].only_if_on ? "!" : "",
			(long long)list[i].value);
	return text;
}

static const char *steps(const struct bpmp_undo *undo, bool guest_ran)
{
	return steps_at(undo, guest_ran, false);
}

static void apply_all(struct bpmp_undo *undo)
{
	struct bpmp_undo_step list[BPMP_MAX_UNDO_STEPS];
	size_t count = bpmp_undo_steps(undo, false, list);

	for (size_t i = 0; i < count; i++)
		bpmp_undo_applied(undo, &list[i]);
}

Test(bpmp_undo, nothing_changed_nothing_undone)
{
	struct bpmp_undo undo;

	setup(&undo);
	cr_assert_str_eq(steps(&undo, false), "");
	change(&undo, bpmp_clk_request(BPMP_CLK_GET_RATE, 155), BPMP_DONE);
	change(&undo, bpmp_pg_request(BPMP_PG_GET_NAME, 35, 0), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, false), "");
}

Test(bpmp_undo, everything_in_order)
{
	struct bpmp_undo undo;

	setup(&undo);
	change(&undo, bpmp_pg_request(BPMP_PG_SET_STATE, 35, BPMP_PG_ON), BPMP_DONE);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 155), BPMP_DONE);
	change(&undo, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1843200), BPMP_DONE);
	change(&undo, bpmp_clk_parent_request(155, 319), BPMP_DONE);
	change(&undo, bpmp_reset_request(BPMP_RESET_DEASSERT, 100), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, true),
		"RESET ASSERT of reset 100 = 0; "
		"CLK SET_PARENT of clock 155 = 102; "
		"CLK SET_RATE of clock 155 = 408000000; "
		"CLK DISABLE of clock 155 = 0; "
		"PG SET_STATE of power domain 35 = 0; ");
	apply_all(&undo);
	cr_assert_str_eq(steps(&undo, true), "", "it is off the record");
}

Test(bpmp_undo, ancestors_and_foreign_ids_leave_no_record)
{
	struct bpmp_undo undo;

	setup(&undo);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 102), BPMP_DONE); /* a protected root */
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 319), BPMP_DONE);
	change(&undo, bpmp_reset_request(BPMP_RESET_DEASSERT, 7), BPMP_DONE);
	change(&undo, bpmp_pg_request(BPMP_PG_SET_STATE, 3, BPMP_PG_OFF), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, false), "");
}

Test(bpmp_undo, only_what_took_effect_is_undone)
{
	struct bpmp_undo undo;

	setup(&undo);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 155), BPMP_NOT_DONE);
	change(&undo, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1), BPMP_NOT_DONE);
	change(&undo, bpmp_pg_request(BPMP_PG_SET_STATE, 35, BPMP_PG_ON), BPMP_NOT_DONE);
	change(&undo, bpmp_reset_request(BPMP_RESET_DEASSERT, 100), BPMP_NOT_DONE);
	cr_assert_str_eq(steps(&undo, false), "");

	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 155), BPMP_DONE);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 155), BPMP_NOT_DONE);
	cr_assert_str_eq(steps(&undo, false), "CLK DISABLE of clock 155 = 0; ",
		"a second one that failed does not take back the first");
}

Test(bpmp_undo, what_may_have_happened_is_undone)
{
	struct bpmp_undo undo;

	setup(&undo);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 155), BPMP_DOUBTFUL);
	change(&undo, bpmp_reset_request(BPMP_RESET_ASSERT, 100), BPMP_DOUBTFUL);
	cr_assert_str_eq(steps(&undo, false),
		"RESET ASSERT of reset 100 = 0; CLK DISABLE of clock 155! = 0; ");
	change(&undo, bpmp_clk_request(BPMP_CLK_DISABLE, 155), BPMP_DOUBTFUL);
	cr_assert_str_eq(steps(&undo, false),
		"RESET ASSERT of reset 100 = 0; CLK DISABLE of clock 155! = 0; ");
	change(&undo, bpmp_clk_request(BPMP_CLK_DISABLE, 155), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, false), "RESET ASSERT of reset 100 = 0; ");
}

Test(bpmp_undo, a_change_is_on_record_while_it_is_under_way)
{
	struct bpmp_request enable = bpmp_clk_request(BPMP_CLK_ENABLE, 155);
	struct bpmp_undo undo;

	setup(&undo);
	bpmp_undo_before(&undo, &enable);
	cr_assert_str_eq(steps(&undo, false), "CLK DISABLE of clock 155! = 0; ");
}

/* Somebody else has it on, too: one count too many is only power, one too few is their clock. */
Test(bpmp_undo, a_clock_found_on_keeps_an_enable_that_is_in_doubt)
{
	const struct bpmp_found_clock on = { .enabled = true };
	struct bpmp_undo undo;

	setup(&undo);
	bpmp_undo_found_clock(&undo, 155, &on);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 155), BPMP_DOUBTFUL);
	cr_assert_str_eq(steps(&undo, false), "CLK ENABLE of clock 155? = 0; ");
	apply_all(&undo);
	cr_assert_str_eq(steps(&undo, false), "", "settled");
}

Test(bpmp_undo, a_step_under_way_is_in_doubt)
{
	static struct bpmp_undo_step list[BPMP_MAX_UNDO_STEPS];
	struct bpmp_undo undo;

	setup(&undo);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 155), BPMP_DONE);
	cr_assert_eq(bpmp_undo_steps(&undo, false, list), 1);
	bpmp_undo_begin(&undo, &list[0]);
	cr_assert_str_eq(steps(&undo, false), "CLK DISABLE of clock 155! = 0; ");
	bpmp_undo_failed(&undo, &list[0]);
	cr_assert_str_eq(steps(&undo, false), "CLK DISABLE of clock 155 = 0; ");
}

Test(bpmp_undo, ancestors_that_stay_on_are_remembered)
{
	struct bpmp_undo undo;

	setup(&undo);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 102), BPMP_NOT_DONE);
	cr_assert_eq(undo.kept_count, 0);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 102), BPMP_DONE);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 102), BPMP_NOT_DONE);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 91), BPMP_DOUBTFUL);
	cr_assert_eq(undo.kept_count, 2);
	cr_assert(undo.kept[0] == 102 && undo.kept[1] == 91);
}

/* The journal is written when this number has changed, and only then. */
Test(bpmp_undo, every_change_has_a_revision)
{
	const struct bpmp_request changing[] = {
		bpmp_clk_request(BPMP_CLK_ENABLE, 155),
		bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1),
		bpmp_clk_parent_request(155, 319),
		bpmp_reset_request(BPMP_RESET_DEASSERT, 100),
		bpmp_pg_request(BPMP_PG_SET_STATE, 35, 1),
		bpmp_clk_request(BPMP_CLK_ENABLE, 91),
	};
	struct bpmp_undo undo;
	uint64_t revision;

	setup(&undo);
	for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++) {
		revision = undo.revision;
		bpmp_undo_before(&undo, &changing[i]);
		cr_assert_gt(undo.revision, revision, "request %zu, before it goes out", i);
	}
	revision = undo.revision;
	change(&undo, bpmp_clk_request(BPMP_CLK_GET_RATE, 155), BPMP_DONE);
	change(&undo, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 2), BPMP_DONE);
	cr_assert_eq(undo.revision, revision, "nothing new");
}

Test(bpmp_undo, a_balanced_enable_is_not_undone)
{
	struct bpmp_undo undo;

	setup(&undo);
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 155), BPMP_DONE);
	change(&undo, bpmp_clk_request(BPMP_CLK_DISABLE, 155), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, false), "");
}

Test(bpmp_undo, a_clock_found_on_ends_on)
{
	const struct bpmp_found_clock on = { .enabled = true };
	struct bpmp_undo undo;

	setup(&undo);
	bpmp_undo_found_clock(&undo, 155, &on);
	cr_assert_str_eq(steps(&undo, false), "");
	change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 155), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, false),
		"CLK DISABLE of clock 155 = 0; CLK ENABLE of clock 155? = 0; ");
	change(&undo, bpmp_clk_request(BPMP_CLK_DISABLE, 155), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, false), "CLK ENABLE of clock 155? = 0; ");
	apply_all(&undo);
	cr_assert_str_eq(steps(&undo, false), "");
}

Test(bpmp_undo, what_was_not_known_is_not_restored)
{
	const struct bpmp_found_clock nothing = { 0 };
	struct bpmp_undo undo;

	setup(&undo);
	bpmp_undo_found_clock(&undo, 155, &nothing);
	change(&undo, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1843200), BPMP_DONE);
	change(&undo, bpmp_clk_parent_request(155, 319), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, false), "");
}

Test(bpmp_undo, resets_end_asserted_or_pulsed)
{
	struct bpmp_undo undo;

	setup(&undo);
	cr_assert_str_eq(steps(&undo, true), "RESET MODULE of reset 100 = 0; ",
		"never operated: the guest may have started DMA all the same");
	cr_assert_str_eq(steps_at(&undo, true, true), "RESET ASSERT of reset 100 = 0; ");
	change(&undo, bpmp_reset_request(BPMP_RESET_MODULE, 100), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, true), "RESET ASSERT of reset 100 = 0; ");
	change(&undo, bpmp_reset_request(BPMP_RESET_ASSERT, 100), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, true), "", "asserted already");
	change(&undo, bpmp_reset_request(BPMP_RESET_DEASSERT, 100), BPMP_NOT_DONE);
	cr_assert_str_eq(steps(&undo, true), "");
	change(&undo, bpmp_reset_request(BPMP_RESET_DEASSERT, 100), BPMP_DONE);
	cr_assert_str_eq(steps(&undo, true), "RESET ASSERT of reset 100 = 0; ");
}

Test(bpmp_undo, the_longest_list_fits)
{
	const struct bpmp_found_clock on = { true, true, true, 1, 2, 0 };
	struct bpmp_undo_step list[BPMP_MAX_UNDO_STEPS];
	struct bpmp_ids ids = { 0 };
	struct bpmp_undo undo;

	for (uint32_t i = 0; i < BPMP_MAX_IDS; i++) {
		cr_assert_eq(bpmp_id_set_add(&ids.clocks, 1000 + i), 0);
		cr_assert_eq(bpmp_id_set_add(&ids.resets, i), 0);
		cr_assert_eq(bpmp_id_set_add(&ids.power_domains, i), 0);
	}
	bpmp_undo_init(&undo, &ids);
	bpmp_undo_guest_starts(&undo);
	for (uint32_t i = 0; i < BPMP_MAX_IDS; i++) {
		bpmp_undo_found_clock(&undo, 1000 + i, &on);
		change(&undo, bpmp_clk_request(BPMP_CLK_ENABLE, 1000 + i), BPMP_DONE);
		change(&undo, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 1000 + i, 5), BPMP_DONE);
		change(&undo, bpmp_clk_parent_request(1000 + i, 5), BPMP_DONE);
		change(&undo, bpmp_pg_request(BPMP_PG_SET_STATE, i, 1), BPMP_DONE);
	}
	cr_assert_eq(bpmp_undo_steps(&undo, false, list), BPMP_MAX_UNDO_STEPS);
}

Test(bpmp_undo, steps_become_requests)
{
	struct bpmp_undo_step parent = { 102, { BPMP_MRQ_CLK, BPMP_CLK_SET_PARENT, 155 }, false,
		false };
	struct bpmp_undo_step rate = { 1ll << 40, { BPMP_MRQ_CLK, BPMP_CLK_SET_RATE, 155 }, false,
		false };
	struct bpmp_undo_step off = { 0, { BPMP_MRQ_CLK, BPMP_CLK_DISABLE, 155 }, false, false };
	struct bpmp_undo_step domain = { 1, { BPMP_MRQ_PG, BPMP_PG_SET_STATE, 35 }, false, false };
	struct bpmp_undo_step reset = { 0, { BPMP_MRQ_RESET, BPMP_RESET_ASSERT, 100 }, false,
		false };
	const struct {
		struct bpmp_request actual, expected;
	} pairs[] = {
		{ bpmp_undo_request(&parent), bpmp_clk_parent_request(155, 102) },
		{ bpmp_undo_request(&rate),
			bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1ll << 40) },
		{ bpmp_undo_request(&off), bpmp_clk_request(BPMP_CLK_DISABLE, 155) },
		{ bpmp_undo_request(&domain), bpmp_pg_request(BPMP_PG_SET_STATE, 35, 1) },
		{ bpmp_undo_request(&reset), bpmp_reset_request(BPMP_RESET_ASSERT, 100) },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		cr_assert_eq(
			memcmp(&pairs[i].actual, &pairs[i].expected, sizeof(struct bpmp_request)),
			0, "step %zu", i);
}
