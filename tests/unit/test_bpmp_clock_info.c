/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest gets to see of the host's answers: only what Linux' drivers survive. */
#include "devices/bpmp/message.h"
#include "devices/bpmp/policy.h"
#include "tests/unit/bpmp_model.h"

#include <criterion/criterion.h>
#include <string.h>

#define MUX  BPMP_CLK_HAS_MUX
#define RATE BPMP_CLK_HAS_SET_RATE

/* 155 owned; 319, 318, 102 and 0 ancestors. */
static void setup(struct bpmp_policy *policy)
{
	struct bpmp_ids ids = model_ids();

	bpmp_policy_init(policy, &ids);
	cr_assert_eq(bpmp_policy_add_ancestor(policy, 319), 0);
	cr_assert_eq(bpmp_policy_add_ancestor(policy, 318), 0);
	cr_assert_eq(bpmp_policy_add_ancestor(policy, 0), 0);
}

static struct bpmp_clk_info filter(uint32_t id, struct bpmp_clk_info info)
{
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_GET_ALL_INFO, id), to_host;
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	cr_assert_eq(bpmp_policy_decide(&policy, &request, &to_host, &response), BPMP_FORWARD);
	bpmp_respond(&response, &info, sizeof(info));
	bpmp_policy_finish(&policy, &to_host, &response);
	cr_assert_eq(response.error, 0);
	cr_assert_eq(response.size, 113);
	memcpy(&info, response.data, sizeof(info));
	return info;
}

Test(bpmp_clock_info, foreign_parents_disappear)
{
	struct bpmp_clk_info info = filter(155,
		(struct bpmp_clk_info){ MUX | RATE, 102, { 100, 319, 7, 102, 14 }, 5, "uarta" });

	cr_assert_eq(info.parent_count, 2);
	cr_assert_eq(info.parents[0], 319);
	cr_assert_eq(info.parents[1], 102);
	cr_assert_eq(info.parents[2], 0);
	cr_assert_eq(info.parent, 102);
	cr_assert_eq(info.flags, MUX | RATE);
	cr_assert_str_eq(info.name, "uarta");

	info = filter(155, (struct bpmp_clk_info){ MUX, 102, { 0, 102, 319 }, 3, "" });
	cr_assert_eq(info.parent_count, 3, "the first, whose id is 0, is one too");
	cr_assert_eq(info.parents[0], 0);
	cr_assert_eq(info.parent, 102, "the one in the middle");
	cr_assert_eq(info.flags, MUX);
}

Test(bpmp_clock_info, a_current_parent_that_is_not_listed_gives_way_to_the_first)
{
	struct bpmp_clk_info info =
		filter(155, (struct bpmp_clk_info){ MUX, 100, { 319, 102 }, 2, "" });

	cr_assert_eq(info.parent, 319);
	info = filter(155, (struct bpmp_clk_info){ MUX, 0, { 319, 102 }, 2, "" });
	cr_assert_eq(info.parent, 319, "0 is behind the list's end, not on it");
}

Test(bpmp_clock_info, a_mux_with_one_parent_left_is_none)
{
	struct bpmp_clk_info info =
		filter(155, (struct bpmp_clk_info){ MUX | RATE, 102, { 100, 102 }, 2, "uarta" });

	cr_assert_eq(info.parent_count, 1);
	cr_assert_eq(info.flags, RATE);

	info = filter(155, (struct bpmp_clk_info){ MUX, 100, { 100 }, 1, "uarta" });
	cr_assert_eq(info.parent_count, 0);
	cr_assert_eq(info.parent, 0, "a foreign current parent is not shown");
	cr_assert_eq(info.parents[0], 0);
	cr_assert_eq(info.flags, 0);
}

Test(bpmp_clock_info, several_parents_need_a_mux)
{
	struct bpmp_clk_info info =
		filter(155, (struct bpmp_clk_info){ 0, 102, { 319, 102 }, 2, "uarta" });

	cr_assert_eq(info.parent_count, 1);
	cr_assert_eq(info.parents[0], 102, "the current one stays");
	cr_assert_eq(info.parents[1], 0);
}

Test(bpmp_clock_info, counts_and_repetitions_are_bounded)
{
	struct bpmp_clk_info raw = { MUX, 319, { 0 }, 255, "" };
	struct bpmp_clk_info info;

	for (int i = 0; i < BPMP_CLK_MAX_PARENTS; i++)
		raw.parents[i] = i % 2 ? 319 : 102;
	raw.parents[4] = 155; /* itself */
	info = filter(155, raw);
	cr_assert_eq(info.parent_count, 2);
	cr_assert_eq(info.parent, 319);
}

Test(bpmp_clock_info, an_ancestors_rate_and_parent_are_marked_as_fixed)
{
	struct bpmp_clk_info info =
		filter(102, (struct bpmp_clk_info){ RATE, 0, { 0 }, 0, "pllp_out0" });

	cr_assert_eq(info.flags, RATE | BPMP_CLK_RATE_PARENT_CHANGE_DENIED);
}

Test(bpmp_clock_info, names_end_and_can_be_file_names)
{
	struct bpmp_clk_info raw = { 0 };
	struct bpmp_clk_info info;

	memset(raw.name, 'x', sizeof(raw.name));
	raw.name[1] = '/';
	raw.name[2] = '\n';
	raw.name[3] = (char)0xff;
	info = filter(155, raw);
	cr_assert_eq(strnlen(info.name, sizeof(info.name)), BPMP_NAME_SIZE - 1);
	cr_assert_eq(strncmp(info.name, "x___xx", 6), 0);
}

static struct bpmp_response finish(struct bpmp_request request, const void *data, uint32_t size)
{
	struct bpmp_response response;
	struct bpmp_request to_host;
	struct bpmp_policy policy;

	setup(&policy);
	cr_assert_eq(bpmp_policy_decide(&policy, &request, &to_host, &response), BPMP_FORWARD);
	bpmp_respond(&response, data, size);
	bpmp_policy_finish(&policy, &to_host, &response);
	return response;
}

Test(bpmp_clock_info, a_foreign_parent_is_not_named)
{
	struct bpmp_request get = bpmp_clk_request(BPMP_CLK_GET_PARENT, 155);
	struct bpmp_request set = bpmp_clk_parent_request(155, 319);
	uint32_t visible = 319, foreign = 100;
	struct bpmp_response response;

	cr_assert_eq(finish(get, &visible, 4).error, 0);
	response = finish(get, &visible, 4);
	cr_assert_eq(bpmp_response_u32(&response), 319, "as the host said it");
	cr_assert_eq(finish(get, &foreign, 4).error, -BPMP_ENOENT);
	cr_assert_eq(finish(get, &foreign, 4).size, 0);
	cr_assert_eq(finish(set, &foreign, 4).error, -BPMP_ENOENT);
}

Test(bpmp_clock_info, answers_have_their_exact_size)
{
	struct bpmp_request rate = bpmp_clk_request(BPMP_CLK_GET_RATE, 155);
	struct bpmp_request enable = bpmp_clk_request(BPMP_CLK_ENABLE, 155);
	uint8_t long_answer[BPMP_DATA_SIZE], zero[BPMP_DATA_SIZE] = { 0 };
	struct bpmp_response response;

	memset(long_answer, 0xa5, sizeof(long_answer));
	cr_assert_eq(finish(rate, long_answer, 7).error, -BPMP_EIO, "too short");
	response = finish(rate, long_answer, sizeof(long_answer));
	cr_assert_eq(response.size, 8);
	cr_assert_eq(memcmp(response.data + 8, zero, sizeof(zero) - 8), 0);
	response = finish(enable, long_answer, sizeof(long_answer));
	cr_assert_eq(response.size, 0);
	cr_assert_eq(memcmp(response.data, zero, sizeof(zero)), 0);
}

Test(bpmp_clock_info, an_error_carries_no_payload_and_is_negative)
{
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_GET_RATE, 155), to_host;
	struct bpmp_response response;
	struct bpmp_policy policy;

	setup(&policy);
	for (int32_t error = -140; error <= 140; error += 140) {
		bpmp_policy_decide(&policy, &request, &to_host, &response);
		memset(&response, 0xa5, sizeof(response));
		response.error = error;
		response.size = 8;
		bpmp_policy_finish(&policy, &to_host, &response);
		cr_assert_eq(response.error, error > 0 ? -BPMP_EIO : error);
		cr_assert_eq(response.size, error ? 0 : 8);
	}
	response.error = INT32_MIN;
	bpmp_policy_finish(&policy, &to_host, &response);
	cr_assert_lt(response.error, 0);
}

Test(bpmp_clock_info, a_power_domains_name_ends)
{
	char name[BPMP_NAME_SIZE];
	struct bpmp_response response;

	memset(name, 'n', sizeof(name));
	response = finish(bpmp_pg_request(BPMP_PG_GET_NAME, 35, 0), name, sizeof(name));
	cr_assert_eq(response.size, 40);
	cr_assert_eq(response.data[39], 0);
	cr_assert_eq(response.data[38], 'n');
}
