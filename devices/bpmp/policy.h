/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this VM may ask of the host's BPMP. Pure: no I/O, no clock; it is fed with a request in
 * private memory and says what becomes of it, and it sees the host's answer before the guest.
 *
 * The host and all its VMs are one and the same master to the firmware. So the guest's view of
 * what is on comes from its own history here, and only changes to what it owns go out.
 *
 * Clocks: *owned* ones are named by the nodes of the VM's devices. *Ancestors* are the chain of
 * parents that feeds them; the guest may read them and have them enabled, and no more. All other
 * clocks are *foreign* and look like holes in the firmware's table.
 */
#ifndef DEVICES_BPMP_POLICY_H
#define DEVICES_BPMP_POLICY_H

#include "devices/bpmp/abi.h"
#include "devices/bpmp/ids.h"
#include "devices/bpmp/message.h"
#include "devices/bpmp/refusals.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPMP_MAX_ANCESTORS 64
#define BPMP_MAX_CLOCKS	   (BPMP_MAX_IDS + BPMP_MAX_ANCESTORS)

struct bpmp_clock {
	uint32_t id;
	bool owned;
	bool held;		   /* an ancestor that the host was asked to enable: stays so */
	uint32_t enables;	   /* the guest's ENABLEs less its DISABLEs */
	char name[BPMP_NAME_SIZE]; /* as the host's BPMP calls it; empty: not asked yet */
};

struct bpmp_power_domain {
	uint32_t id;
	uint32_t state; /* what the guest asked for last; off at its start */
};

struct bpmp_policy {
	size_t clock_count;
	struct bpmp_clock clocks[BPMP_MAX_CLOCKS];
	struct bpmp_id_set resets;
	uint32_t opened; /* kinds of requests: struct bpmp_ids' mrqs */
	size_t power_domain_count;
	struct bpmp_power_domain power_domains[BPMP_MAX_IDS];
	struct bpmp_refusals refusals;
};

enum bpmp_verdict {
	BPMP_ANSWERED, /* the response is complete */
	BPMP_REFUSED,  /* the response is complete: an error; counted */
	BPMP_FORWARD,  /* `to_host` goes to the host, its answer through bpmp_policy_finish() */
};

/*
 * Clocks that feed half of a Tegra234 (CLK_M, OSC, PLLP_OUT0, UTMIP_PLL, PLLREFE_VCOOUT,
 * UTMIPLL_CLKOUT480, PLLREFE_VCOOUT_GATED): never owned, whoever names them. The list is the one
 * that the existing host proxies protect.
 */
bool bpmp_is_protected_root(uint32_t clock);

/* Protected roots among ids->clocks become ancestors. */
void bpmp_policy_init(struct bpmp_policy *policy, const struct bpmp_ids *ids);

/* Returns 0 (also when the clock is visible already) or -ENOSPC. */
int bpmp_policy_add_ancestor(struct bpmp_policy *policy, uint32_t id);

/* What a clock that the guest sees is called, for the log. */
void bpmp_policy_name_clock(
	struct bpmp_policy *policy, uint32_t id, const char name[BPMP_NAME_SIZE]);

/* NULL for a foreign clock. */
const struct bpmp_clock *bpmp_policy_clock(const struct bpmp_policy *policy, uint32_t id);

/* True when the call is about a clock, reset or power domain that the guest sees. */
bool bpmp_policy_sees(const struct bpmp_policy *policy, const struct bpmp_call *call);

/*
 * Decides about one request. `to_host` is rebuilt from what was understood, never the guest's
 * own bytes. Refusals are counted, and logged once per kind.
 */
enum bpmp_verdict bpmp_policy_decide(struct bpmp_policy *policy, const struct bpmp_request *request,
	struct bpmp_request *to_host, struct bpmp_response *response);

/*
 * Follows the host's answer to `to_host` and makes it fit for the guest: exact size, no foreign
 * ids, names that end.
 */
void bpmp_policy_finish(struct bpmp_policy *policy, const struct bpmp_request *to_host,
	struct bpmp_response *response);

/* "CLK SET_RATE of clock 102 (pllp_out0)", for the log. Returns `text`. */
#define BPMP_CALL_TEXT_SIZE 112
const char *bpmp_policy_call_text(const struct bpmp_policy *policy, const struct bpmp_call *call,
	char text[BPMP_CALL_TEXT_SIZE]);

/* A new guest: its history is empty. Ancestors that are held stay held. */
void bpmp_policy_reset(struct bpmp_policy *policy);

#endif
