/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often the guest asked its BPMP, about what, and how long the answers took. Kept by the
 * worker, handed to the machine on demand: bpmp_supervisor_statistics().
 *
 * One row for each MRQ and id. The guest cannot fill the table: ids that it does not see share
 * one row of their MRQ, and so do numbers that are no MRQ.
 */
#ifndef DEVICES_BPMP_STATISTICS_H
#define DEVICES_BPMP_STATISTICS_H

#include "devices/bpmp/ids.h"
#include "devices/bpmp/policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* MRQs have numbers up to 95 (bpmp-abi.h, Linux 7.2); what is beyond is counted as one. */
#define BPMP_STATISTICS_MRQS  128

/* As an id: none that the guest sees, or no id at all. As an MRQ: no such number. */
#define BPMP_STATISTICS_OTHER UINT32_MAX

/* Each id that the guest may see, each MRQ without one, and all other numbers together. */
#define BPMP_STATISTICS_ROWS  (BPMP_MAX_CLOCKS + 2 * BPMP_MAX_IDS + BPMP_STATISTICS_MRQS + 1)

struct bpmp_statistics_row {
	uint32_t mrq;	   /* enum bpmp_mrq, or BPMP_STATISTICS_OTHER */
	uint32_t id;	   /* a clock, reset or power domain, or BPMP_STATISTICS_OTHER */
	uint64_t requests; /* of the guest's, whatever became of them */
	uint64_t refused;  /* by this VM's policy */
	uint64_t failed;   /* by the host's BPMP or on the way to it */
	uint64_t total_ns; /* from the request's arrival to its answer */
	uint64_t max_ns;
	char name[BPMP_NAME_SIZE]; /* of a clock, as the host's BPMP calls it; else empty */
};

/* Since the VM was started: guest resets do not clear it. Rows in order of first use. */
struct bpmp_statistics {
	uint32_t row_count;
	uint32_t clock_count; /* clocks that the guest sees, ancestors included */
	struct bpmp_statistics_row rows[BPMP_STATISTICS_ROWS];
};

enum bpmp_outcome_kind { BPMP_WAS_SERVED, BPMP_WAS_REFUSED, BPMP_HAS_FAILED };

/* Counts one request; `id` is BPMP_STATISTICS_OTHER where the guest sees no such id. */
void bpmp_statistics_count(struct bpmp_statistics *statistics, uint32_t mrq, uint32_t id,
	enum bpmp_outcome_kind outcome, uint64_t took_ns);

#endif
