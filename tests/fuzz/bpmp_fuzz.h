/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's BPMP for the fuzzers: answers are the fuzzer's, and each request is held against
 * what this VM may do at all. Devices name clocks 155 and 102, reset 100, power domain 35.
 */
#ifndef TESTS_FUZZ_BPMP_FUZZ_H
#define TESTS_FUZZ_BPMP_FUZZ_H

#include "devices/bpmp/host.h"
#include "devices/bpmp/message.h"
#include "devices/bpmp/opened.h"
#include "devices/bpmp/policy.h"
#include "devices/bpmp/server.h"
#include "tests/fuzz/fuzz_input.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct fuzz_host {
	struct bpmp_host host;
	struct fuzz_input *input;
	struct bpmp_server *server;
	bool started;		   /* the guest's requests come now */
	int owned_enables;	   /* of clock 155, that the host carried out */
	bool restoring;		   /* what comes now is no request of the guest's */
	unsigned int asked;	   /* transfers since the guest's last request */
	void (*meanwhile)(void *); /* what the guest does during a request */
	void *meanwhile_argument;
};

static inline void fuzz_check_clock(const struct fuzz_host *host, const struct bpmp_call *call)
{
	const struct bpmp_clock *clock = bpmp_policy_clock(&host->server->policy, call->id);

	switch (call->command) {
	case BPMP_CLK_GET_RATE:
	case BPMP_CLK_ROUND_RATE:
	case BPMP_CLK_GET_PARENT:
	case BPMP_CLK_GET_ALL_INFO:
	case BPMP_CLK_IS_ENABLED:
		fuzz_check(clock || !host->started);
		break;
	case BPMP_CLK_ENABLE:
		fuzz_check(clock && host->started);
		break;
	case BPMP_CLK_SET_RATE:
	case BPMP_CLK_SET_PARENT:
	case BPMP_CLK_DISABLE:
	case BPMP_CLK_RESET_REFCOUNTS:
		fuzz_check(!bpmp_is_protected_root(call->id));
		fuzz_check(clock && clock->owned && host->started && call->id == 155);
		break;
	default:
		abort();
	}
}

static inline void fuzz_check_request(
	const struct fuzz_host *host, const struct bpmp_request *request)
{
	struct bpmp_call call = bpmp_call_of(request);
	const struct bpmp_openable *openable = bpmp_openable_mrq(request->mrq);
	static const uint8_t zero[BPMP_DATA_SIZE];
	struct bpmp_clk_request clk;
	uint32_t size;

	fuzz_check(request->size <= BPMP_DATA_SIZE);
	fuzz_check(
		memcmp(request->data + request->size, zero, BPMP_DATA_SIZE - request->size) == 0);
	if (openable) {
		fuzz_check(bpmp_is_opened(host->server->policy.opened, openable));
		fuzz_check(request->size >= openable->least && request->size <= openable->most);
		return;
	}
	fuzz_check(bpmp_request_size(request->mrq, &size) && size == request->size);
	if (request->mrq == BPMP_MRQ_CLK && call.command == BPMP_CLK_RESET_REFCOUNTS)
		fuzz_check(bpmp_is_opened(
			host->server->policy.opened, bpmp_openable_clk_command(call.command)));
	if (request->mrq == BPMP_MRQ_CLK && call.command == BPMP_CLK_SET_PARENT &&
		!host->restoring) {
		memcpy(&clk, request->data, sizeof(clk));
		fuzz_check(clk.parent != 155 &&
			bpmp_policy_clock(&host->server->policy, clk.parent) != NULL);
	}
	switch (request->mrq) {
	case BPMP_MRQ_QUERY_ABI: /* of an MRQ that is opened */
		memcpy(&size, request->data, sizeof(size));
		fuzz_check(bpmp_is_opened(host->server->policy.opened, bpmp_openable_mrq(size)));
		break;
	case BPMP_MRQ_CLK:
		fuzz_check_clock(host, &call);
		break;
	case BPMP_MRQ_RESET:
		fuzz_check(call.id == 100 && call.command >= BPMP_RESET_ASSERT &&
			call.command <= BPMP_RESET_MODULE);
		break;
	case BPMP_MRQ_PG:
		fuzz_check(call.id == 35 && call.command >= BPMP_PG_SET_STATE &&
			call.command <= BPMP_PG_GET_NAME);
		break;
	default:
		abort();
	}
}

static inline int fuzz_transfer(
	struct bpmp_host *base, const struct bpmp_request *request, struct bpmp_response *response)
{
	static const int errors[] = { EPERM, EINVAL, ENODEV, ETIMEDOUT, EAGAIN, EBUSY, EFAULT,
		4095 };
	struct fuzz_host *host = container_of(base, struct fuzz_host, host);
	struct bpmp_call call = bpmp_call_of(request);
	uint8_t kind = fuzz_byte(host->input);
	uint32_t room = response->size;

	fuzz_check_request(host, request);
	host->asked++;
	if (host->meanwhile)
		host->meanwhile(host->meanwhile_argument);
	/* Mostly success, or nothing gets far. */
	if (kind >= 0xf0)
		return -errors[kind & 7];
	memset(response, 0, sizeof(*response));
	if (kind >= 0xe0)
		fuzz_take(host->input, &response->error, sizeof(response->error));
	fuzz_take(host->input, response->data, room);
	response->size = kind == 0xdf && room ? room - 1 : room;
	if (response->error == 0 && call.mrq == BPMP_MRQ_CLK && call.id == 155)
		host->owned_enables +=
			(call.command == BPMP_CLK_ENABLE) - (call.command == BPMP_CLK_DISABLE);
	return 0;
}

/* What the guest may be told. */
static inline void fuzz_check_response(const struct bpmp_server *server,
	const struct bpmp_request *request, const struct bpmp_response *response)
{
	static const uint8_t zero[BPMP_DATA_SIZE];
	struct bpmp_call call = bpmp_call_of(request);
	struct bpmp_clk_info info;

	fuzz_check(response->error <= 0 && response->size <= BPMP_DATA_SIZE);
	fuzz_check(memcmp(response->data + response->size, zero, BPMP_DATA_SIZE - response->size) ==
		0);
	if (response->error) {
		fuzz_check(response->size == 0);
		return;
	}
	if (bpmp_openable_mrq(call.mrq))
		fuzz_check(response->size <= bpmp_response_size(&call));
	else
		fuzz_check(response->size == bpmp_response_size(&call));
	if (call.mrq != BPMP_MRQ_CLK || call.command != BPMP_CLK_GET_ALL_INFO)
		return;
	memcpy(&info, response->data, sizeof(info));
	fuzz_check(info.parent_count <= BPMP_CLK_MAX_PARENTS);
	fuzz_check(info.parent_count <= 1 || (info.flags & BPMP_CLK_HAS_MUX));
	fuzz_check(info.parent_count > 1 || !(info.flags & BPMP_CLK_HAS_MUX));
	for (unsigned int i = 0; i < info.parent_count; i++)
		fuzz_check(bpmp_policy_clock(&server->policy, info.parents[i]) != NULL);
	fuzz_check(info.name[BPMP_NAME_SIZE - 1] == '\0');
}

/*
 * `mrqs`: what `--bpmp mrqs=` opened. Returns false when the host's answers keep the VM from
 * starting.
 */
static inline bool fuzz_start(
	struct fuzz_host *host, struct bpmp_server *server, struct fuzz_input *input, uint32_t mrqs)
{
	const struct bpmp_ids ids = { .clocks = { 2, { 102, 155 } },
		.resets = { 1, { 100 } },
		.power_domains = { 1, { 35 } },
		.mrqs = mrqs };

	*host = (struct fuzz_host){
		.host.transfer = fuzz_transfer, .input = input, .server = server
	};
	if (bpmp_server_start(server, &host->host, &ids) < 0)
		return false;
	bpmp_server_guest_starts(server);
	host->started = true;
	return true;
}

#endif
