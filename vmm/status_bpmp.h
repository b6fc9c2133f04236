/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a VM's status that its BPMP's worker knows. */
#ifndef VMM_STATUS_BPMP_H
#define VMM_STATUS_BPMP_H

struct bpmp_supervisor;
struct bpmp_statistics;
struct json_object;

/*
 * Asks the worker and waits for half a second at most; one that does not answer is said to be so:
 * {"error":"..."}. The caller's; NULL without memory. Event-loop thread only.
 */
struct json_object *status_describe_bpmp(struct bpmp_supervisor *supervisor);

/* Counts as JSON; any values, as they come from a worker that the guest may have taken over. */
struct json_object *status_describe_counts(const struct bpmp_statistics *statistics);

#endif
