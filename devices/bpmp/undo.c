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

	if (!clock)
		return;
	clock->found = *found;
	undo->revision++;
}

void bpmp_undo_found_domain(struct bpmp_undo *undo, uint32_t id, uint32_t state)
{
	struct bpmp_undo_domain *domain = find_domain(undo, id);

	if (!domain)
		return;
	domain->found = state;
	undo->revision++;
}

static void set(struct bpmp_undo *undo, bool *flag, bool value)
{
	undo->revision += *flag != value;
	*flag = value;
}

static void set_reset(
	struct bpmp_undo *undo, struct bpmp_undo_reset *reset, enum bpmp_undo_reset_state state)
{
	undo->revision += reset->state != state;
	reset->state = state;
}

void bpmp_undo_guest_starts(struct bpmp_undo *undo)
{
	for (size_t i = 0; i < undo->reset_count; i++) {
		struct bpmp_undo_reset *reset = &undo->resets[i];

		if (reset->state == BPMP_RESET_AS_FOUND || reset->state == BPMP_RESET_PULSED)
			set_reset(undo, reset, BPMP_RESET_IN_USE);
	}
}

/* Whether it is on the list of clocks that stay enabled. */
static bool is_kept(const struct bpmp_undo *undo, uint32_t id)
{
	for (size_t i = 0; i < undo->kept_count; i++)
		if (undo->kept[i] == id)
			return true;
	return false;
}

static bool keep(struct bpmp_undo *undo, uint32_t id)
{
	if (is_kept(undo, id))
		return true;
	if (undo->kept_count < BPMP_MAX_KEPT) {
		undo->kept[undo->kept_count++] = id;
		undo->revision++;
	}
	return false;
}

/* keep() has put it at the end. */
static void keep_not(struct bpmp_undo *undo, uint32_t id)
{
	if (undo->kept_count && undo->kept[undo->kept_count - 1] == id) {
		undo->kept[--undo->kept_count] = 0;
		undo->revision++;
	}
}

static bool enables_ancestor(struct bpmp_undo *undo, const struct bpmp_call *call)
{
	return call->mrq == BPMP_MRQ_CLK && call->command == BPMP_CLK_ENABLE &&
		!find_clock(undo, call->id);
}

/* The owned clock that an ENABLE or DISABLE is about, else NULL. */
static struct bpmp_undo_clock *switched(struct bpmp_undo *undo, const struct bpmp_call *call)
{
	return call->mrq == BPMP_MRQ_CLK &&
			(call->command == BPMP_CLK_ENABLE || call->command == BPMP_CLK_DISABLE ||
				call->command == BPMP_CLK_RESET_REFCOUNTS)
		? find_clock(undo, call->id)
		: NULL;
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
	struct bpmp_undo_clock *clock = switched(undo, &call);
	struct bpmp_undo_mark mark = { 0 };
	bool *record = record_of(undo, &call);
	struct bpmp_undo_reset *reset;

	if (record) {
		mark.on_record = *record;
		set(undo, record, true);
	} else if (enables_ancestor(undo, &call)) {
		mark.on_record = keep(undo, call.id);
	}
	if (clock) {
		mark.in_doubt = clock->in_doubt;
		set(undo, &clock->in_doubt, true);
	}
	reset = call.mrq == BPMP_MRQ_RESET ? find_reset(undo, call.id) : NULL;
	if (reset) {
		/* Released until proven otherwise: then the way back asserts it. */
		mark.reset = reset->state;
		set_reset(undo, reset, BPMP_RESET_IS_RELEASED);
	}
	return mark;
}

static void switched_after(struct bpmp_undo *undo, struct bpmp_undo_clock *clock, bool disabled,
	struct bpmp_undo_mark before, enum bpmp_outcome outcome)
{
	if (outcome == BPMP_NOT_DONE)
		set(undo, &clock->in_doubt, before.in_doubt);
	else if (outcome == BPMP_DONE)
		set(undo, &clock->in_doubt, false);
	if (disabled && outcome == BPMP_DONE)
		set(undo, &clock->enabled, false);
	if (disabled && outcome != BPMP_NOT_DONE)
		set(undo, &clock->let_go, true);
}

void bpmp_undo_after(struct bpmp_undo *undo, const struct bpmp_request *request,
	struct bpmp_undo_mark before, enum bpmp_outcome outcome)
{
	struct bpmp_call call = bpmp_call_of(request);
	struct bpmp_undo_clock *clock = switched(undo, &call);
	bool *record = record_of(undo, &call);
	struct bpmp_undo_reset *reset;

	if (record && outcome == BPMP_NOT_DONE)
		set(undo, record, before.on_record);
	if (outcome == BPMP_NOT_DONE && !before.on_record && enables_ancestor(undo, &call))
		keep_not(undo, call.id);
	if (clock)
		switched_after(undo, clock, call.command != BPMP_CLK_ENABLE, before, outcome);
	reset = call.mrq == BPMP_MRQ_RESET ? find_reset(undo, call.id) : NULL;
	if (!reset)
		return;
	if (outcome == BPMP_NOT_DONE)
		set_reset(undo, reset, before.reset);
	else if (outcome == BPMP_DONE && call.command == BPMP_RESET_ASSERT)
		set_reset(undo, reset, BPMP_RESET_IS_ASSERTED);
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
	if (clock->enabled && !(clock->in_doubt && clock->found.enabled))
		add(list, BPMP_MRQ_CLK, BPMP_CLK_DISABLE, clock->id, 0)->only_if_on =
			clock->in_doubt;
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

static void add_reset(struct step_list *list, const struct bpmp_undo_reset *reset, bool end)
{
	bool pulse = reset->state == BPMP_RESET_IN_USE && !end;
	bool assert_it = reset->state == BPMP_RESET_IS_RELEASED ||
		(end && (reset->state == BPMP_RESET_IN_USE || reset->state == BPMP_RESET_PULSED));

	if (pulse || assert_it)
		add(list, BPMP_MRQ_RESET, pulse ? BPMP_RESET_MODULE : BPMP_RESET_ASSERT, reset->id,
			0);
}

size_t bpmp_undo_steps(
	const struct bpmp_undo *undo, bool end, struct bpmp_undo_step steps[BPMP_MAX_UNDO_STEPS])
{
	struct step_list list = { 0, steps };

	for (size_t i = 0; i < undo->reset_count; i++)
		add_reset(&list, &undo->resets[i], end);
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

static struct bpmp_undo_clock *let_go_by(struct bpmp_undo *undo, const struct bpmp_undo_step *step)
{
	return step->call.command == BPMP_CLK_DISABLE ? switched(undo, &step->call) : NULL;
}

void bpmp_undo_begin(struct bpmp_undo *undo, const struct bpmp_undo_step *step)
{
	struct bpmp_undo_clock *clock = let_go_by(undo, step);

	if (clock)
		set(undo, &clock->in_doubt, true);
}

void bpmp_undo_failed(struct bpmp_undo *undo, const struct bpmp_undo_step *step)
{
	struct bpmp_undo_clock *clock = let_go_by(undo, step);

	/* It is in doubt only if it was so before. */
	if (clock)
		set(undo, &clock->in_doubt, step->only_if_on);
}

static void clock_applied(struct bpmp_undo *undo, struct bpmp_undo_clock *clock, uint32_t command)
{
	if (command == BPMP_CLK_DISABLE) {
		set(undo, &clock->enabled, false);
		set(undo, &clock->in_doubt, false);
		set(undo, &clock->let_go, true);
	} else if (command == BPMP_CLK_ENABLE) {
		set(undo, &clock->let_go, false);
		/* It is on, which is all that can be had where nobody knows its count. */
		if (clock->in_doubt)
			set(undo, &clock->enabled, false);
		set(undo, &clock->in_doubt, false);
	} else if (command == BPMP_CLK_SET_RATE) {
		set(undo, &clock->rate_changed, false);
	} else {
		set(undo, &clock->parent_changed, false);
	}
}

void bpmp_undo_applied(struct bpmp_undo *undo, const struct bpmp_undo_step *step)
{
	struct bpmp_undo_clock *clock;
	struct bpmp_undo_reset *reset;
	struct bpmp_undo_domain *domain;

	switch (step->call.mrq) {
	case BPMP_MRQ_RESET:
		reset = find_reset(undo, step->call.id);
		if (reset)
			set_reset(undo, reset,
				step->call.command == BPMP_RESET_ASSERT ? BPMP_RESET_IS_ASSERTED
									: BPMP_RESET_PULSED);
		break;
	case BPMP_MRQ_CLK:
		clock = find_clock(undo, step->call.id);
		if (clock)
			clock_applied(undo, clock, step->call.command);
		break;
	default:
		domain = find_domain(undo, step->call.id);
		if (domain)
			set(undo, &domain->changed, false);
		break;
	}
}
