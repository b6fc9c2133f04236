/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest may ask of the BPMP: every command on every kind of id, in every length. */
#include "devices/bpmp/message.h"
#include "devices/bpmp/policy.h"
#include "devices/bpmp/policy_internal.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* 155 owned; 319 an ancestor; 102 a protected root, though the node names it. */
static void setup(struct bpmp_policy *policy)
{
	struct bpmp_ids ids = model_ids();

	fake_log_capture();
	bpmp_policy_init(policy, &ids);
	cr_assert_eq(bpmp_policy_add_ancestor(policy, 319), 0);
}

enum expected {
	FORWARD,
	ANSWER, /* with success */
	HOLE,	/* -EINVAL, but not counted: Linux asks for every id */
	EINVAL_,
	EACCES_,
	EBADCMD_,
	ENODEV_, /* answered, not counted */
};

static void expect(struct bpmp_policy *policy, const struct bpmp_request *request,
	enum expected expected, const char *what)
{
	static const int errors[] = { 0, 0, BPMP_EINVAL, BPMP_EINVAL, BPMP_EACCES, BPMP_EBADCMD,
		BPMP_ENODEV };
	static const enum bpmp_verdict verdicts[] = { BPMP_FORWARD, BPMP_ANSWERED, BPMP_ANSWERED,
		BPMP_REFUSED, BPMP_REFUSED, BPMP_REFUSED, BPMP_ANSWERED };
	uint64_t before = bpmp_refusals_total(&policy->refusals);
	struct bpmp_response response = { .error = 12345 };
	struct bpmp_request to_host;
	enum bpmp_verdict verdict = bpmp_policy_decide(policy, request, &to_host, &response);
	struct bpmp_call call = bpmp_call_of(request), host_call;
	char text[64];

	bpmp_call_text(&call, text, sizeof(text));
	cr_assert_eq(verdict, verdicts[expected], "%s (%s): verdict %d", text, what, verdict);
	cr_assert_eq(bpmp_refusals_total(&policy->refusals) - before, verdict == BPMP_REFUSED,
		"%s (%s): count", text, what);
	if (verdict == BPMP_FORWARD) {
		host_call = bpmp_call_of(&to_host);
		cr_assert_eq(memcmp(&call, &host_call, sizeof(call)), 0, "%s (%s)", text, what);
		return;
	}
	cr_assert_eq(
		response.error, -errors[expected], "%s (%s): error %d", text, what, response.error);
	if (response.error)
		cr_assert_eq(response.size, 0, "%s (%s)", text, what);
	else
		cr_assert_eq(response.size, bpmp_response_size(&call), "%s (%s)", text, what);
}

static bool is_served(uint32_t mrq)
{
	static const uint32_t served[] = { 0, 9, 20, 22, 23, 66, 71 };

	for (size_t i = 0; i < ARRAY_SIZE(served); i++)
		if (served[i] == mrq)
			return true;
	return false;
}

Test(bpmp_policy, other_mrqs_have_no_handler_and_query_abi_says_so)
{
	struct bpmp_request to_host, request = { 0 }, query;
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	for (uint32_t mrq = 0; mrq < 256; mrq++) {
		query = model_request(BPMP_MRQ_QUERY_ABI, &mrq, sizeof(mrq));
		cr_assert_eq(
			bpmp_policy_decide(&policy, &query, &to_host, &response), BPMP_ANSWERED);
		cr_assert_eq(response.error, 0);
		cr_assert_eq((int32_t)bpmp_response_u32(&response),
			is_served(mrq) ? 0 : -BPMP_ENODEV, "MRQ %u", mrq);
		if (is_served(mrq))
			continue;
		request.mrq = mrq;
		request.size = mrq % 121;
		cr_assert_eq(
			bpmp_policy_decide(&policy, &request, &to_host, &response), BPMP_REFUSED);
		cr_assert_eq(response.error, -BPMP_ENOHANDLER, "MRQ %u", mrq);
	}
}

Test(bpmp_policy, ping_and_tag_are_answered_here)
{
	static const uint32_t challenge = 0x80000001;
	struct bpmp_request to_host, request;
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	for (uint32_t mrq = 0; mrq <= 9; mrq += 9) {
		request = model_request(mrq, &challenge, sizeof(challenge));
		cr_assert_eq(
			bpmp_policy_decide(&policy, &request, &to_host, &response), BPMP_ANSWERED);
		cr_assert_eq(response.size, 4);
		cr_assert_eq(bpmp_response_u32(&response), 2);
		request.size = 3;
		cr_assert_eq(
			bpmp_policy_decide(&policy, &request, &to_host, &response), BPMP_REFUSED);
	}
	request = model_request(BPMP_MRQ_QUERY_FW_TAG, "", 0);
	cr_assert_eq(bpmp_policy_decide(&policy, &request, &to_host, &response), BPMP_ANSWERED);
	cr_assert_eq(response.size, 32);
	cr_assert_str_eq((char *)response.data, "bpmp-vmm");
}

/* One request whose answer by the host is a bare success. */
static enum bpmp_verdict ask(
	struct bpmp_policy *policy, struct bpmp_request request, struct bpmp_response *response)
{
	struct bpmp_call call = bpmp_call_of(&request);
	struct bpmp_request to_host;
	enum bpmp_verdict verdict = bpmp_policy_decide(policy, &request, &to_host, response);

	if (verdict == BPMP_FORWARD) {
		memset(response, 0, sizeof(*response));
		response->size = bpmp_response_size(&call);
		bpmp_policy_finish(policy, &to_host, response);
	}
	return verdict;
}

static uint32_t is_enabled(struct bpmp_policy *policy, uint32_t id)
{
	struct bpmp_response response;

	ask(policy, bpmp_clk_request(BPMP_CLK_IS_ENABLED, id), &response);
	cr_assert_eq(response.error, 0);
	return bpmp_response_u32(&response);
}

Test(bpmp_policy, the_host_hears_of_an_owned_clocks_first_enable_and_last_disable)
{
	struct bpmp_request enable = bpmp_clk_request(BPMP_CLK_ENABLE, 155);
	struct bpmp_request disable = bpmp_clk_request(BPMP_CLK_DISABLE, 155);
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	cr_assert_eq(is_enabled(&policy, 155), 0);
	cr_assert_eq(ask(&policy, enable, &response), BPMP_FORWARD);
	cr_assert_eq(is_enabled(&policy, 155), 1);
	cr_assert_eq(ask(&policy, enable, &response), BPMP_ANSWERED);
	cr_assert_eq(ask(&policy, disable, &response), BPMP_ANSWERED);
	cr_assert_eq(is_enabled(&policy, 155), 1);
	cr_assert_eq(ask(&policy, disable, &response), BPMP_FORWARD);
	cr_assert_eq(is_enabled(&policy, 155), 0);
	cr_assert_eq(ask(&policy, disable, &response), BPMP_ANSWERED, "below zero");
	cr_assert_eq(ask(&policy, enable, &response), BPMP_FORWARD, "the count did not go below");
}

Test(bpmp_policy, an_ancestor_is_enabled_once_and_never_disabled)
{
	struct bpmp_request enable = bpmp_clk_request(BPMP_CLK_ENABLE, 102);
	struct bpmp_request disable = bpmp_clk_request(BPMP_CLK_DISABLE, 102);
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	cr_assert_eq(ask(&policy, enable, &response), BPMP_FORWARD);
	cr_assert_eq(ask(&policy, disable, &response), BPMP_ANSWERED);
	cr_assert_eq(response.error, 0);
	cr_assert_eq(is_enabled(&policy, 102), 0, "the guest's own history");
	cr_assert_eq(ask(&policy, enable, &response), BPMP_ANSWERED, "it is on");
	cr_assert_eq(is_enabled(&policy, 102), 1);
	bpmp_policy_reset(&policy);
	cr_assert_eq(is_enabled(&policy, 102), 0);
	cr_assert_eq(ask(&policy, enable, &response), BPMP_ANSWERED, "it still is, after a reset");
}

Test(bpmp_policy, a_refused_enable_leaves_no_history)
{
	struct bpmp_request enable = bpmp_clk_request(BPMP_CLK_ENABLE, 155), to_host;
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	cr_assert_eq(bpmp_policy_decide(&policy, &enable, &to_host, &response), BPMP_FORWARD);
	bpmp_respond_error(&response, BPMP_EACCES);
	bpmp_policy_finish(&policy, &to_host, &response);
	cr_assert_eq(response.error, -BPMP_EACCES);
	cr_assert_eq(is_enabled(&policy, 155), 0);
}

Test(bpmp_policy, highest_ids)
{
	struct bpmp_request max_clock = bpmp_clk_request(BPMP_CLK_GET_MAX_CLK_ID, 0);
	struct bpmp_request max_reset = bpmp_reset_request(BPMP_RESET_GET_MAX_ID, 0);
	struct bpmp_request max_domain = bpmp_pg_request(BPMP_PG_GET_MAX_ID, 0, 0);
	const struct bpmp_request no_domain = bpmp_pg_request(BPMP_PG_GET_STATE, 0, 0);
	const struct bpmp_ids none = { 0 }, one_clock = { .clocks = { 1, { 7 } } };
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	ask(&policy, max_clock, &response);
	cr_assert_eq(bpmp_response_u32(&response), 319, "ancestors count");
	ask(&policy, max_reset, &response);
	cr_assert_eq(bpmp_response_u32(&response), 100);
	ask(&policy, max_domain, &response);
	cr_assert_eq(bpmp_response_u32(&response), 35);

	/* Linux' probe fails where clocks or domains answer with an error. */
	bpmp_policy_init(&policy, &none);
	ask(&policy, max_clock, &response);
	cr_assert_eq(response.error, 0);
	cr_assert_eq(bpmp_response_u32(&response), 0);
	ask(&policy, max_domain, &response);
	cr_assert_eq(response.error, 0);
	cr_assert_eq(bpmp_response_u32(&response), 0);
	ask(&policy, max_reset, &response);
	cr_assert_eq(response.error, -BPMP_ENODEV);
	expect(&policy, &no_domain, EINVAL_, "no domain at all");

	bpmp_policy_init(&policy, &one_clock);
	ask(&policy, max_clock, &response);
	cr_assert_eq(bpmp_response_u32(&response), 7);
}

Test(bpmp_policy, power_state_is_the_guests_own_history)
{
	struct bpmp_request get = bpmp_pg_request(BPMP_PG_GET_STATE, 35, 0);
	/* A word that this command does not have, and that is no state. */
	const struct bpmp_request name = bpmp_pg_request(BPMP_PG_GET_NAME, 35, 7);
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	expect(&policy, &name, FORWARD, "the name");
	ask(&policy, get, &response);
	cr_assert_eq(bpmp_response_u32(&response), BPMP_PG_OFF);
	cr_assert_eq(ask(&policy, bpmp_pg_request(BPMP_PG_SET_STATE, 35, BPMP_PG_ON), &response),
		BPMP_FORWARD);
	ask(&policy, get, &response);
	cr_assert_eq(bpmp_response_u32(&response), BPMP_PG_ON);
	ask(&policy, name, &response);
	ask(&policy, get, &response);
	cr_assert_eq(bpmp_response_u32(&response), BPMP_PG_ON, "a name changes no state");
	bpmp_policy_reset(&policy);
	ask(&policy, get, &response);
	cr_assert_eq(bpmp_response_u32(&response), BPMP_PG_OFF);
}

Test(bpmp_policy, parents_must_be_visible_and_rates_not_negative)
{
	struct bpmp_policy policy;
	struct bpmp_request request;

	setup(&policy);
	request = bpmp_clk_parent_request(155, 319);
	expect(&policy, &request, FORWARD, "a visible parent");
	request = bpmp_clk_parent_request(155, 14);
	expect(&policy, &request, EACCES_, "a foreign parent");
	request = bpmp_clk_parent_request(155, 155);
	expect(&policy, &request, EACCES_, "itself");
	request = bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, -1);
	expect(&policy, &request, EINVAL_, "a negative rate");
	request = bpmp_clk_rate_request(BPMP_CLK_ROUND_RATE, 155, INT64_MIN);
	expect(&policy, &request, EINVAL_, "a negative rate");
	request = bpmp_clk_rate_request(BPMP_CLK_ROUND_RATE, 155, INT64_MAX);
	expect(&policy, &request, FORWARD, "a large rate");
	request = bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 0);
	expect(&policy, &request, FORWARD, "no rate");
}

/* A guest with time. */
Test(bpmp_policy, enables_do_not_wrap)
{
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	bpmp_policy_find_clock(&policy, 155)->enables = UINT32_MAX;
	cr_assert_eq(
		ask(&policy, bpmp_clk_request(BPMP_CLK_ENABLE, 155), &response), BPMP_ANSWERED);
	cr_assert_eq(bpmp_policy_clock(&policy, 155)->enables, UINT32_MAX);
}

/* It answers a question that nobody had. */
Test(bpmp_policy, an_answer_about_a_foreign_clock_changes_nothing)
{
	struct bpmp_request enable = bpmp_clk_request(BPMP_CLK_ENABLE, 100);
	struct bpmp_response response = { 0 };
	struct bpmp_policy policy;

	setup(&policy);
	bpmp_policy_finish(&policy, &enable, &response);
	cr_assert_eq(response.error, 0);
	cr_assert_null(bpmp_policy_clock(&policy, 100));
}

Test(bpmp_policy, what_goes_out_is_rebuilt)
{
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_ENABLE, 155), to_host;
	struct bpmp_response response;
	struct bpmp_policy policy;
	uint8_t zeroes[116] = { 0 };

	setup(&policy);
	memset(request.data + 4, 0xa5, sizeof(request.data) - 4);
	cr_assert_eq(bpmp_policy_decide(&policy, &request, &to_host, &response), BPMP_FORWARD);
	cr_assert_eq(to_host.size, 16);
	cr_assert_eq(memcmp(to_host.data + 4, zeroes, sizeof(zeroes)), 0);
}

Test(bpmp_policy, protected_roots_are_never_owned)
{
	static const uint32_t roots[] = { 14, 91, 102, 103, 288, 292, 327 };
	struct bpmp_ids ids = { 0 };
	struct bpmp_policy policy;

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		cr_assert_eq(bpmp_id_set_add(&ids.clocks, roots[i]), 0);
	cr_assert_eq(bpmp_id_set_add(&ids.clocks, 155), 0);
	bpmp_policy_init(&policy, &ids);
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		cr_assert_not_null(bpmp_policy_clock(&policy, roots[i]));
		cr_assert_not(bpmp_policy_clock(&policy, roots[i])->owned);
	}
	cr_assert(bpmp_policy_clock(&policy, 155)->owned);
	cr_assert_null(bpmp_policy_clock(&policy, 15));
}

Test(bpmp_policy, the_table_of_clocks_is_bounded)
{
	struct bpmp_policy policy;
	struct bpmp_ids ids = { 0 };

	bpmp_policy_init(&policy, &ids);
	for (uint32_t i = 0; i < BPMP_MAX_CLOCKS; i++)
		cr_assert_eq(bpmp_policy_add_ancestor(&policy, i), 0);
	cr_assert_eq(bpmp_policy_add_ancestor(&policy, BPMP_MAX_CLOCKS), -ENOSPC);
	cr_assert_eq(bpmp_policy_add_ancestor(&policy, 5), 0, "known already");
}

Test(bpmp_policy, a_refusal_is_logged_once_with_its_remedy)
{
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_ENABLE, 100);
	struct bpmp_response response;
	struct bpmp_policy policy;
	const char *first;

	setup(&policy);
	for (int i = 0; i < 3; i++)
		ask(&policy, request, &response);
	first = strstr(fake_log_text(), "CLK ENABLE of clock 100");
	cr_assert_not_null(first, "%s", fake_log_text());
	cr_assert_not_null(strstr(first, "--bpmp clocks=100"));
	cr_assert_null(strstr(first + 1, "CLK ENABLE of clock 100"), "logged twice");
	cr_assert_eq(policy.refusals.kind_count, 1);
	cr_assert_eq(policy.refusals.kinds[0].count, 3);
	cr_assert(!policy.refusals.kinds[0].by_host);

	ask(&policy, bpmp_reset_request(BPMP_RESET_ASSERT, 7), &response);
	cr_assert_not_null(strstr(fake_log_text(), "--bpmp resets=7"));
	ask(&policy, bpmp_pg_request(BPMP_PG_SET_STATE, 7, 1), &response);
	cr_assert_not_null(strstr(fake_log_text(), "--bpmp power-domains=7"));
	ask(&policy, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 102, 1), &response);
	cr_assert_null(strstr(fake_log_text(), "clocks=102"), "no option allows that");
	ask(&policy, bpmp_clk_parent_request(292, 102), &response);
	cr_assert_not_null(strstr(fake_log_text(), "SET_PARENT of clock 292"));
	cr_assert_null(strstr(fake_log_text(), "clocks=292"), "nor that");
}

Test(bpmp_policy, kinds_of_refusals_are_bounded)
{
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	for (uint32_t id = 1000; id < 1000 + 3 * BPMP_REFUSAL_KINDS; id++)
		ask(&policy, bpmp_clk_request(BPMP_CLK_ENABLE, id), &response);
	cr_assert_eq(policy.refusals.kind_count, BPMP_REFUSAL_KINDS);
	cr_assert_eq(bpmp_refusals_total(&policy.refusals), 3 * BPMP_REFUSAL_KINDS);
}

/* As many ids of each kind as there is room for: every one is found, none beyond is. */
Test(bpmp_policy, tables_that_are_full)
{
	struct bpmp_response response;
	struct bpmp_policy policy;
	struct bpmp_ids ids = { .mrqs = 0 };

	fake_log_capture();
	for (uint32_t i = 0; i < BPMP_MAX_IDS; i++) {
		cr_assert_eq(bpmp_id_set_add(&ids.clocks, 1000 - i), 0);
		cr_assert_eq(bpmp_id_set_add(&ids.resets, 10 + i), 0);
		cr_assert_eq(bpmp_id_set_add(&ids.power_domains, 10 + i), 0);
	}
	bpmp_policy_init(&policy, &ids);
	for (uint32_t i = 0; i < BPMP_MAX_ANCESTORS; i++)
		cr_assert_eq(bpmp_policy_add_ancestor(&policy, 2000 - i), 0);
	ask(&policy, bpmp_clk_request(BPMP_CLK_GET_MAX_CLK_ID, 0), &response);
	cr_assert_eq(bpmp_response_u32(&response), 2000);
	ask(&policy, bpmp_pg_request(BPMP_PG_GET_MAX_ID, 0, 0), &response);
	cr_assert_eq(bpmp_response_u32(&response), 10 + BPMP_MAX_IDS - 1);
	cr_assert_eq(
		ask(&policy, bpmp_clk_request(BPMP_CLK_GET_RATE, 3000), &response), BPMP_REFUSED);
	cr_assert_eq(ask(&policy, bpmp_clk_request(BPMP_CLK_GET_RATE, 0), &response), BPMP_REFUSED);
	cr_assert_eq(
		ask(&policy, bpmp_pg_request(BPMP_PG_GET_STATE, 200, 0), &response), BPMP_REFUSED);
	cr_assert_null(bpmp_policy_clock(&policy, 3000));
	for (uint32_t i = 0; i < BPMP_MAX_IDS; i++) {
		const struct bpmp_call clock = { BPMP_MRQ_CLK, 0, 1000 - i };
		const struct bpmp_call reset = { BPMP_MRQ_RESET, 0, 10 + i };
		const struct bpmp_call domain = { BPMP_MRQ_PG, 0, 10 + i };

		cr_assert(bpmp_policy_sees(&policy, &clock));
		cr_assert(bpmp_policy_sees(&policy, &reset));
		cr_assert(bpmp_policy_sees(&policy, &domain));
		ask(&policy, bpmp_clk_request(BPMP_CLK_ENABLE, 1000 - i), &response);
		ask(&policy, bpmp_pg_request(BPMP_PG_SET_STATE, 10 + i, BPMP_PG_ON), &response);
	}
	bpmp_policy_reset(&policy);
	for (uint32_t i = 0; i < BPMP_MAX_IDS; i++) {
		cr_assert_eq(is_enabled(&policy, 1000 - i), 0);
		ask(&policy, bpmp_pg_request(BPMP_PG_GET_STATE, 10 + i, 0), &response);
		cr_assert_eq(bpmp_response_u32(&response), BPMP_PG_OFF);
	}
}

Test(bpmp_policy, what_it_sees)
{
	static const struct {
		struct bpmp_call call;
		bool seen;
	} table[] = { { { BPMP_MRQ_CLK, 1, 155 }, true }, { { BPMP_MRQ_CLK, 1, 319 }, true },
		{ { BPMP_MRQ_CLK, 1, 100 }, false }, { { BPMP_MRQ_RESET, 1, 100 }, true },
		{ { BPMP_MRQ_RESET, 1, 155 }, false }, { { BPMP_MRQ_PG, 1, 35 }, true },
		{ { BPMP_MRQ_PG, 1, 155 }, false }, { { BPMP_MRQ_THERMAL, 0, 0 }, false },
		{ { BPMP_MRQ_PING, 0, 155 }, false } };
	struct bpmp_policy policy;

	setup(&policy);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		cr_assert_eq(
			bpmp_policy_sees(&policy, &table[i].call), table[i].seen, "row %zu", i);
}

Test(bpmp_policy, answers_that_the_host_must_not_give)
{
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_GET_RATE, 155), to_host;
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	for (int32_t error = -3; error <= 3; error++) {
		cr_assert_eq(
			bpmp_policy_decide(&policy, &request, &to_host, &response), BPMP_FORWARD);
		memset(&response, 0x5a, sizeof(response));
		response.error = error;
		response.size = 8;
		bpmp_policy_finish(&policy, &to_host, &response);
		cr_assert_eq(response.error, error > 0 ? -BPMP_EIO : error);
		cr_assert_eq(response.size, error ? 0 : 8);
		cr_assert_eq(response.data[8], 0);
		cr_assert_eq(response.data[0], error ? 0 : 0x5a);
	}
	for (uint32_t size = 0; size <= 9; size++) {
		memset(&response, 0x5a, sizeof(response));
		response.error = 0;
		response.size = size;
		bpmp_policy_finish(&policy, &to_host, &response);
		cr_assert_eq(response.error, size < 8 ? -BPMP_EIO : 0);
		cr_assert_eq(response.size, size < 8 ? 0 : 8);
		cr_assert_eq(response.data[8], 0);
	}
}

Test(bpmp_policy, a_refusal_names_the_clock)
{
	struct bpmp_request wrong = bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 319, 1);
	const char evil[BPMP_NAME_SIZE] = "pllp out0", short_name[BPMP_NAME_SIZE] = "x";
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	bpmp_policy_name_clock(&policy, 102, evil);
	bpmp_policy_name_clock(&policy, 999, evil);
	ask(&policy, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 102, 1), &response);
	cr_assert_not_null(strstr(fake_log_text(),
				   "CLK SET_RATE of clock 102 (pllp_out0): it feeds much of the "
				   "chip, no VM may change it\n"),
		"%s", fake_log_text());
	ask(&policy, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 319, 1), &response);
	cr_assert_not_null(
		strstr(fake_log_text(),
			"CLK SET_RATE of clock 319: it feeds this VM's clocks and perhaps "
			"others'; --bpmp clocks=319 would allow it\n"),
		"%s", fake_log_text());
	/* Another error of the same request is another line; the same one is not. */
	wrong.size = 4;
	ask(&policy, wrong, &response);
	ask(&policy, wrong, &response);
	cr_assert_not_null(strstr(
		fake_log_text(), "CLK SET_RATE of clock 319: not the length of such a request\n"));
	cr_assert_eq(policy.refusals.kind_count, 3);
	/* What no option allows names none. */
	ask(&policy, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 14, 1), &response);
	cr_assert_null(strstr(fake_log_text(), "clocks=14 "));
	ask(&policy, bpmp_clk_request(BPMP_CLK_ENABLE, 14), &response);
	cr_assert_not_null(strstr(fake_log_text(), "--bpmp clocks=14 would allow it"));

	cr_assert_eq(bpmp_policy_add_ancestor(&policy, 91), 0);
	bpmp_policy_name_clock(&policy, 91, short_name);
	ask(&policy, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 91, 1), &response);
	cr_assert_not_null(strstr(fake_log_text(), "clock 91 (x): it feeds"));
}
