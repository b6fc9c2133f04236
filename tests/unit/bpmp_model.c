/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/bpmp_model.h"

#include "devices/bpmp/message.h"
#include "tests/unit/fakes.h"
#include "vmm/base/util.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct model_clock *model_clock(struct bpmp_model *model, uint32_t id)
{
	for (size_t i = 0; i < MODEL_CLOCKS && model->clocks[i].name; i++)
		if (model->clocks[i].id == id)
			return &model->clocks[i];
	return NULL;
}

static void answer_info(const struct model_clock *clock, struct bpmp_response *response)
{
	struct bpmp_clk_info info = { .flags = clock->flags, .parent = clock->parent };

	for (size_t i = 0; i < ARRAY_SIZE(clock->parents) && clock->parents[i]; i++)
		info.parents[info.parent_count++] = clock->parents[i];
	snprintf(info.name, sizeof(info.name), "%s", clock->name);
	bpmp_respond(response, &info, sizeof(info));
}

static void serve_clock(struct bpmp_model *model, const struct bpmp_call *call,
	const struct bpmp_request *request, struct bpmp_response *response)
{
	struct model_clock *clock = model_clock(model, call->id);
	struct bpmp_clk_request clk;

	memcpy(&clk, request->data, sizeof(clk));
	if (!clock) {
		bpmp_respond_error(response, BPMP_EINVAL);
		return;
	}
	bpmp_respond(response, NULL, 0);
	switch (call->command) {
	case BPMP_CLK_SET_RATE:
		clock->rate = clk.rate.rate;
		/* fall through */
	case BPMP_CLK_GET_RATE:
		bpmp_respond(response, &clock->rate, sizeof(clock->rate));
		break;
	case BPMP_CLK_ROUND_RATE:
		bpmp_respond(response, &clk.rate.rate, sizeof(int64_t));
		break;
	case BPMP_CLK_SET_PARENT:
		clock->parent = clk.parent;
		/* fall through */
	case BPMP_CLK_GET_PARENT:
		bpmp_respond_u32(response, clock->parent);
		break;
	case BPMP_CLK_IS_ENABLED:
		bpmp_respond_u32(response, clock->enables > 0);
		break;
	case BPMP_CLK_ENABLE:
		clock->enables = model->counts ? clock->enables + 1 : 1;
		break;
	case BPMP_CLK_DISABLE:
		clock->enables = model->counts && clock->enables ? clock->enables - 1 : 0;
		break;
	case BPMP_CLK_RESET_REFCOUNTS:
		clock->enables = 0;
		break;
	case BPMP_CLK_GET_ALL_INFO:
		answer_info(clock, response);
		break;
	default:
		bpmp_respond_error(response, BPMP_EBADCMD);
		break;
	}
}

static void serve_domain(struct bpmp_model *model, const struct bpmp_call *call,
	const struct bpmp_request *request, struct bpmp_response *response)
{
	const char name[BPMP_NAME_SIZE] = "domain";
	struct bpmp_pg_request pg;

	memcpy(&pg, request->data, sizeof(pg));
	for (size_t i = 0; i < MODEL_DOMAINS; i++) {
		if (model->domains[i].id != call->id)
			continue;
		bpmp_respond(response, NULL, 0);
		if (call->command == BPMP_PG_SET_STATE)
			model->domains[i].state = pg.argument;
		else if (call->command == BPMP_PG_GET_STATE)
			bpmp_respond_u32(response, model->domains[i].state);
		else if (call->command == BPMP_PG_GET_NAME)
			bpmp_respond(response, name, sizeof(name));
		return;
	}
	bpmp_respond_error(response, BPMP_EINVAL);
}

static bool is_read(const struct bpmp_call *call)
{
	if (call->mrq == BPMP_MRQ_CLK)
		return call->command != BPMP_CLK_SET_RATE && call->command != BPMP_CLK_SET_PARENT &&
			call->command != BPMP_CLK_ENABLE && call->command != BPMP_CLK_DISABLE &&
			call->command != BPMP_CLK_RESET_REFCOUNTS;
	return call->mrq == BPMP_MRQ_PG && call->command != BPMP_PG_SET_STATE;
}

static void trace(
	struct bpmp_model *model, const struct bpmp_call *call, const struct bpmp_request *request)
{
	struct bpmp_clk_request clk;
	struct bpmp_pg_request pg;
	int64_t argument = 0;
	char text[64];

	if (model->quiet && is_read(call))
		return;
	if (call->mrq == BPMP_MRQ_CLK) {
		memcpy(&clk, request->data, sizeof(clk));
		argument = call->command == BPMP_CLK_SET_PARENT ? clk.parent : clk.rate.rate;
	} else if (call->mrq == BPMP_MRQ_PG) {
		memcpy(&pg, request->data, sizeof(pg));
		argument = pg.argument;
	}
	fake_trace("%s, %" PRId64, bpmp_call_text(call, text, sizeof(text)), argument);
}

static int model_transfer(
	struct bpmp_host *host, const struct bpmp_request *request, struct bpmp_response *response)
{
	struct bpmp_model *model = container_of(host, struct bpmp_model, host);
	struct bpmp_call call = bpmp_call_of(request);
	bool fault = model->fault_mrq && model->fault_mrq == call.mrq &&
		model->fault_command == call.command;

	trace(model, &call, request);
	if (fault && model->fault_errno)
		return -model->fault_errno;
	if (fault && model->fault_firmware) {
		memset(response, 0, sizeof(*response));
		response->error = model->fault_firmware;
		return 0;
	}
	if (call.mrq == BPMP_MRQ_CLK)
		serve_clock(model, &call, request, response);
	else if (call.mrq == BPMP_MRQ_PG)
		serve_domain(model, &call, request, response);
	else
		bpmp_respond(response, NULL, 0);
	if (fault && model->fault_size < response->size)
		response->size = model->fault_size;
	return 0;
}

void model_init(struct bpmp_model *model)
{
	static const struct model_clock clocks[] = {
		{ "uarta", 408000000, 155, BPMP_CLK_HAS_MUX | BPMP_CLK_HAS_SET_RATE, 102, 1,
			{ 319, 102, 14 } },
		{ "pll_a", 600000000, 319, 0, 91, 1, { 91 } },
		{ "pllp_out0", 408000000, 102, 0, 91, 1, { 91 } },
		{ "osc", 38400000, 91, BPMP_CLK_IS_ROOT, 0, 1, { 0 } },
		{ "clk_m", 19200000, 14, 0, 91, 1, { 91 } },
		{ "others", 1000000, 100, 0, 102, 0, { 102 } },
	};

	memset(model, 0, sizeof(*model));
	memcpy(model->clocks, clocks, sizeof(clocks));
	model->host.transfer = model_transfer;
	model->domains[0] = (struct model_domain){ 35, BPMP_PG_OFF };
	model->domains[1] = (struct model_domain){ 3, BPMP_PG_ON };
	model->counts = true;
	model->quiet = true;
}

struct bpmp_ids model_ids(void)
{
	return (struct bpmp_ids){ .clocks = { 2, { 102, 155 } },
		.resets = { 1, { 100 } },
		.power_domains = { 1, { 35 } } };
}

struct bpmp_request model_request(uint32_t mrq, const void *data, uint32_t size)
{
	struct bpmp_request request = { .mrq = mrq, .size = size };

	memcpy(request.data, data, size < sizeof(request.data) ? size : sizeof(request.data));
	return request;
}
