/* SPDX-License-Identifier: Apache-2.0 */
/* The policy's clocks: MRQ_CLK. */
#include "devices/bpmp/policy_internal.h"

#include "vmm/base/util.h"

#include <string.h>

static uint32_t highest_clock(const struct bpmp_policy *policy)
{
	uint32_t highest = 0;

	for (size_t i = 0; i < policy->clock_count; i++)
		if (policy->clocks[i].id > highest)
			highest = policy->clocks[i].id;
	return highest;
}

static bool is_deprecated_or_unknown(uint32_t command)
{
	/* 9 to 13 are gone from the firmware of today; GET_FMAX_AT_VMIN is of no use to a guest. */
	return command < BPMP_CLK_GET_RATE ||
		(command > BPMP_CLK_DISABLE && command != BPMP_CLK_GET_ALL_INFO &&
			command != BPMP_CLK_GET_MAX_CLK_ID);
}

static enum bpmp_verdict refuse_foreign(
	struct bpmp_policy *policy, const struct bpmp_call *call, struct bpmp_response *response)
{
	bool changes;

	if (call->command == BPMP_CLK_GET_ALL_INFO) {
		/* Linux asks for every id up to the highest: a hole, not an offence. */
		bpmp_respond_error(response, BPMP_EINVAL);
		return BPMP_ANSWERED;
	}
	/* Naming a protected root lets the guest read and enable it, and no more. */
	changes = call->command == BPMP_CLK_SET_RATE || call->command == BPMP_CLK_SET_PARENT ||
		call->command == BPMP_CLK_RESET_REFCOUNTS;
	return bpmp_policy_refuse(policy, call, response,
		call->id < highest_clock(policy) ? BPMP_EACCES : BPMP_EINVAL,
		"not a clock of this VM's devices",
		changes && bpmp_is_protected_root(call->id) ? NULL : "clocks");
}

static enum bpmp_verdict refuse_ancestor(
	struct bpmp_policy *policy, const struct bpmp_call *call, struct bpmp_response *response)
{
	if (bpmp_is_protected_root(call->id))
		return bpmp_policy_refuse(policy, call, response, BPMP_EACCES,
			"it feeds much of the chip, no VM may change it", NULL);
	return bpmp_policy_refuse(policy, call, response, BPMP_EACCES,
		"it feeds this VM's clocks and perhaps others'", "clocks");
}

/* RESET_REFCOUNTS: of an owned clock it is one more way to turn it off, where an option opens it.
 */
static enum bpmp_verdict decide_reset_refcounts(struct bpmp_policy *policy,
	const struct bpmp_clock *clock, const struct bpmp_call *call, struct bpmp_request *to_host,
	struct bpmp_response *response)
{
	const struct bpmp_openable *openable = bpmp_openable_clk_command(call->command);

	if (!bpmp_is_opened(policy->opened, openable))
		return bpmp_policy_refuse_closed(policy, call, response, BPMP_EBADCMD, openable);
	if (!clock)
		return refuse_foreign(policy, call, response);
	if (!clock->owned)
		return refuse_ancestor(policy, call, response);
	*to_host = bpmp_clk_request(call->command, call->id);
	return BPMP_FORWARD;
}

/* ENABLE and DISABLE: the host hears of the first and of the last, of an ancestor's first only. */
static enum bpmp_verdict decide_enable(struct bpmp_clock *clock, const struct bpmp_call *call,
	struct bpmp_request *to_host, struct bpmp_response *response)
{
	bool to_the_host;

	if (call->command == BPMP_CLK_ENABLE)
		to_the_host = clock->enables == 0 && !clock->held;
	else
		to_the_host = clock->enables == 1 && clock->owned;
	if (to_the_host) {
		*to_host = bpmp_clk_request(call->command, call->id);
		return BPMP_FORWARD;
	}
	if (call->command == BPMP_CLK_ENABLE && clock->enables < UINT32_MAX)
		clock->enables++;
	if (call->command == BPMP_CLK_DISABLE && clock->enables > 0)
		clock->enables--;
	bpmp_respond(response, NULL, 0);
	return BPMP_ANSWERED;
}

static enum bpmp_verdict decide_set_parent(struct bpmp_policy *policy,
	const struct bpmp_clock *clock, const struct bpmp_call *call, uint32_t parent,
	struct bpmp_request *to_host, struct bpmp_response *response)
{
	struct bpmp_call about_parent = { call->mrq, call->command, parent };

	if (!clock->owned)
		return refuse_ancestor(policy, call, response);
	if (!bpmp_policy_find_clock(policy, parent) || parent == clock->id)
		return bpmp_policy_refuse(policy, &about_parent, response, BPMP_EACCES,
			"as a parent: this VM does not see that clock", "clocks");
	*to_host = bpmp_clk_parent_request(call->id, parent);
	return BPMP_FORWARD;
}

enum bpmp_verdict bpmp_policy_decide_clock(struct bpmp_policy *policy, const struct bpmp_call *call,
	const struct bpmp_clk_request *clk, struct bpmp_request *to_host,
	struct bpmp_response *response)
{
	struct bpmp_clock *clock = bpmp_policy_find_clock(policy, call->id);

	if (call->command == BPMP_CLK_RESET_REFCOUNTS)
		return decide_reset_refcounts(policy, clock, call, to_host, response);
	if (is_deprecated_or_unknown(call->command))
		return bpmp_policy_refuse(
			policy, call, response, BPMP_EBADCMD, "no such command", NULL);
	if (call->command == BPMP_CLK_GET_MAX_CLK_ID) {
		bpmp_respond_u32(response, highest_clock(policy));
		return BPMP_ANSWERED;
	}
	if (!clock)
		return refuse_foreign(policy, call, response);
	switch (call->command) {
	case BPMP_CLK_ENABLE:
	case BPMP_CLK_DISABLE:
		return decide_enable(clock, call, to_host, response);
	case BPMP_CLK_IS_ENABLED:
		bpmp_respond_u32(response, clock->enables > 0);
		return BPMP_ANSWERED;
	case BPMP_CLK_SET_PARENT:
		return decide_set_parent(policy, clock, call, clk->parent, to_host, response);
	case BPMP_CLK_SET_RATE:
	case BPMP_CLK_ROUND_RATE:
		if (call->command == BPMP_CLK_SET_RATE && !clock->owned)
			return refuse_ancestor(policy, call, response);
		if (clk->rate.rate < 0)
			return bpmp_policy_refuse(
				policy, call, response, BPMP_EINVAL, "a negative rate", NULL);
		*to_host = bpmp_clk_rate_request(call->command, call->id, clk->rate.rate);
		return BPMP_FORWARD;
	default: /* GET_RATE, GET_PARENT, GET_ALL_INFO */
		*to_host = bpmp_clk_request(call->command, call->id);
		return BPMP_FORWARD;
	}
}

/* Keeps those of the listed parents that the guest sees, each once. */
static void keep_visible_parents(
	struct bpmp_policy *policy, uint32_t self, struct bpmp_clk_info *info)
{
	uint32_t kept[BPMP_CLK_MAX_PARENTS] = { 0 };
	uint8_t listed = info->parent_count, count = 0;

	if (listed > BPMP_CLK_MAX_PARENTS)
		listed = BPMP_CLK_MAX_PARENTS;
	for (uint8_t i = 0; i < listed; i++) {
		uint32_t id = info->parents[i];
		bool again = false;

		for (uint8_t j = 0; j < count; j++)
			again |= kept[j] == id;
		if (!again && id != self && bpmp_policy_find_clock(policy, id))
			kept[count++] = id;
	}
	memcpy(info->parents, kept, sizeof(kept));
	info->parent_count = count;
}

/*
 * What Linux relies on without checking (clk-bpmp.c): at most 16 parents, all of them listed;
 * more than one only with a mux; otherwise it oopses at the first look-up.
 */
static void fit_clock_info(struct bpmp_policy *policy, uint32_t id, struct bpmp_clk_info *info)
{
	const struct bpmp_clock *clock = bpmp_policy_find_clock(policy, id);
	uint32_t current = info->parent;
	bool listed = false;

	keep_visible_parents(policy, id, info);
	for (uint8_t i = 0; i < info->parent_count; i++)
		listed |= info->parents[i] == current;
	if (!listed)
		current = info->parent_count ? info->parents[0] : 0;
	info->parent = current;
	if (info->parent_count > 1 && !(info->flags & BPMP_CLK_HAS_MUX)) {
		memset(info->parents, 0, sizeof(info->parents));
		info->parents[0] = current;
		info->parent_count = 1;
	}
	if (info->parent_count < 2)
		info->flags &= ~BPMP_CLK_HAS_MUX;
	if (!clock || !clock->owned)
		info->flags |= BPMP_CLK_RATE_PARENT_CHANGE_DENIED;
	bpmp_clean_name(info->name);
}

void bpmp_policy_finish_clock(
	struct bpmp_policy *policy, const struct bpmp_call *call, struct bpmp_response *response)
{
	struct bpmp_clock *clock = bpmp_policy_find_clock(policy, call->id);
	struct bpmp_clk_info info;

	switch (call->command) {
	case BPMP_CLK_ENABLE:
		if (!clock)
			break;
		clock->enables = 1;
		clock->held = !clock->owned;
		break;
	case BPMP_CLK_DISABLE:
	case BPMP_CLK_RESET_REFCOUNTS:
		if (clock)
			clock->enables = 0;
		break;
	case BPMP_CLK_GET_PARENT:
	case BPMP_CLK_SET_PARENT:
		if (!bpmp_policy_find_clock(policy, bpmp_response_u32(response)))
			bpmp_respond_error(response, BPMP_ENOENT);
		break;
	case BPMP_CLK_GET_ALL_INFO:
		memcpy(&info, response->data, sizeof(info));
		fit_clock_info(policy, call->id, &info);
		memcpy(response->data, &info, sizeof(info));
		break;
	default:
		break;
	}
}
