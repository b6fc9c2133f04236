/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy as a table: every MRQ and command, on every kind of id, in every kind of length. The
 * expectations are written by hand, from NVIDIA's bpmp-abi.h and the rules of policy.h; the test
 * multiplies them out. What a column says holds for each of its ids, and a wrong length is refused
 * before the id is looked at.
 *
 * The guest owns clock 155, reset 100 and power domain 35. Clocks 319 and 102 are ancestors; 102
 * is a protected root, which the devices' node names. Everything else is somebody else's.
 */
#include "devices/bpmp/message.h"
#include "devices/bpmp/opened.h"
#include "devices/bpmp/policy.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum expected {
	FORWARD, /* goes to the host, as it came */
	OK,	 /* answered here */
	HOLE,	 /* answered -EINVAL, no offence: Linux asks for every id */
	NO_SUCH, /* answered -ENODEV, no offence */
	EINVAL_, /* these are refused: counted, and logged once */
	EACCES_,
	EBADCMD_,
	ENOHANDLER_,
	NONE, /* there is no such id or length */
};

struct row {
	uint32_t mrq, command, argument;
	uint32_t answer; /* bytes, where it is a success */
	enum expected owned, ancestor, foreign, beyond;
	enum expected shorter, longer, zero;
};

/* Exact lengths: what every client in Linux sends. */
static const struct {
	uint32_t mrq, size;
} lengths[] = { { 0, 4 }, { 9, 4 }, { 20, 8 }, { 22, 16 }, { 23, 4 }, { 66, 12 }, { 71, 0 } };

enum { PING = 0, THREADED = 9, RESET = 20, CLK = 22, ABI = 23, PG = 66, TAG = 71 };

/* clang-format off */
static const struct row table[] = {
	/* CLK             arg  answer owned     ancestor  foreign   beyond    short    long     zero */
	{ CLK, 0,          0,   0,  EBADCMD_, EBADCMD_, EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 1 /*get*/,  0,   8,  FORWARD,  FORWARD,  EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 2 /*set*/,  9,   8,  FORWARD,  EACCES_,  EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 3 /*round*/,9,   8,  FORWARD,  FORWARD,  EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 4 /*parent*/,0,  4,  FORWARD,  FORWARD,  EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 5 /*set p.*/,102,4,  FORWARD,  EACCES_,  EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 5,          319, 4,  FORWARD,  EACCES_,  EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 5,          100, 4,  EACCES_,  EACCES_,  EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 5,          320, 4,  EACCES_,  EACCES_,  EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 5 /*itself*/,155,4,  EACCES_,  EACCES_,  EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 6 /*is on*/,0,   4,  OK,       OK,       EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 7 /*on*/,   0,   0,  FORWARD,  FORWARD,  EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 8 /*off*/,  0,   0,  OK,       OK,       EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 9,          0,   0,  EBADCMD_, EBADCMD_, EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 10,         0,   0,  EBADCMD_, EBADCMD_, EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 11,         0,   0,  EBADCMD_, EBADCMD_, EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 12,         0,   0,  EBADCMD_, EBADCMD_, EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 13,         0,   0,  EBADCMD_, EBADCMD_, EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 14 /*info*/,0, 113,  FORWARD,  FORWARD,  HOLE,     HOLE,     EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 15 /*max*/, 0,   4,  OK,       OK,       OK,       OK,       EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 16,         0,   0,  EBADCMD_, EBADCMD_, EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 17,         0,   0,  EBADCMD_, EBADCMD_, EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ CLK, 255,        0,   0,  EBADCMD_, EBADCMD_, EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	/* RESET */
	{ RESET, 0,        0,   0,  EBADCMD_, NONE,     EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ RESET, 1,        0,   0,  FORWARD,  NONE,     EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ RESET, 2,        0,   0,  FORWARD,  NONE,     EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ RESET, 3 /*both*/,0,  0,  FORWARD,  NONE,     EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ RESET, 4 /*max*/,0,   4,  OK,       NONE,     OK,       OK,       EINVAL_, EINVAL_, EINVAL_ },
	{ RESET, 5,        0,   0,  EBADCMD_, NONE,     EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ RESET, ~0u,      0,   0,  EBADCMD_, NONE,     EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	/* PG: 0 asks whether command `arg` exists */
	{ PG, 0,           0,   0,  OK,       NONE,     OK,       OK,       EINVAL_, EINVAL_, EINVAL_ },
	{ PG, 0,           4,   0,  OK,       NONE,     OK,       OK,       EINVAL_, EINVAL_, EINVAL_ },
	{ PG, 0,           5,   0,  NO_SUCH,  NONE,     NO_SUCH,  NO_SUCH,  EINVAL_, EINVAL_, EINVAL_ },
	{ PG, 1 /*set*/,   0,   0,  FORWARD,  NONE,     EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ PG, 1,           1,   0,  FORWARD,  NONE,     EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ PG, 1,           2,   0,  EINVAL_,  NONE,     EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ PG, 1,         ~0u,   0,  EINVAL_,  NONE,     EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ PG, 2 /*get*/,   0,   4,  OK,       NONE,     EACCES_,  EINVAL_,  EINVAL_, EINVAL_, EINVAL_ },
	{ PG, 3 /*name*/,  0,  40,  FORWARD,  NONE,     HOLE,     HOLE,     EINVAL_, EINVAL_, EINVAL_ },
	{ PG, 4 /*max*/,   0,   4,  OK,       NONE,     OK,       OK,       EINVAL_, EINVAL_, EINVAL_ },
	{ PG, 5,           0,   0,  EBADCMD_, NONE,     EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	{ PG, ~0u,         0,   0,  EBADCMD_, NONE,     EBADCMD_, EBADCMD_, EINVAL_, EINVAL_, EINVAL_ },
	/* No ids: the argument is the whole of it. */
	{ PING, 0,         7,   4,  OK,       NONE,     NONE,     NONE,     EINVAL_, EINVAL_, EINVAL_ },
	{ THREADED, 0,     7,   4,  OK,       NONE,     NONE,     NONE,     EINVAL_, EINVAL_, EINVAL_ },
	{ ABI, 0,         22,   4,  OK,       NONE,     NONE,     NONE,     EINVAL_, EINVAL_, EINVAL_ },
	{ ABI, 0,         75,   4,  OK,       NONE,     NONE,     NONE,     EINVAL_, EINVAL_, EINVAL_ },
	{ TAG, 0,          0,  32,  OK,       NONE,     NONE,     NONE,     NONE,    EINVAL_, OK },
};
/* clang-format on */

static void setup(struct bpmp_policy *policy, uint32_t opened)
{
	struct bpmp_ids ids = model_ids();

	ids.mrqs = opened;
	bpmp_policy_init(policy, &ids);
	cr_assert_eq(bpmp_policy_add_ancestor(policy, 319), 0);
}

/* By hand, as the policy's own builders are what is under test. */
static struct bpmp_request request_of(const struct row *row, uint32_t id, uint32_t size)
{
	struct bpmp_request request = { .mrq = row->mrq, .size = size };
	uint32_t words[4] = { row->argument };

	if (row->mrq == CLK) {
		words[0] = row->command << 24 | id;
		words[row->command == 5 ? 1 : 2] = row->argument;
	} else if (row->mrq == RESET || row->mrq == PG) {
		words[0] = row->command;
		words[1] = id;
		words[2] = row->mrq == PG ? row->argument : 0;
	}
	memcpy(request.data, words, sizeof(words));
	return request;
}

static void expect(uint32_t opened, const struct bpmp_request *request, enum expected expected,
	uint32_t answer, const char *what)
{
	static const struct {
		enum bpmp_verdict verdict;
		int error;
	} meaning[] = {
		[FORWARD] = { BPMP_FORWARD, 0 },
		[OK] = { BPMP_ANSWERED, 0 },
		[HOLE] = { BPMP_ANSWERED, -22 },
		[NO_SUCH] = { BPMP_ANSWERED, -19 },
		[EINVAL_] = { BPMP_REFUSED, -22 },
		[EACCES_] = { BPMP_REFUSED, -13 },
		[EBADCMD_] = { BPMP_REFUSED, -6 },
		[ENOHANDLER_] = { BPMP_REFUSED, -3 },
	};
	struct bpmp_response response;
	struct bpmp_request to_host;
	struct bpmp_policy policy;
	struct bpmp_call call = bpmp_call_of(request);
	enum bpmp_verdict verdict;
	static const uint8_t zero[BPMP_DATA_SIZE];
	char text[64];

	if (expected == NONE)
		return;
	setup(&policy, opened);
	memset(&response, 0xa5, sizeof(response));
	memset(&to_host, 0xa5, sizeof(to_host));
	verdict = bpmp_policy_decide(&policy, request, &to_host, &response);
	bpmp_call_text(&call, text, sizeof(text));
	cr_assert_eq(verdict, meaning[expected].verdict, "%s, %s, %u bytes: verdict %d", text, what,
		request->size, verdict);
	cr_assert_eq(bpmp_refusals_total(&policy.refusals), verdict == BPMP_REFUSED, "%s, %s", text,
		what);
	if (verdict == BPMP_FORWARD) {
		cr_assert_eq(to_host.mrq, request->mrq);
		cr_assert_eq(to_host.size, request->size);
		cr_assert_eq(memcmp(to_host.data, request->data, request->size), 0, "%s, %s", text,
			what);
		cr_assert_eq(bpmp_response_size(&call), answer, "%s, %s", text, what);
		return;
	}
	cr_assert_eq(response.error, meaning[expected].error, "%s, %s, %u bytes: error %d", text,
		what, request->size, response.error);
	cr_assert_eq(response.size, response.error ? 0 : answer, "%s, %s: %u bytes of answer", text,
		what, response.size);
	cr_assert_eq(
		memcmp(response.data + response.size, zero, BPMP_DATA_SIZE - response.size), 0);
}

/* Each row on each id, in each length. */
static void expect_row(const struct row *row, uint32_t size)
{
	const struct {
		const char *what;
		uint32_t clock, reset, domain;
		enum expected expected;
	} ids[] = {
		{ "owned", 155, 100, 35, row->owned },
		{ "ancestor", 319, 100, 35, row->ancestor },
		{ "protected root", 102, 100, 35, row->ancestor },
		{ "foreign", 100, 99, 34, row->foreign },
		{ "foreign, the lowest", 0, 0, 0, row->foreign },
		{ "the first out of range", 320, 101, 36, row->beyond },
		{ "the last out of range", 0xffffff, ~0u, ~0u, row->beyond },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		uint32_t id = row->mrq == CLK ? ids[i].clock
			: row->mrq == RESET   ? ids[i].reset
					      : ids[i].domain;
		struct bpmp_request request = request_of(row, id, size);

		if (ids[i].expected == NONE)
			continue;
		expect(0, &request, ids[i].expected, row->answer, ids[i].what);
		for (request.size = 1; request.size <= BPMP_DATA_SIZE; request.size++)
			if (request.size != size)
				expect(0, &request,
					request.size < size ? row->shorter : row->longer, 0,
					ids[i].what);
		request.size = BPMP_DATA_SIZE + 1;
		expect(0, &request, row->longer, 0, ids[i].what);
		request.size = UINT32_MAX;
		expect(0, &request, row->longer, 0, ids[i].what);
		request.size = 0;
		expect(0, &request, row->zero, row->answer, ids[i].what);
	}
}

TestSuite(bpmp_policy_table, .init = fake_log_capture, .timeout = 120);

Test(bpmp_policy_table, every_command_on_every_kind_of_id_in_every_length)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		for (size_t j = 0; j < ARRAY_SIZE(lengths); j++)
			if (lengths[j].mrq == table[i].mrq)
				expect_row(&table[i], lengths[j].size);
}

/*
 * Requests that only `--bpmp mrqs=` opens. least: fields that every command has; most: the whole
 * struct; answer: the longest.
 */
static const struct {
	const char *name;
	uint32_t mrq, least, most, answer;
} openable[] = {
	{ "i2c", 21, 12, 120, 120 },
	{ "thermal", 27, 4, 20, 4 },
	{ "emc-dvfs-latency", 31, 0, 8, 116 },
	{ "cpu-ndiv-limits", 67, 4, 4, 12 },
	{ "strap", 68, 12, 12, 0 },
	{ "uphy", 69, 4, 24, 4 },
	{ "debug", 75, 4, 120, 120 },
	{ "emc-dvfs-emchub", 76, 0, 8, 116 },
	{ "bwmgr", 77, 8, 116, 8 },
	{ "iso-client", 78, 8, 16, 116 },
	{ "emc-disp-rfl", 79, 4, 4, 0 },
	{ "bwmgr-int", 83, 8, 21, 17 },
};

Test(bpmp_policy_table, what_an_option_opens_has_a_bounded_length)
{
	for (size_t i = 0; i < ARRAY_SIZE(openable); i++) {
		struct bpmp_request request = { .mrq = openable[i].mrq };
		uint32_t opened = 0, number = 0;
		char word[8];

		cr_assert_eq(bpmp_open_mrqs(openable[i].name, &opened), 0);
		snprintf(word, sizeof(word), "%u", openable[i].mrq);
		cr_assert_eq(bpmp_open_mrqs(word, &number), 0);
		cr_assert(opened != 0 && opened == number, "%s", openable[i].name);
		memset(request.data, 0x5a, sizeof(request.data));
		for (request.size = 0; request.size <= BPMP_DATA_SIZE + 1; request.size++) {
			bool fits = request.size >= openable[i].least &&
				request.size <= openable[i].most;

			expect(opened, &request, fits ? FORWARD : EINVAL_, openable[i].answer,
				"opened");
			/* Closed: whatever else is open. */
			expect(~opened, &request, ENOHANDLER_, 0, "closed");
		}
		cr_assert_eq(bpmp_frame_size(openable[i].mrq), openable[i].most);
	}
}

Test(bpmp_policy_table, a_frame_is_as_long_as_its_mrq)
{
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		cr_assert_eq(bpmp_frame_size(lengths[i].mrq), lengths[i].size);
	cr_assert_eq(bpmp_frame_size(BPMP_MRQ_QUERY_TAG), BPMP_DATA_SIZE);
}

/* Every other number: nothing opens it, no length makes it right. */
Test(bpmp_policy_table, every_other_mrq_has_no_handler)
{
	for (uint32_t mrq = 0; mrq < 300; mrq++) {
		struct bpmp_request request = { .mrq = mrq < 256 ? mrq : mrq << 16 };
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
			known |= lengths[i].mrq == mrq;
		for (size_t i = 0; i < ARRAY_SIZE(openable); i++)
			known |= openable[i].mrq == mrq;
		if (known)
			continue;
		for (request.size = 0; request.size <= BPMP_DATA_SIZE; request.size += 4)
			expect(~0u, &request, ENOHANDLER_, 0, "no such MRQ");
	}
}

/* RESET_REFCOUNTS, which takes back all ENABLEs of a clock, once it is opened. */
Test(bpmp_policy_table, refcounts_are_reset_of_owned_clocks_only)
{
	static const struct row row = { .mrq = CLK, .command = 13 };
	static const struct {
		uint32_t clock;
		enum expected expected;
	} ids[] = { { 155, FORWARD }, { 319, EACCES_ }, { 102, EACCES_ }, { 14, EACCES_ },
		{ 100, EACCES_ }, { 320, EINVAL_ } };
	uint32_t opened = 0;

	cr_assert_eq(bpmp_open_mrqs("clk-reset-refcounts", &opened), 0);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		struct bpmp_request request = request_of(&row, ids[i].clock, 16);

		expect(opened, &request, ids[i].expected, 0, "opened");
		expect(~opened, &request, EBADCMD_, 0, "closed");
		request.size = 4;
		expect(opened, &request, EINVAL_, 0, "short");
	}
}
