/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/discovery.h"

#include "devices/bpmp/host.h"
#include "devices/bpmp/message.h"
#include "devices/bpmp/policy.h"
#include "devices/bpmp/undo.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <string.h>

/* Real chains have about ten links; more than this is a firmware that cannot be understood. */
#define MAX_DEPTH 32

/*
 * Returns 0 when the firmware answered, whatever it said, or -errno (logged); not -EINVAL, which
 * would pass for wrong usage.
 */
static int ask(
	struct bpmp_host *host, const struct bpmp_request *request, struct bpmp_response *response)
{
	struct bpmp_call call = bpmp_call_of(request);
	char text[64], reason[160];
	int error;

	error = bpmp_host_ask(host, request, response);
	if (error < 0) {
		log_error("cannot ask the host's BPMP for %s: %s",
			bpmp_call_text(&call, text, sizeof(text)),
			bpmp_host_failure(&call, -error, reason, sizeof(reason)));
		return error == -EINVAL ? -EIO : error;
	}
	if (response->error == 0 && response->size < bpmp_response_size(&call))
		response->error = -BPMP_EIO;
	return 0;
}

/* Returns 0, -ENOENT when the firmware has no such clock, or -errno (logged). */
static int ask_clock_info(struct bpmp_host *host, uint32_t id, struct bpmp_clk_info *info)
{
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_GET_ALL_INFO, id);
	struct bpmp_response response;
	int error;

	if (id > BPMP_CLK_ID_MASK)
		return -ENOENT;
	error = ask(host, &request, &response);
	if (error < 0)
		return error;
	if (response.error != 0)
		return -ENOENT;
	memcpy(info, response.data, sizeof(*info));
	if (info->name[0] == '\0')
		return -ENOENT;
	if (info->parent_count > BPMP_CLK_MAX_PARENTS)
		info->parent_count = BPMP_CLK_MAX_PARENTS;
	return 0;
}

/* Returns 1 with *parent, 0 for a root, or -errno (logged). */
static int current_parent(
	struct bpmp_host *host, uint32_t id, const struct bpmp_clk_info *info, uint32_t *parent)
{
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_GET_PARENT, id);
	struct bpmp_response response;
	uint32_t current = info->parent;
	int error;

	if (info->parent_count == 0)
		return 0;
	if (info->parent_count == 1) {
		current = info->parents[0];
	} else {
		error = ask(host, &request, &response);
		if (error < 0)
			return error;
		if (response.error == 0)
			current = bpmp_response_u32(&response);
	}
	for (uint8_t i = 0; i < info->parent_count; i++) {
		if (info->parents[i] == current && current != id && current <= BPMP_CLK_ID_MASK) {
			*parent = current;
			return 1;
		}
	}
	return 0; /* fed by itself or by nothing that it lists: as good as a root */
}

/*
 * Follows the chain of parents of a clock that the guest sees; `info` is the clock's. Returns the
 * number of clocks in the chain, its own included, or -errno (logged).
 */
static int add_ancestors(
	struct bpmp_host *host, struct bpmp_policy *policy, uint32_t id, struct bpmp_clk_info info)
{
	uint32_t chain[MAX_DEPTH], parent = 0;
	int depth = 0, error;

	for (;;) {
		for (int i = 0; i < depth; i++)
			if (chain[i] == id)
				goto loop;
		if (depth == MAX_DEPTH)
			goto loop;
		chain[depth++] = id;
		error = current_parent(host, id, &info, &parent);
		if (error <= 0)
			return error < 0 ? error : depth;
		error = ask_clock_info(host, parent, &info);
		if (error == -ENOENT) {
			log_warning("clock %u is fed by clock %u, which the host's BPMP does not "
				    "describe; the guest will not see it",
				id, parent);
			return depth;
		}
		if (error < 0)
			return error;
		error = bpmp_policy_add_ancestor(policy, parent);
		bpmp_policy_name_clock(policy, parent, info.name);
		if (error < 0) {
			log_error("the devices' clocks have more than %d ancestors; pass fewer "
				  "devices",
				BPMP_MAX_ANCESTORS);
			return error;
		}
		id = parent;
	}

loop:
	log_error("the parents of clock %u go round in a circle, says the host's BPMP; its clock "
		  "tree cannot be used",
		chain[0]);
	return -ELOOP;
}

/* Rate and state of an owned clock; what the firmware will not tell is not restored later. */
static int snapshot_clock(struct bpmp_host *host, struct bpmp_undo *undo, uint32_t id,
	const struct bpmp_clk_info *info, uint32_t depth)
{
	struct bpmp_request get_rate = bpmp_clk_request(BPMP_CLK_GET_RATE, id);
	struct bpmp_request is_enabled = bpmp_clk_request(BPMP_CLK_IS_ENABLED, id);
	struct bpmp_found_clock found = { .depth = depth };
	struct bpmp_response response;
	int error;

	error = ask(host, &get_rate, &response);
	if (error < 0)
		return error;
	found.rate_known = response.error == 0;
	if (found.rate_known)
		memcpy(&found.rate, response.data, sizeof(found.rate));
	else
		log_warning("the host's BPMP does not tell the rate of clock %u; it will not be "
			    "restored",
			id);
	error = ask(host, &is_enabled, &response);
	if (error < 0)
		return error;
	found.enabled = response.error == 0 && bpmp_response_u32(&response) != 0;
	error = current_parent(host, id, info, &found.parent);
	if (error < 0)
		return error;
	found.parent_known = error == 1;
	bpmp_undo_found_clock(undo, id, &found);
	return 0;
}

static int discover_clocks(
	struct bpmp_host *host, struct bpmp_policy *policy, struct bpmp_undo *undo)
{
	size_t named = policy->clock_count; /* ancestors come behind them */
	struct bpmp_clk_info info;
	int error;

	for (size_t i = 0; i < named; i++) {
		uint32_t id = policy->clocks[i].id;

		error = ask_clock_info(host, id, &info);
		if (error == -ENOENT)
			log_error("the host's BPMP has no clock %u, which a device's node or "
				  "--bpmp clocks= names",
				id);
		if (error == 0) {
			bpmp_policy_name_clock(policy, id, info.name);
			error = add_ancestors(host, policy, id, info);
		}
		if (error > 0 && policy->clocks[i].owned)
			error = snapshot_clock(host, undo, id, &info, (uint32_t)error);
		if (error < 0)
			return error;
	}
	return 0;
}

static int discover_power_domains(
	struct bpmp_host *host, const struct bpmp_policy *policy, struct bpmp_undo *undo)
{
	struct bpmp_response response;
	struct bpmp_request request;
	int error;

	for (size_t i = 0; i < policy->power_domain_count; i++) {
		uint32_t id = policy->power_domains[i].id;

		request = bpmp_pg_request(BPMP_PG_GET_STATE, id, 0);
		error = ask(host, &request, &response);
		if (error < 0)
			return error;
		if (response.error != 0) {
			log_error("the host's BPMP has no power domain %u, which a device's node "
				  "or --bpmp power-domains= names",
				id);
			return -ENOENT;
		}
		bpmp_undo_found_domain(undo, id, bpmp_response_u32(&response));
	}
	return 0;
}

int bpmp_discover(struct bpmp_host *host, struct bpmp_policy *policy, struct bpmp_undo *undo)
{
	int error = discover_clocks(host, policy, undo);

	return error < 0 ? error : discover_power_domains(host, policy, undo);
}
