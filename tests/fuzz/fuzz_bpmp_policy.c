/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of any MRQ, length and content, one after the other, and the host's answers to them.
 *
 * Input: the host's answers to what is asked at start; then requests: a byte that chooses the MRQ
 * (or 255: put everything back), a length, the payload; after each the host's answer if it was
 * asked. Bit 0 of the last byte opens all that `--bpmp mrqs=` can.
 *
 * Held at every step, beside what bpmp_fuzz.h checks of each request and answer: one request of the
 * guest's makes one of the host's at most, and what is on is what this guest's own requests, as far
 * as they succeeded, have turned on.
 */
#include "tests/fuzz/bpmp_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ALL_OPENED ((1u << 13) - 1)

/* The guest's history, kept a second time. */
struct shadow {
	unsigned int enables[BPMP_MAX_CLOCKS]; /* by place in the policy's table */
	uint32_t domain;		       /* state of power domain 35 */
};

static void follow_clock(struct shadow *shadow, const struct bpmp_policy *policy,
	const struct bpmp_call *call, const struct bpmp_response *response)
{
	const struct bpmp_clock *clock = bpmp_policy_clock(policy, call->id);
	unsigned int *enables;

	if (!clock || response->error)
		return;
	enables = &shadow->enables[clock - policy->clocks];
	switch (call->command) {
	case BPMP_CLK_ENABLE:
		++*enables;
		break;
	case BPMP_CLK_DISABLE:
		*enables -= *enables > 0;
		break;
	case BPMP_CLK_RESET_REFCOUNTS:
		*enables = 0;
		break;
	case BPMP_CLK_IS_ENABLED:
		fuzz_check(bpmp_response_u32(response) == (*enables > 0));
		break;
	default:
		break;
	}
}

static void follow(struct shadow *shadow, const struct bpmp_policy *policy,
	const struct bpmp_request *request, const struct bpmp_response *response)
{
	struct bpmp_call call = bpmp_call_of(request);

	if (call.mrq == BPMP_MRQ_CLK)
		follow_clock(shadow, policy, &call, response);
	if (call.mrq != BPMP_MRQ_PG || call.id != 35 || response->error)
		return;
	if (call.command == BPMP_PG_SET_STATE)
		memcpy(&shadow->domain, request->data + 8, sizeof(shadow->domain));
	else if (call.command == BPMP_PG_GET_STATE)
		fuzz_check(bpmp_response_u32(response) == shadow->domain);
}

static void one_request(struct fuzz_host *host, struct shadow *shadow, uint8_t mrq)
{
	struct bpmp_server *server = host->server;
	struct bpmp_request request = { .mrq = mrq };
	struct bpmp_response response;
	uint8_t length = fuzz_byte(host->input);

	/* 0: the length that belongs to the MRQ. */
	request.size = length == 0 ? bpmp_frame_size(mrq) : length % (BPMP_DATA_SIZE + 1);
	fuzz_take(host->input, request.data, request.size);
	memset(&response, 0xa5, sizeof(response));
	host->asked = 0;
	bpmp_server_serve(server, &request, &response);
	fuzz_check(host->asked <= 1);
	fuzz_check_response(server, &request, &response);
	follow(shadow, &server->policy, &request, &response);
}

static void next_guest(struct fuzz_host *host, struct shadow *shadow)
{
	host->restoring = true;
	if (bpmp_server_restore(host->server) == 0)
		fuzz_check(!host->server->undo.clocks[0].enabled);
	host->restoring = false;
	memset(shadow, 0, sizeof(*shadow));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t mrqs = size && (data[size - 1] & 1) ? ALL_OPENED : 0;
	struct fuzz_input input = { data, size };
	static struct bpmp_server server;
	struct shadow shadow = { .domain = BPMP_PG_OFF };
	struct fuzz_host host;

	if (!fuzz_start(&host, &server, &input, mrqs))
		return 0;
	for (int i = 0; i < 1000 && input.left; i++) {
		uint8_t mrq = fuzz_byte(&input);

		if (mrq != 255) {
			one_request(&host, &shadow, mrq);
			continue;
		}
		next_guest(&host, &shadow);
		bpmp_server_guest_starts(&server);
	}
	next_guest(&host, &shadow);
	return 0;
}
