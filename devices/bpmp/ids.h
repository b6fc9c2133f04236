/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a VM has at the BPMP: the ids that its assigned devices' own nodes name and options add, and
 * the kinds of requests that an option opens.
 */
#ifndef DEVICES_BPMP_IDS_H
#define DEVICES_BPMP_IDS_H

#include <stddef.h>
#include <stdint.h>

#define BPMP_MAX_IDS 64

struct bpmp_id_set {
	size_t count;
	uint32_t ids[BPMP_MAX_IDS]; /* ascending, each once */
};

struct bpmp_ids {
	struct bpmp_id_set clocks, resets, power_domains;
	uint32_t mrqs; /* a set of rows of devices/bpmp/opened.c */
};

/* Adds `id` if it is not there. Returns 0 or -ENOSPC. */
int bpmp_id_set_add(struct bpmp_id_set *set, uint32_t id);
_Bool bpmp_id_set_has(const struct bpmp_id_set *set, uint32_t id);

#endif
