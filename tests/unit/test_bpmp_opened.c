/* SPDX-License-Identifier: Apache-2.0 */
/* `--bpmp mrqs=`: what it opens, what it never opens, and what then reaches the host. */
#include "devices/bpmp/message.h"
#include "devices/bpmp/opened.h"
#include "devices/bpmp/server.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

TestSuite(bpmp_opened, .init = fake_log_capture, .timeout = 30);

Test(bpmp_opened, names_and_numbers)
{
	char text[BPMP_OPENED_TEXT_SIZE];
	uint32_t opened = 0, again = 0;

	cr_assert_str_empty(bpmp_opened_text(0, text));
	cr_assert_eq(bpmp_open_mrqs("thermal:0x1f:uphy", &opened), 0);
	cr_assert_str_eq(bpmp_opened_text(opened, text), "thermal:emc-dvfs-latency:uphy");
	cr_assert_not_null(strstr(fake_log_text(), "mrqs=uphy: such requests go to the host"));
	cr_assert_eq(bpmp_open_mrqs(text, &again), 0);
	cr_assert_eq(again, opened);
	/* One more does not close what is open, and the longest list has room. */
	cr_assert_eq(bpmp_open_mrqs("i2c", &opened), 0);
	cr_assert_str_eq(bpmp_opened_text(opened, text), "i2c:thermal:emc-dvfs-latency:uphy");
	cr_assert_lt(strlen(bpmp_opened_text(~0u, text)), BPMP_OPENED_TEXT_SIZE - 1);
	cr_assert_eq(bpmp_open_mrqs(text, &again), 0);

	opened = 0;
	cr_assert_eq(bpmp_open_mrqs("clk-reset-refcounts", &opened), 0);
	cr_assert_str_eq(bpmp_opened_text(opened, text), "clk-reset-refcounts");
	cr_assert_not_null(bpmp_openable_clk_command(BPMP_CLK_RESET_REFCOUNTS));
	cr_assert_null(bpmp_openable_clk_command(BPMP_CLK_GET_RATE));
	cr_assert_null(bpmp_openable_clk_command(0), "that of rows that are no command");
}

#define LONG_63 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

Test(bpmp_opened, what_is_wrong_is_named)
{
	static const struct {
		const char *list, *named, *why;
	} wrong[] = {
		{ "query-tag", "mrqs=query-tag:", "memory of the guest's choice" },
		{ "thermal:1", "mrqs=1:", "memory of the guest's choice" },
		{ "debugfs", "mrqs=debugfs:", "memory of the guest's choice" },
		{ "19", "mrqs=19:", "memory of the guest's choice" },
		{ "28", "mrqs=28:", "memory of the guest's choice" },
		{ "", "mrqs=:", "no kind of request" },
		{ "thermal:", "mrqs=:", "no kind of request" },
		{ "therma", "mrqs=therma:", "no kind of request" },
		{ "thermals", "mrqs=thermals:", "no kind of request" },
		{ "22", "mrqs=22:", "no kind of request" },
		{ "31x", "mrqs=31x:", "no kind of request" },
		{ "-31", "mrqs=-31:", "no kind of request" },
		{ "4294967327", "mrqs=4294967327:", "no kind of request" },
		{ "clk", "mrqs=clk:", "no kind of request" },
		{ "clk:thermal", "mrqs=clk: no kind", "of request" },
		{ "+31", "mrqs=+31:", "no kind of request" },
		{ " 31", "mrqs= 31:", "no kind of request" },
		{ LONG_63 ":thermal", "mrqs=" LONG_63 ": no kind", "of request" },
		{ LONG_63 "f12345", "mrqs=" LONG_63 "f: no kind", "of request" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		uint32_t opened = 0;
		size_t before = strlen(fake_log_text());
		const char *line;

		cr_assert_eq(bpmp_open_mrqs(wrong[i].list, &opened), -EINVAL, "%s", wrong[i].list);
		line = strstr(fake_log_text() + before, wrong[i].named);
		cr_assert_not_null(line, "%s: %s", wrong[i].list, fake_log_text());
		cr_assert_not_null(strstr(line, wrong[i].why), "%s", line);
		cr_assert_str_eq(strchr(line, '\n'), "\n", "one line is enough: %s", line);
	}
}

struct world {
	struct bpmp_host host;
	struct bpmp_server server;
	struct bpmp_request sent;
	struct bpmp_response answer;
	uint32_t room;
	unsigned int transfers;
};

static int transfer(
	struct bpmp_host *host, const struct bpmp_request *request, struct bpmp_response *response)
{
	struct world *world = container_of(host, struct world, host);

	world->transfers++;
	world->sent = *request;
	world->room = response->size;
	*response = world->answer;
	return 0;
}

static struct world *world_with(const char *mrqs)
{
	static struct world world;
	struct bpmp_ids ids = { .mrqs = 0 };

	cr_assert_eq(bpmp_open_mrqs(mrqs, &ids.mrqs), 0);
	world.host.transfer = transfer;
	cr_assert_eq(bpmp_server_start(&world.server, &world.host, &ids), 0);
	return &world;
}

Test(bpmp_opened, an_opened_request_goes_out_as_it_came_and_no_byte_more)
{
	struct world *world = world_with("thermal");
	static const uint8_t zero[BPMP_DATA_SIZE];
	struct bpmp_request request = { .mrq = BPMP_MRQ_THERMAL, .size = 8 }, to_host;
	struct bpmp_response response;

	memset(request.data, 0x5a, sizeof(request.data));
	memset(&to_host, 0xa5, sizeof(to_host));
	cr_assert_eq(bpmp_policy_decide(&world->server.policy, &request, &to_host, &response),
		BPMP_FORWARD);
	cr_assert_eq(memcmp(to_host.data + 8, zero, sizeof(zero) - 8), 0);
	memset(world->answer.data, 0x77, sizeof(world->answer.data));
	world->answer.size = 4;
	bpmp_server_serve(&world->server, &request, &response);
	cr_assert_eq(world->transfers, 1);
	cr_assert_eq(world->sent.mrq, BPMP_MRQ_THERMAL);
	cr_assert_eq(world->sent.size, 8);
	cr_assert_eq(memcmp(world->sent.data, request.data, 8), 0);
	cr_assert_eq(memcmp(world->sent.data + 8, zero, sizeof(zero) - 8), 0);
	cr_assert_eq(world->room, 4);
	cr_assert_eq(response.error, 0);
	cr_assert_eq(response.size, 4);
	cr_assert_eq(memcmp(response.data + 4, zero, sizeof(zero) - 4), 0);

	/* A short answer is one, too; a long one is cut; an error is the firmware's. */
	world->answer.size = 1;
	bpmp_server_serve(&world->server, &request, &response);
	cr_assert_eq(response.size, 1);
	cr_assert_eq(response.data[0], 0x77);
	cr_assert_eq(response.data[1], 0);
	world->answer.size = 8;
	bpmp_server_serve(&world->server, &request, &response);
	cr_assert_eq(response.size, 4);
	world->answer.error = -BPMP_EBUSY;
	bpmp_server_serve(&world->server, &request, &response);
	cr_assert_eq(response.error, -BPMP_EBUSY);
	cr_assert_eq(response.size, 0);
}

Test(bpmp_opened, whether_the_firmware_serves_it_the_firmware_knows)
{
	struct world *world = world_with("emc-dvfs-latency");
	struct bpmp_response response;
	struct bpmp_request query = bpmp_query_abi_request(BPMP_MRQ_EMC_DVFS_LATENCY);
	const uint32_t no = (uint32_t)-BPMP_ENODEV;

	bpmp_respond_u32(&world->answer, no);
	bpmp_server_serve(&world->server, &query, &response);
	cr_assert_eq(world->transfers, 1);
	cr_assert_eq(world->sent.mrq, BPMP_MRQ_QUERY_ABI);
	cr_assert_eq(world->sent.size, 4);
	cr_assert_eq(world->sent.data[0], 31);
	cr_assert_eq(world->room, 4);
	cr_assert_eq(bpmp_response_u32(&response), no);
	query = bpmp_query_abi_request(BPMP_MRQ_THERMAL);
	bpmp_server_serve(&world->server, &query, &response);
	cr_assert_eq(world->transfers, 1, "closed: the host is not asked");
	cr_assert_eq(bpmp_response_u32(&response), no);
}

Test(bpmp_opened, a_closed_kind_is_refused_with_the_option_that_opens_it)
{
	struct world *world = world_with("thermal");
	static const struct {
		uint32_t mrq;
		const char *line;
	} closed[] = {
		{ BPMP_MRQ_I2C,
			"MRQ 21 (i2c): requests of that kind reach beyond this VM's devices; "
			"--bpmp mrqs=i2c would allow it\n" },
		{ BPMP_MRQ_QUERY_TAG,
			"MRQ 1: the firmware would write to memory of the guest's choice\n" },
		{ BPMP_MRQ_DEBUGFS, "the firmware would read and write memory of the guest's" },
		{ 65, "MRQ 65: guests are not served that kind of request\n" },
	};
	struct bpmp_request request = { .size = 16 };
	struct bpmp_response response;

	for (size_t i = 0; i < ARRAY_SIZE(closed); i++) {
		request.mrq = closed[i].mrq;
		bpmp_server_serve(&world->server, &request, &response);
		cr_assert_eq(response.error, -BPMP_ENOHANDLER);
		cr_assert_not_null(strstr(fake_log_text(), closed[i].line), "%s", fake_log_text());
	}
	request = bpmp_clk_request(BPMP_CLK_RESET_REFCOUNTS, 155);
	bpmp_server_serve(&world->server, &request, &response);
	cr_assert_eq(response.error, -BPMP_EBADCMD);
	cr_assert_not_null(strstr(fake_log_text(), "--bpmp mrqs=clk-reset-refcounts would"));
	cr_assert_eq(world->transfers, 0);
}

/* RESET_REFCOUNTS turns an owned clock off for its guest, and is made good as a DISABLE is. */
Test(bpmp_opened, refcounts_that_were_reset)
{
	static struct bpmp_server server;
	struct bpmp_ids ids = model_ids();
	struct bpmp_response response;
	struct bpmp_request request;
	struct bpmp_model model;

	model_init(&model);
	cr_assert_eq(bpmp_open_mrqs("clk-reset-refcounts", &ids.mrqs), 0);
	cr_assert_eq(bpmp_server_start(&server, &model.host, &ids), 0);
	request = bpmp_clk_request(BPMP_CLK_ENABLE, 155);
	bpmp_server_serve(&server, &request, &response);
	cr_assert_eq(model_clock(&model, 155)->enables, 2);
	request = bpmp_clk_request(BPMP_CLK_RESET_REFCOUNTS, 155);
	bpmp_server_serve(&server, &request, &response);
	cr_assert_eq(response.error, 0);
	cr_assert_eq(model_clock(&model, 155)->enables, 0);
	request = bpmp_clk_request(BPMP_CLK_IS_ENABLED, 155);
	bpmp_server_serve(&server, &request, &response);
	cr_assert_eq(bpmp_response_u32(&response), 0);
	cr_assert_eq(bpmp_server_restore(&server), 0);
	cr_assert_eq(model_clock(&model, 155)->enables, 1, "as found");
}
