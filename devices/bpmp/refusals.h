/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guest asked for and did not get: counted per kind, logged once per kind, so that a
 * guest can neither hide a refusal nor fill the log with it.
 */
#ifndef DEVICES_BPMP_REFUSALS_H
#define DEVICES_BPMP_REFUSALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPMP_REFUSAL_KINDS 64

struct bpmp_refusal {
	bool by_host; /* the host's BPMP or its proxy said no, not this VM's policy */
	uint32_t mrq;
	uint32_t command; /* 0 for an MRQ without commands */
	uint32_t id;	  /* 0 for a command without one */
	int error;	  /* enum bpmp_error; by_host: an errno, or what the firmware said */
	uint64_t count;
};

struct bpmp_refusals {
	size_t kind_count;
	struct bpmp_refusal kinds[BPMP_REFUSAL_KINDS];
	uint64_t unlisted; /* refusals of kinds for which the table had no room */
};

/* Counts one refusal. Returns true when it is the first of its kind and should be logged. */
bool bpmp_refusals_count(struct bpmp_refusals *refusals, bool by_host, uint32_t mrq,
	uint32_t command, uint32_t id, int error);

/* All refusals so far. */
uint64_t bpmp_refusals_total(const struct bpmp_refusals *refusals);

#endif
