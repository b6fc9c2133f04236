/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/undo.h"

#include "devices/bpmp/policy.h"

#include <string.h>

void bpmp_undo_init(struct bpmp_undo *undo, const struct bpmp_ids *ids)
{
	memset(undo, 0, sizeof(*undo));
	for (size_t i = 0; i < ids->clocks.count; i++)
		if (!bpmp_is_protected_root(ids->clocks.ids[i]))
			undo->clocks[undo->clock_count++].id = ids->clocks.ids[i];
	for (size_t i = 0; i < ids->resets.count; i++)
		undo->resets[undo->reset_count++].id = ids->resets.ids[i];
	for (size_t i = 0; i < ids->power_domains.count; i++)
		undo->domains[undo->domain_count++].id = ids->power_domains.ids[i];
}

static struct bpmp_undo_clock *find_clock(struct bpmp_undo *undo, uint32_t id)
{
	for (size_t i = 0; i < undo->clock_count; i++)
		if (undo->clocks[i].id == id)
			return &undo->clocks[i];
	return NULL;
}

static struct bpmp_undo_reset *find_reset(struct bpmp_undo *undo, uint32_t id)
{
	for (size_t i = 0; i < undo->reset_count; i++)
		if (undo->resets[i].id == id)
			return &undo->resets[i];
	return NULL;
}

static struct bpmp_undo_domain *find_domain(struct bpmp_undo *undo, uint32_t id)
{
	for (size_t i = 0; i < undo->domain_count; i++)
		if (undo->domains[i].id == id)
			return &undo->domains[i];
	return NULL;
}

void bpmp_undo_found_clock(
	struct bpmp_undo *undo, uint32_t id, const struct bpmp_found_clock *found)
{
	struct bpmp_undo_clock *clock = find_clock(undo, id);

	if (clock)
		clock->found = *found;
}

void bpmp_undo_found_domain(struct bpmp_undo *undo, uint32_t id, uint32_t state)
{
	struct bpmp_undo_domain *domain = find_domain(undo, id);

	if (domain)
		domain->found = state;
}

/* Where a change by `call` is on record; NULL when it leaves nothing to put back. */
static bool *record_of(struct bpmp_undo *undo, const struct bpmp_call *call)
{
	struct bpmp_undo_domain *domain;
	struct bpmp_undo_clock *clock;

	if (call->mrq == BPMP_MRQ_PG && call->command == BPMP_PG_SET_STATE) {
		domain = find_domain(undo, call->id);
		return domain ? &domain->changed : NULL;
	}
	clock = call->mrq == BPMP_MRQ_CLK ? find_clock(undo, call->id) : NULL;
	if (!clock)
		return NULL;
	switch (call->command) {
	case BPMP_CLK_ENABLE:
		return &clock->enabled;
	case BPMP_CLK_SET_RATE:
		return &clock->rate_changed;
	case BPMP_CLK_SET_PARENT:
		return &clock->parent_changed;
	default:
		return NULL;
	}
}

struct bpmp_undo_mark bpmp_undo_before(struct bpmp_undo *undo, const struct bpmp_request *request)
{
	struct bpmp_call call = bpmp_call_of(request);
	struct bpmp_undo_mark mark = { 0 };
	bool *record = record_of(undo, &call);
	struct bpmp_undo_reset *reset;

	if (record) {
		mark.on_record = *record;
		*record = true;
	}
	reset = call.mrq == BPMP_MRQ_RESET ? find_reset(undo, call.id) : NULL;
	if (reset) {
		/* Released until proven otherwise: then the way back asserts it. */
		mark.reset = reset->state;
		reset->state = BPMP_RESET_IS_RELEASED;
	}
	return mark;
}

void bpmp_undo_after(struct bpmp_undo *undo, const struct bpmp_request *request,
	struct bpmp_undo_mark before, enum bpmp_outcome outcome)
{
	struct bpmp_call call = bpmp_call_of(request);
	bool *record = record_of(undo, &call);
	struct bpmp_undo_clock *clock;
	struct bpmp_undo_reset *reset;

	if (record && outcome == BPMP_NOT_DONE)
		*record = before.on_record;
	clock = call.mrq == BPMP_MRQ_CLK &&
			(call.command == BPMP_CLK_DISABLE ||
				call.command == BPMP_CLK_RESET_REFCOUNTS)
		? find_clock(undo, call.id)
		: NULL;
	if (clock && outcome == BPMP_DONE)
		clock->enabled = false;
	if (clock && outcome != BPMP_NOT_DONE)
		clock->let_go = true;
	reset = call.mrq == BPMP_MRQ_RESET ? find_reset(undo, call.id) : NULL;
	if (!reset)
		return;
	if (outcome == BPMP_NOT_DONE)
		reset->state = before.reset;
	else if (outcome == BPMP_DONE && call.command == BPMP_RESET_ASSERT)
		reset->state = BPMP_RESET_IS_ASSERTED;
}

struct step_list {
	size_t count;
	struct bpmp_undo_step *steps;
};

static struct bpmp_undo_step *add(
	struct step_list *list, uint32_t mrq, uint32_t command, uint32_t id, int64_t value)
{
	struct bpmp_undo_step *step = &list->steps[list->count++];

	*step = (struct bpmp_undo_step){ .call = { mrq, command, id }, .value = value };
	return step;
}

static void add_settings(struct step_list *list, const struct bpmp_undo_clock *clock)
{
	const struct bpmp_found_clock *found = &clock->found;

	if (clock->parent_changed && found->parent_known)
		add(list, BPMP_MRQ_CLK, BPMP_CLK_SET_PARENT, clock->id, found->parent);
	if (clock->rate_changed && found->rate_known)
		add(list, BPMP_MRQ_CLK, BPMP_CLK_SET_RATE, clock->id, found->rate);
}

static void add_state(struct step_list *list, const struct bpmp_undo_clock *clock)
{
	if (clock->enabled)
		add(list, BPMP_MRQ_CLK, BPMP_CLK_DISABLE, clock->id, 0);
	/*
	 * Whether a firmware counts a master's ENABLEs or only remembers the last word is not
	 * documented. In the second case the DISABLE above, or the guest's own, has turned off
	 * what was found on.
	 */
	if (clock->found.enabled && (clock->enabled || clock->let_go))
		add(list, BPMP_MRQ_CLK, BPMP_CLK_ENABLE, clock->id, 0)->only_if_off = true;
}

static void add_clocks(struct step_list *list, const struct bpmp_undo *undo)
{
	uint32_t deepest = 0;

	for (size_t i = 0; i < undo->clock_count; i++)
		if (undo->clocks[i].found.depth > deepest)
			deepest = undo->clocks[i].found.depth;
	for (uint32_t depth = 0; depth <= deepest; depth++)
		for (size_t i = 0; i < undo->clock_count; i++)
			if (undo->clocks[i].found.depth == depth)
				add_settings(list, &undo->clocks[i]);
	for (uint32_t depth = deepest + 1; depth-- > 0;)
		for (size_t i = 0; i < undo->clock_count; i++)
			if (undo->clocks[i].found.depth == depth)
				add_state(list, &undo->clocks[i]);
}

size_t bpmp_undo_steps(const struct bpmp_undo *undo, bool guest_ran,
	struct bpmp_undo_step steps[BPMP_MAX_UNDO_STEPS])
{
	struct step_list list = { 0, steps };

	for (size_t i = 0; i < undo->reset_count; i++) {
		const struct bpmp_undo_reset *reset = &undo->resets[i];

		if (reset->state == BPMP_RESET_IS_RELEASED)
			add(&list, BPMP_MRQ_RESET, BPMP_RESET_ASSERT, reset->id, 0);
		else if (reset->state == BPMP_RESET_AS_FOUND && guest_ran)
			add(&list, BPMP_MRQ_RESET, BPMP_RESET_MODULE, reset->id, 0);
	}
	add_clocks(&list, undo);
	for (size_t i = 0; i < undo->domain_count; i++)
		if (undo->domains[i].changed)
			add(&list, BPMP_MRQ_PG, BPMP_PG_SET_STATE, undo->domains[i].id,
				undo->domains[i].found);
	return list.count;
}

struct bpmp_request bpmp_undo_request(const struct bpmp_undo_step *step)
{
	const struct bpmp_call *call = &step->call;

	if (call->mrq == BPMP_MRQ_RESET)
		return bpmp_reset_request(call->command, call->id);
	if (call->mrq == BPMP_MRQ_PG)
		return bpmp_pg_request(call->command, call->id, (uint32_t)step->value);
	if (call->command == BPMP_CLK_SET_PARENT)
		return bpmp_clk_parent_request(call->id, (uint32_t)step->value);
	return bpmp_clk_rate_request(call->command, call->id, step->value);
}

void bpmp_undo_applied(struct bpmp_undo *undo, const struct bpmp_undo_step *step)
{
	struct bpmp_undo_clock *clock;
	struct bpmp_undo_reset *reset;
	struct bpmp_undo_domain *domain;

	switch (step->call.mrq) {
	case BPMP_MRQ_RESET:
		reset = find_reset(undo, step->call.id);
		if (reset && step->call.command == BPMP_RESET_ASSERT)
			reset->state = BPMP_RESET_IS_ASSERTED;
		break;
	case BPMP_MRQ_CLK:
		clock = find_clock(undo, step->call.id);
		if (!clock)
			break;
		if (step->call.command == BPMP_CLK_DISABLE) {
			clock->enabled = false;
			clock->let_go = true;
		} else if (step->call.command == BPMP_CLK_ENABLE) {
			clock->let_go = false;
		} else if (step->call.command == BPMP_CLK_SET_RATE) {
			clock->rate_changed = false;
		} else {
			clock->parent_changed = false;
		}
		break;
	default:
		domain = find_domain(undo, step->call.id);
		if (domain)
			domain->changed = false;
		break;
	}
}
