/* SPDX-License-Identifier: Apache-2.0 */
/* A host's BPMP for tests: a few clocks, one request a line in the trace, faults on demand. */
#ifndef TESTS_UNIT_BPMP_MODEL_H
#define TESTS_UNIT_BPMP_MODEL_H

#include "devices/bpmp/host.h"
#include "devices/bpmp/ids.h"

#include <stdbool.h>
#include <stdint.h>

#define MODEL_CLOCKS  16
#define MODEL_DOMAINS 2

struct model_clock {
	const char *name; /* "": a hole */
	int64_t rate;
	uint32_t id;
	uint32_t flags;
	uint32_t parent;
	int enables;
	uint32_t parents[4]; /* ends with 0 */
};

struct model_domain {
	uint32_t id, state;
};

struct bpmp_model {
	struct bpmp_host host;
	struct model_clock clocks[MODEL_CLOCKS]; /* ends with a NULL name */
	struct model_domain domains[MODEL_DOMAINS];
	bool counts; /* ENABLEs are counted; otherwise the last word holds */
	bool quiet;  /* reads leave no trace */
	/* Matched against command and id of MRQ_CLK, RESET, PG; `fault_mrq` 0: none. */
	_Atomic uint32_t fault_mrq, fault_command;
	_Atomic int fault_errno;     /* transfer() fails, the request has not been carried out */
	_Atomic int fault_firmware;  /* the firmware answers this */
	_Atomic uint32_t fault_size; /* the answer is that short */
};

/*
 * 155 uarta: mux and divider over 319, 102 and 14, found on; 319 pll_a on 91; 102 pllp_out0 on
 * 91; 91 osc, the root; 14 clk_m on 91; 100 another's, on 102. Domains 35 (off) and 3 (on).
 */
void model_init(struct bpmp_model *model);

struct model_clock *model_clock(struct bpmp_model *model, uint32_t id);

/* Clocks 155 and 102, reset 100, domain 35: what a UART's node names. */
struct bpmp_ids model_ids(void);

/* `request` with its payload replaced by `size` bytes of `data`. */
struct bpmp_request model_request(uint32_t mrq, const void *data, uint32_t size);

#endif
