/* SPDX-License-Identifier: Apache-2.0 */
/* Requests taken apart and put together, byte by byte; their names in the log. */
#include "devices/bpmp/message.h"
#include "tests/unit/bpmp_model.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <string.h>

Test(bpmp_message, texts)
{
	static const struct {
		struct bpmp_call call;
		const char *text;
	} table[] = {
		{ { 22, 0, 7 }, "CLK command 0 of clock 7" },
		{ { 22, 1, 7 }, "CLK GET_RATE of clock 7" },
		{ { 22, 2, 7 }, "CLK SET_RATE of clock 7" },
		{ { 22, 3, 7 }, "CLK ROUND_RATE of clock 7" },
		{ { 22, 4, 7 }, "CLK GET_PARENT of clock 7" },
		{ { 22, 5, 7 }, "CLK SET_PARENT of clock 7" },
		{ { 22, 6, 7 }, "CLK IS_ENABLED of clock 7" },
		{ { 22, 7, 7 }, "CLK ENABLE of clock 7" },
		{ { 22, 8, 7 }, "CLK DISABLE of clock 7" },
		{ { 22, 9, 7 }, "CLK command 9 of clock 7" },
		{ { 22, 13, 7 }, "CLK RESET_REFCOUNTS of clock 7" },
		{ { 22, 14, 7 }, "CLK GET_ALL_INFO of clock 7" },
		{ { 22, 15, 7 }, "CLK GET_MAX_CLK_ID of clock 7" },
		{ { 22, 16, 7 }, "CLK GET_FMAX_AT_VMIN of clock 7" },
		{ { 22, 17, 7 }, "CLK command 17 of clock 7" },
		{ { 20, 0, 7 }, "RESET command 0 of reset 7" },
		{ { 20, 1, 7 }, "RESET ASSERT of reset 7" },
		{ { 20, 2, 7 }, "RESET DEASSERT of reset 7" },
		{ { 20, 3, 7 }, "RESET MODULE of reset 7" },
		{ { 20, 4, 7 }, "RESET GET_MAX_ID of reset 7" },
		{ { 20, 5, 7 }, "RESET command 5 of reset 7" },
		{ { 66, 0, 7 }, "PG QUERY_ABI of power domain 7" },
		{ { 66, 1, 7 }, "PG SET_STATE of power domain 7" },
		{ { 66, 2, 7 }, "PG GET_STATE of power domain 7" },
		{ { 66, 3, 7 }, "PG GET_NAME of power domain 7" },
		{ { 66, 4, 7 }, "PG GET_MAX_ID of power domain 7" },
		{ { 66, 5, 7 }, "PG command 5 of power domain 7" },
		{ { 66, UINT32_MAX, 7 }, "PG command 4294967295 of power domain 7" },
		{ { 69, 1, 7 }, "MRQ 69 (uphy)" },
		{ { 1, 0, 0 }, "MRQ 1" },
	};
	char text[64];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		cr_assert_str_eq(bpmp_call_text(&table[i].call, text, sizeof(text)), table[i].text);
}

Test(bpmp_message, what_is_cut_off_counts_as_nothing)
{
	struct bpmp_request request = { .mrq = BPMP_MRQ_PG };
	struct bpmp_call call;

	memset(request.data, 0x11, sizeof(request.data));
	for (request.size = 0; request.size <= BPMP_DATA_SIZE; request.size++) {
		call = bpmp_call_of(&request);
		cr_assert_eq(call.mrq, BPMP_MRQ_PG);
		cr_assert_eq(call.command, request.size >= 4 ? 0x11111111 : 0);
		cr_assert_eq(call.id, request.size >= 8 ? 0x11111111 : 0);
	}
	request.mrq = BPMP_MRQ_CLK;
	request.size = 4;
	call = bpmp_call_of(&request);
	cr_assert(call.command == 0x11 && call.id == 0x111111);
	request.mrq = BPMP_MRQ_PING;
	call = bpmp_call_of(&request);
	cr_assert(call.command == 0 && call.id == 0, "it has none");
}

static void expect_words(struct bpmp_request request, uint32_t mrq, uint32_t size, uint32_t first,
	uint32_t second, uint32_t third, uint32_t fourth)
{
	const uint32_t words[BPMP_DATA_SIZE / 4] = { first, second, third, fourth };

	cr_assert(request.mrq == mrq && request.size == size);
	cr_assert_eq(memcmp(request.data, words, sizeof(words)), 0);
}

Test(bpmp_message, requests_of_our_own)
{
	expect_words(bpmp_clk_request(7, 155), 22, 16, 0x0700009b, 0, 0, 0);
	expect_words(bpmp_clk_request(7, 0xff00009b), 22, 16, 0x0700009b, 0, 0, 0);
	expect_words(
		bpmp_clk_rate_request(2, 155, 0x123456789ll), 22, 16, 0x0200009b, 0, 0x23456789, 1);
	expect_words(bpmp_clk_parent_request(155, 102), 22, 16, 0x0500009b, 102, 0, 0);
	expect_words(bpmp_clk_parent_request(0xff00009b, 102), 22, 16, 0x0500009b, 102, 0, 0);
	expect_words(bpmp_reset_request(2, 100), 20, 8, 2, 100, 0, 0);
	expect_words(bpmp_pg_request(1, 35, 9), 66, 12, 1, 35, 9, 0);
	expect_words(bpmp_query_abi_request(22), 23, 4, 22, 0, 0, 0);
}

Test(bpmp_message, answers)
{
	static const uint8_t zero[BPMP_DATA_SIZE];
	struct bpmp_response response;

	memset(&response, 0xa5, sizeof(response));
	bpmp_respond_error(&response, BPMP_EACCES);
	cr_assert(response.error == -13 && response.size == 0);
	cr_assert_eq(memcmp(response.data, zero, sizeof(zero)), 0);
	memset(&response, 0xa5, sizeof(response));
	bpmp_respond_u32(&response, 0x11223344);
	cr_assert(response.error == 0 && response.size == 4);
	cr_assert_eq(memcmp(response.data + 4, zero, sizeof(zero) - 4), 0);
	cr_assert_eq(bpmp_response_u32(&response), 0x11223344);
	response.size = 3;
	cr_assert_eq(bpmp_response_u32(&response), 0, "it has no whole word");
	memset(&response, 0xa5, sizeof(response));
	bpmp_respond(&response, NULL, 0);
	cr_assert(response.error == 0 && response.size == 0 && response.data[0] == 0);
}

Test(bpmp_message, sizes_of_answers)
{
	static const struct {
		struct bpmp_call call;
		uint32_t size;
	} table[] = { { { BPMP_MRQ_PING, 0, 0 }, 4 }, { { BPMP_MRQ_THREADED_PING, 0, 0 }, 4 },
		{ { BPMP_MRQ_QUERY_ABI, 0, 0 }, 4 }, { { BPMP_MRQ_QUERY_FW_TAG, 0, 0 }, 32 },
		{ { BPMP_MRQ_RESET, BPMP_RESET_GET_MAX_ID, 0 }, 4 },
		{ { BPMP_MRQ_RESET, BPMP_RESET_ASSERT, 1 }, 0 },
		{ { BPMP_MRQ_PG, BPMP_PG_GET_STATE, 1 }, 4 },
		{ { BPMP_MRQ_PG, BPMP_PG_SET_STATE, 1 }, 0 },
		{ { BPMP_MRQ_PG, BPMP_PG_GET_MAX_ID, 0 }, 4 },
		{ { BPMP_MRQ_PG, BPMP_PG_GET_NAME, 1 }, 40 },
		{ { BPMP_MRQ_CLK, BPMP_CLK_GET_RATE, 1 }, 8 },
		{ { BPMP_MRQ_CLK, BPMP_CLK_IS_ENABLED, 1 }, 4 },
		{ { BPMP_MRQ_CLK, BPMP_CLK_GET_MAX_CLK_ID, 0 }, 4 },
		{ { BPMP_MRQ_CLK, BPMP_CLK_ENABLE, 1 }, 0 },
		{ { BPMP_MRQ_CLK, BPMP_CLK_GET_ALL_INFO, 1 }, 113 }, { { 200, 0, 0 }, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		cr_assert_eq(bpmp_response_size(&table[i].call), table[i].size, "row %zu", i);
}

Test(bpmp_message, names_that_a_file_can_have)
{
	char name[BPMP_NAME_SIZE] = "/a b/c\"d\\e\x7f\x1f!~";

	bpmp_clean_name(name);
	cr_assert_str_eq(name, "_a_b_c_d_e__!~");
	memset(name, 'x', sizeof(name));
	bpmp_clean_name(name);
	cr_assert_eq(strlen(name), BPMP_NAME_SIZE - 1);
	memset(name, 0x5a, sizeof(name));
	name[3] = '\0';
	bpmp_clean_name(name);
	for (size_t i = 3; i < sizeof(name); i++)
		cr_assert_eq(name[i], 0, "nothing of the host's memory goes along");
	name[0] = '\0';
	bpmp_clean_name(name);
	cr_assert_str_empty(name);
}
