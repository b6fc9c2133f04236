/* SPDX-License-Identifier: Apache-2.0 */
/* Between policy.c and policy_clock.c. */
#ifndef DEVICES_BPMP_POLICY_INTERNAL_H
#define DEVICES_BPMP_POLICY_INTERNAL_H

#include "devices/bpmp/message.h"
#include "devices/bpmp/opened.h"
#include "devices/bpmp/policy.h"

/* NULL for a foreign clock. */
struct bpmp_clock *bpmp_policy_find_clock(struct bpmp_policy *policy, uint32_t id);

/*
 * Fills in the error, counts, and logs `why` the first time. `option` is what of `--bpmp` would
 * allow it ("clocks", or with a value: "mrqs=i2c"), NULL when nothing does.
 */
enum bpmp_verdict bpmp_policy_refuse(struct bpmp_policy *policy, const struct bpmp_call *call,
	struct bpmp_response *response, int error, const char *why, const char *option);

/* The same for what `--bpmp mrqs=` opens. */
enum bpmp_verdict bpmp_policy_refuse_closed(struct bpmp_policy *policy,
	const struct bpmp_call *call, struct bpmp_response *response, int error,
	const struct bpmp_openable *openable);

/* MRQ_CLK; the request has its exact size. */
enum bpmp_verdict bpmp_policy_decide_clock(struct bpmp_policy *policy, const struct bpmp_call *call,
	const struct bpmp_clk_request *clk, struct bpmp_request *to_host,
	struct bpmp_response *response);

/* The host's successful answer, of its exact size. */
void bpmp_policy_finish_clock(
	struct bpmp_policy *policy, const struct bpmp_call *call, struct bpmp_response *response);

#endif
