/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/message.h"

#include "devices/bpmp/opened.h"
#include "vmm/base/util.h"

#include <stdio.h>
#include <string.h>

static const char *const clk_names[] = { [BPMP_CLK_GET_RATE] = "GET_RATE",
	[BPMP_CLK_SET_RATE] = "SET_RATE",
	[BPMP_CLK_ROUND_RATE] = "ROUND_RATE",
	[BPMP_CLK_GET_PARENT] = "GET_PARENT",
	[BPMP_CLK_SET_PARENT] = "SET_PARENT",
	[BPMP_CLK_IS_ENABLED] = "IS_ENABLED",
	[BPMP_CLK_ENABLE] = "ENABLE",
	[BPMP_CLK_DISABLE] = "DISABLE",
	[BPMP_CLK_RESET_REFCOUNTS] = "RESET_REFCOUNTS",
	[BPMP_CLK_GET_ALL_INFO] = "GET_ALL_INFO",
	[BPMP_CLK_GET_MAX_CLK_ID] = "GET_MAX_CLK_ID",
	[BPMP_CLK_GET_FMAX_AT_VMIN] = "GET_FMAX_AT_VMIN" };

static const char *const reset_names[] = { [BPMP_RESET_ASSERT] = "ASSERT",
	[BPMP_RESET_DEASSERT] = "DEASSERT",
	[BPMP_RESET_MODULE] = "MODULE",
	[BPMP_RESET_GET_MAX_ID] = "GET_MAX_ID" };

static const char *const pg_names[] = { [BPMP_PG_QUERY_ABI] = "QUERY_ABI",
	[BPMP_PG_SET_STATE] = "SET_STATE",
	[BPMP_PG_GET_STATE] = "GET_STATE",
	[BPMP_PG_GET_NAME] = "GET_NAME",
	[BPMP_PG_GET_MAX_ID] = "GET_MAX_ID" };

bool bpmp_request_size(uint32_t mrq, uint32_t *size)
{
	switch (mrq) {
	case BPMP_MRQ_PING:
	case BPMP_MRQ_THREADED_PING:
	case BPMP_MRQ_QUERY_ABI:
		*size = sizeof(uint32_t);
		return true;
	case BPMP_MRQ_QUERY_FW_TAG:
		*size = 0;
		return true;
	case BPMP_MRQ_CLK:
		*size = sizeof(struct bpmp_clk_request);
		return true;
	case BPMP_MRQ_RESET:
		*size = sizeof(struct bpmp_reset_request);
		return true;
	case BPMP_MRQ_PG:
		*size = sizeof(struct bpmp_pg_request);
		return true;
	default:
		return false;
	}
}

uint32_t bpmp_frame_size(uint32_t mrq)
{
	const struct bpmp_openable *openable = bpmp_openable_mrq(mrq);
	uint32_t size;

	if (bpmp_request_size(mrq, &size))
		return size;
	return openable ? openable->most : BPMP_DATA_SIZE;
}

static uint32_t word(const struct bpmp_request *request, uint32_t index)
{
	uint32_t value, at = index * (uint32_t)sizeof(value);

	if (at + sizeof(value) > request->size || at + sizeof(value) > sizeof(request->data))
		return 0;
	memcpy(&value, request->data + at, sizeof(value));
	return value;
}

struct bpmp_call bpmp_call_of(const struct bpmp_request *request)
{
	struct bpmp_call call = { .mrq = request->mrq };

	switch (request->mrq) {
	case BPMP_MRQ_CLK:
		call.command = word(request, 0) >> 24;
		call.id = word(request, 0) & BPMP_CLK_ID_MASK;
		break;
	case BPMP_MRQ_RESET:
	case BPMP_MRQ_PG:
		call.command = word(request, 0);
		call.id = word(request, 1);
		break;
	default:
		break;
	}
	return call;
}

static uint32_t clk_response_size(uint32_t command)
{
	switch (command) {
	case BPMP_CLK_GET_RATE:
	case BPMP_CLK_SET_RATE:
	case BPMP_CLK_ROUND_RATE:
		return sizeof(int64_t);
	case BPMP_CLK_GET_PARENT:
	case BPMP_CLK_SET_PARENT:
	case BPMP_CLK_IS_ENABLED:
	case BPMP_CLK_GET_MAX_CLK_ID:
		return sizeof(uint32_t);
	case BPMP_CLK_GET_ALL_INFO:
		return sizeof(struct bpmp_clk_info);
	default:
		return 0;
	}
}

static uint32_t pg_response_size(uint32_t command)
{
	switch (command) {
	case BPMP_PG_GET_STATE:
	case BPMP_PG_GET_MAX_ID:
		return sizeof(uint32_t);
	case BPMP_PG_GET_NAME:
		return BPMP_NAME_SIZE;
	default:
		return 0;
	}
}

uint32_t bpmp_response_size(const struct bpmp_call *call)
{
	const struct bpmp_openable *openable;

	switch (call->mrq) {
	case BPMP_MRQ_CLK:
		return clk_response_size(call->command);
	case BPMP_MRQ_PG:
		return pg_response_size(call->command);
	case BPMP_MRQ_RESET:
		return call->command == BPMP_RESET_GET_MAX_ID ? sizeof(uint32_t) : 0;
	case BPMP_MRQ_PING:
	case BPMP_MRQ_THREADED_PING:
	case BPMP_MRQ_QUERY_ABI:
		return sizeof(uint32_t);
	case BPMP_MRQ_QUERY_FW_TAG:
		return BPMP_FW_TAG_SIZE;
	default:
		openable = bpmp_openable_mrq(call->mrq);
		return openable ? openable->answer : 0;
	}
}

static const char *name_in(const char *const *names, size_t count, uint32_t command)
{
	return command < count && names[command] ? names[command] : NULL;
}

const char *bpmp_call_text(const struct bpmp_call *call, char *text, size_t size)
{
	const struct bpmp_openable *openable;
	const char *mrq, *noun, *command;

	switch (call->mrq) {
	case BPMP_MRQ_CLK:
		mrq = "CLK";
		noun = "clock";
		command = name_in(clk_names, ARRAY_SIZE(clk_names), call->command);
		break;
	case BPMP_MRQ_RESET:
		mrq = "RESET";
		noun = "reset";
		command = name_in(reset_names, ARRAY_SIZE(reset_names), call->command);
		break;
	case BPMP_MRQ_PG:
		mrq = "PG";
		noun = "power domain";
		command = name_in(pg_names, ARRAY_SIZE(pg_names), call->command);
		break;
	default:
		openable = bpmp_openable_mrq(call->mrq);
		if (openable)
			snprintf(text, size, "MRQ %u (%s)", call->mrq, openable->name);
		else
			snprintf(text, size, "MRQ %u", call->mrq);
		return text;
	}
	if (command)
		snprintf(text, size, "%s %s of %s %u", mrq, command, noun, call->id);
	else
		snprintf(text, size, "%s command %u of %s %u", mrq, call->command, noun, call->id);
	return text;
}

static struct bpmp_request request_of(uint32_t mrq, const void *data, size_t size)
{
	struct bpmp_request request = { .mrq = mrq, .size = (uint32_t)size };

	memcpy(request.data, data, size);
	return request;
}

struct bpmp_request bpmp_clk_request(uint32_t command, uint32_t id)
{
	return bpmp_clk_rate_request(command, id, 0);
}

struct bpmp_request bpmp_clk_rate_request(uint32_t command, uint32_t id, int64_t rate)
{
	struct bpmp_clk_request clk = { .command_and_id = command << 24 | (id & BPMP_CLK_ID_MASK) };

	clk.rate.rate = rate;
	return request_of(BPMP_MRQ_CLK, &clk, sizeof(clk));
}

struct bpmp_request bpmp_clk_parent_request(uint32_t id, uint32_t parent)
{
	struct bpmp_clk_request clk = { .command_and_id = (uint32_t)BPMP_CLK_SET_PARENT << 24 |
			(id & BPMP_CLK_ID_MASK) };

	clk.parent = parent;
	return request_of(BPMP_MRQ_CLK, &clk, sizeof(clk));
}

struct bpmp_request bpmp_reset_request(uint32_t command, uint32_t id)
{
	struct bpmp_reset_request reset = { .command = command, .id = id };

	return request_of(BPMP_MRQ_RESET, &reset, sizeof(reset));
}

struct bpmp_request bpmp_pg_request(uint32_t command, uint32_t id, uint32_t argument)
{
	struct bpmp_pg_request pg = { .command = command, .id = id, .argument = argument };

	return request_of(BPMP_MRQ_PG, &pg, sizeof(pg));
}

struct bpmp_request bpmp_query_abi_request(uint32_t mrq)
{
	return request_of(BPMP_MRQ_QUERY_ABI, &mrq, sizeof(mrq));
}

void bpmp_respond_error(struct bpmp_response *response, int error)
{
	memset(response, 0, sizeof(*response));
	response->error = -error;
}

void bpmp_respond(struct bpmp_response *response, const void *data, size_t size)
{
	memset(response, 0, sizeof(*response));
	if (size)
		memcpy(response->data, data, size);
	response->size = (uint32_t)size;
}

uint32_t bpmp_response_u32(const struct bpmp_response *response)
{
	uint32_t value = 0;

	if (response->size >= sizeof(value))
		memcpy(&value, response->data, sizeof(value));
	return value;
}

void bpmp_clean_name(char name[BPMP_NAME_SIZE])
{
	size_t length = strnlen(name, BPMP_NAME_SIZE - 1);

	/* The guest makes a debugfs directory of it, the audit file a JSON string. */
	for (size_t i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~' || strchr("/\"\\", name[i]))
			name[i] = '_';
	memset(name + length, 0, BPMP_NAME_SIZE - length);
}
