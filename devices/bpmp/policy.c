/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/policy.h"

#include "devices/bpmp/policy_internal.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Printed by the guest's driver: "firmware: bpmp-vmm". */
static const char firmware_tag[BPMP_FW_TAG_SIZE] = "bpmp-vmm";

bool bpmp_is_protected_root(uint32_t clock)
{
	static const uint32_t roots[] = { 14, 91, 102, 103, 288, 292, 327 };

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		if (roots[i] == clock)
			return true;
	return false;
}

void bpmp_policy_init(struct bpmp_policy *policy, const struct bpmp_ids *ids)
{
	memset(policy, 0, sizeof(*policy));
	for (size_t i = 0; i < ids->clocks.count; i++)
		policy->clocks[policy->clock_count++] = (struct bpmp_clock){
			.id = ids->clocks.ids[i],
			.owned = !bpmp_is_protected_root(ids->clocks.ids[i]),
		};
	policy->resets = ids->resets;
	policy->opened = ids->mrqs;
	for (size_t i = 0; i < ids->power_domains.count; i++)
		policy->power_domains[policy->power_domain_count++] =
			(struct bpmp_power_domain){ .id = ids->power_domains.ids[i] };
}

/* Where it is among the policy's, or their number. */
static size_t place_of_clock(const struct bpmp_policy *policy, uint32_t id)
{
	size_t i;

	for (i = 0; i < policy->clock_count; i++)
		if (policy->clocks[i].id == id)
			break;
	return i;
}

int bpmp_policy_add_ancestor(struct bpmp_policy *policy, uint32_t id)
{
	if (bpmp_policy_clock(policy, id))
		return 0;
	if (policy->clock_count == BPMP_MAX_CLOCKS)
		return -ENOSPC;
	policy->clocks[policy->clock_count++] = (struct bpmp_clock){ .id = id };
	return 0;
}

struct bpmp_clock *bpmp_policy_find_clock(struct bpmp_policy *policy, uint32_t id)
{
	size_t place = place_of_clock(policy, id);

	return place < policy->clock_count ? &policy->clocks[place] : NULL;
}

void bpmp_policy_name_clock(
	struct bpmp_policy *policy, uint32_t id, const char name[BPMP_NAME_SIZE])
{
	struct bpmp_clock *clock = bpmp_policy_find_clock(policy, id);

	if (!clock)
		return;
	memcpy(clock->name, name, sizeof(clock->name));
	bpmp_clean_name(clock->name);
}

const struct bpmp_clock *bpmp_policy_clock(const struct bpmp_policy *policy, uint32_t id)
{
	size_t place = place_of_clock(policy, id);

	return place < policy->clock_count ? &policy->clocks[place] : NULL;
}

/* Likewise. */
static size_t place_of_domain(const struct bpmp_policy *policy, uint32_t id)
{
	size_t i;

	for (i = 0; i < policy->power_domain_count; i++)
		if (policy->power_domains[i].id == id)
			break;
	return i;
}

static struct bpmp_power_domain *find_power_domain(struct bpmp_policy *policy, uint32_t id)
{
	size_t place = place_of_domain(policy, id);

	return place < policy->power_domain_count ? &policy->power_domains[place] : NULL;
}

bool bpmp_policy_sees(const struct bpmp_policy *policy, const struct bpmp_call *call)
{
	switch (call->mrq) {
	case BPMP_MRQ_CLK:
		return bpmp_policy_clock(policy, call->id) != NULL;
	case BPMP_MRQ_RESET:
		return bpmp_id_set_has(&policy->resets, call->id);
	case BPMP_MRQ_PG:
		return place_of_domain(policy, call->id) < policy->power_domain_count;
	default:
		return false;
	}
}

void bpmp_policy_reset(struct bpmp_policy *policy)
{
	for (size_t i = 0; i < policy->clock_count; i++)
		policy->clocks[i].enables = 0;
	for (size_t i = 0; i < policy->power_domain_count; i++)
		policy->power_domains[i].state = BPMP_PG_OFF;
}

const char *bpmp_policy_call_text(const struct bpmp_policy *policy, const struct bpmp_call *call,
	char text[BPMP_CALL_TEXT_SIZE])
{
	const struct bpmp_clock *clock =
		call->mrq == BPMP_MRQ_CLK ? bpmp_policy_clock(policy, call->id) : NULL;
	size_t used;

	bpmp_call_text(call, text, BPMP_CALL_TEXT_SIZE);
	used = strlen(text);
	if (clock && clock->name[0])
		snprintf(text + used, BPMP_CALL_TEXT_SIZE - used, " (%s)", clock->name);
	return text;
}

enum bpmp_verdict bpmp_policy_refuse(struct bpmp_policy *policy, const struct bpmp_call *call,
	struct bpmp_response *response, int error, const char *why, const char *option)
{
	char text[BPMP_CALL_TEXT_SIZE], remedy[64] = "";

	bpmp_respond_error(response, error);
	if (!bpmp_refusals_count(
		    &policy->refusals, false, call->mrq, call->command, call->id, error))
		return BPMP_REFUSED;
	if (option && strchr(option, '='))
		snprintf(remedy, sizeof(remedy), "; --bpmp %s would allow it", option);
	else if (option)
		snprintf(remedy, sizeof(remedy), "; --bpmp %s=%u would allow it", option, call->id);
	log_warning("refused the guest's %s: %s%s", bpmp_policy_call_text(policy, call, text), why,
		remedy);
	return BPMP_REFUSED;
}

enum bpmp_verdict bpmp_policy_refuse_closed(struct bpmp_policy *policy,
	const struct bpmp_call *call, struct bpmp_response *response, int error,
	const struct bpmp_openable *openable)
{
	char option[48];

	snprintf(option, sizeof(option), "mrqs=%s", openable->name);
	return bpmp_policy_refuse(policy, call, response, error,
		"requests of that kind reach beyond this VM's devices", option);
}

/*
 * "Supported" as MRQ_QUERY_ABI understands it: whether requests of that MRQ are served at all. Of
 * those that an option opened only the host's firmware knows.
 */
static enum bpmp_verdict decide_query_abi(const struct bpmp_policy *policy,
	const struct bpmp_request *request, struct bpmp_request *to_host,
	struct bpmp_response *response)
{
	uint32_t mrq, size;

	memcpy(&mrq, request->data, sizeof(mrq));
	if (bpmp_is_opened(policy->opened, bpmp_openable_mrq(mrq))) {
		*to_host = bpmp_query_abi_request(mrq);
		return BPMP_FORWARD;
	}
	bpmp_respond_u32(response, bpmp_request_size(mrq, &size) ? 0 : (uint32_t)-BPMP_ENODEV);
	return BPMP_ANSWERED;
}

static void answer_ping(const struct bpmp_request *request, struct bpmp_response *response)
{
	uint32_t challenge;

	memcpy(&challenge, request->data, sizeof(challenge));
	bpmp_respond_u32(response, challenge << 1);
}

static enum bpmp_verdict decide_reset(struct bpmp_policy *policy, const struct bpmp_call *call,
	struct bpmp_request *to_host, struct bpmp_response *response)
{
	const struct bpmp_id_set *resets = &policy->resets;

	switch (call->command) {
	case BPMP_RESET_ASSERT:
	case BPMP_RESET_DEASSERT:
	case BPMP_RESET_MODULE:
		break;
	case BPMP_RESET_GET_MAX_ID:
		if (resets->count)
			bpmp_respond_u32(response, resets->ids[resets->count - 1]);
		else
			bpmp_respond_error(response, BPMP_ENODEV);
		return BPMP_ANSWERED;
	default:
		return bpmp_policy_refuse(
			policy, call, response, BPMP_EBADCMD, "no such command", NULL);
	}
	if (!bpmp_id_set_has(resets, call->id)) {
		bool in_range = resets->count && call->id < resets->ids[resets->count - 1];

		return bpmp_policy_refuse(policy, call, response,
			in_range ? BPMP_EACCES : BPMP_EINVAL, "not a reset of this VM's devices",
			"resets");
	}
	*to_host = bpmp_reset_request(call->command, call->id);
	return BPMP_FORWARD;
}

static uint32_t highest_power_domain(const struct bpmp_policy *policy)
{
	/* Linux needs an answer even where there is no domain: it then finds a hole at 0. */
	return policy->power_domain_count ? policy->power_domains[policy->power_domain_count - 1].id
					  : 0;
}

static enum bpmp_verdict decide_power_domain(struct bpmp_policy *policy,
	const struct bpmp_call *call, uint32_t argument, struct bpmp_request *to_host,
	struct bpmp_response *response)
{
	const struct bpmp_power_domain *domain = find_power_domain(policy, call->id);

	switch (call->command) {
	case BPMP_PG_QUERY_ABI:
		bpmp_respond_error(response, argument <= BPMP_PG_GET_MAX_ID ? 0 : BPMP_ENODEV);
		return BPMP_ANSWERED;
	case BPMP_PG_GET_MAX_ID:
		bpmp_respond_u32(response, highest_power_domain(policy));
		return BPMP_ANSWERED;
	case BPMP_PG_GET_NAME:
		if (!domain) {
			/* Linux asks for every id up to the highest: a hole, not an offence. */
			bpmp_respond_error(response, BPMP_EINVAL);
			return BPMP_ANSWERED;
		}
		break;
	case BPMP_PG_GET_STATE:
	case BPMP_PG_SET_STATE:
		if (!domain)
			return bpmp_policy_refuse(policy, call, response,
				call->id < highest_power_domain(policy) ? BPMP_EACCES : BPMP_EINVAL,
				"not a power domain of this VM's devices", "power-domains");
		if (call->command == BPMP_PG_GET_STATE) {
			bpmp_respond_u32(response, domain->state);
			return BPMP_ANSWERED;
		}
		if (argument != BPMP_PG_OFF && argument != BPMP_PG_ON)
			return bpmp_policy_refuse(policy, call, response, BPMP_EINVAL,
				"a state that is neither off nor on", NULL);
		break;
	default:
		return bpmp_policy_refuse(
			policy, call, response, BPMP_EBADCMD, "no such command", NULL);
	}
	*to_host = bpmp_pg_request(
		call->command, call->id, call->command == BPMP_PG_SET_STATE ? argument : 0);
	return BPMP_FORWARD;
}

/* An MRQ whose content is not understood here. */
static enum bpmp_verdict decide_other(struct bpmp_policy *policy, const struct bpmp_call *call,
	const struct bpmp_request *request, struct bpmp_request *to_host,
	struct bpmp_response *response)
{
	const struct bpmp_openable *openable = bpmp_openable_mrq(request->mrq);
	const char *why = bpmp_why_never(request->mrq);

	if (!openable)
		return bpmp_policy_refuse(policy, call, response, BPMP_ENOHANDLER,
			why ? why : "guests are not served that kind of request", NULL);
	if (!bpmp_is_opened(policy->opened, openable))
		return bpmp_policy_refuse_closed(policy, call, response, BPMP_ENOHANDLER, openable);
	if (request->size < openable->least || request->size > openable->most)
		return bpmp_policy_refuse(policy, call, response, BPMP_EINVAL,
			"not the length of such a request", NULL);
	memset(to_host, 0, sizeof(*to_host));
	to_host->mrq = request->mrq;
	to_host->size = request->size;
	memcpy(to_host->data, request->data, request->size);
	return BPMP_FORWARD;
}

enum bpmp_verdict bpmp_policy_decide(struct bpmp_policy *policy, const struct bpmp_request *request,
	struct bpmp_request *to_host, struct bpmp_response *response)
{
	struct bpmp_call call = bpmp_call_of(request);
	struct bpmp_clk_request clk;
	struct bpmp_pg_request pg;
	uint32_t size;

	if (!bpmp_request_size(request->mrq, &size))
		return decide_other(policy, &call, request, to_host, response);
	if (request->size != size)
		return bpmp_policy_refuse(policy, &call, response, BPMP_EINVAL,
			"not the length of such a request", NULL);
	switch (request->mrq) {
	case BPMP_MRQ_PING:
	case BPMP_MRQ_THREADED_PING:
		answer_ping(request, response);
		return BPMP_ANSWERED;
	case BPMP_MRQ_QUERY_ABI:
		return decide_query_abi(policy, request, to_host, response);
	case BPMP_MRQ_QUERY_FW_TAG:
		bpmp_respond(response, firmware_tag, sizeof(firmware_tag));
		return BPMP_ANSWERED;
	case BPMP_MRQ_RESET:
		return decide_reset(policy, &call, to_host, response);
	case BPMP_MRQ_PG:
		memcpy(&pg, request->data, sizeof(pg));
		return decide_power_domain(policy, &call, pg.argument, to_host, response);
	default: /* MRQ_CLK: bpmp_request_size() knows no other */
		memcpy(&clk, request->data, sizeof(clk));
		return bpmp_policy_decide_clock(policy, &call, &clk, to_host, response);
	}
}

static void finish_power_domain(struct bpmp_policy *policy, const struct bpmp_call *call,
	const struct bpmp_request *to_host, struct bpmp_response *response)
{
	struct bpmp_power_domain *domain = find_power_domain(policy, call->id);
	struct bpmp_pg_request pg;

	if (call->command == BPMP_PG_GET_NAME)
		bpmp_clean_name((char *)response->data);
	if (call->command == BPMP_PG_SET_STATE && domain) {
		memcpy(&pg, to_host->data, sizeof(pg));
		domain->state = pg.argument;
	}
}

void bpmp_policy_finish(struct bpmp_policy *policy, const struct bpmp_request *to_host,
	struct bpmp_response *response)
{
	struct bpmp_call call = bpmp_call_of(to_host);
	uint32_t size = bpmp_response_size(&call);

	if (response->error != 0) {
		int32_t error = response->error;

		bpmp_respond_error(response, BPMP_EIO);
		/* No firmware answers with a positive code; Linux would read it as an error too. */
		if (error < 0)
			response->error = error;
		return;
	}
	if (bpmp_openable_mrq(to_host->mrq) && response->size < size)
		size = response->size; /* how long it is depends on what was asked */
	if (response->size < size) {
		bpmp_respond_error(response, BPMP_EIO);
		return;
	}
	memset(response->data + size, 0, sizeof(response->data) - size);
	response->size = size;
	if (to_host->mrq == BPMP_MRQ_CLK)
		bpmp_policy_finish_clock(policy, &call, response);
	else if (to_host->mrq == BPMP_MRQ_PG)
		finish_power_domain(policy, &call, to_host, response);
}
