/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's end of the BPMP worker: start, guest start, guest reset, death. */
#ifndef DEVICES_BPMP_SUPERVISOR_H
#define DEVICES_BPMP_SUPERVISOR_H

#include "devices/bpmp/ids.h"
#include "devices/bpmp/keeper.h"
#include "devices/bpmp/worker_protocol.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpmp_options;
struct machine;

/* Longer than a working host ever takes, shorter than a user's patience. */
#define BPMP_DEADLINE_MS 10000

struct bpmp_supervisor {
	struct machine *machine;
	struct worker worker;
	struct event_source ended; /* the worker's process */
	struct bpmp_keeper keeper; /* journal and guard, for when the worker is gone */
	int deadline_ms;	   /* for each answer */
	uint64_t audit_left;	   /* bytes that the audit file may grow by; 0: none */
	uint32_t sequence;
	uint32_t statistics_asked; /* the question whose answer may still come; 0: none */
	bool lost; /* the worker died or does not answer: nothing is asked of it any more */
};

/* What the two faces of the BPMP differ in. */
struct bpmp_face {
	const char *kind; /* of worker */
	const int *fds;	  /* from BPMP_FD_FACE on: the caller's, and open here afterwards */
	size_t fd_count;
};

void bpmp_supervisor_init(struct bpmp_supervisor *supervisor, struct machine *machine);

/*
 * Opens what the worker needs besides (host's node, journal, audit file), starts guard and worker,
 * and has the worker ask the host for what `ids` need. Returns 0, or -errno with a line logged;
 * bpmp_supervisor_stop() is due either way.
 */
int bpmp_supervisor_start(struct bpmp_supervisor *supervisor, const struct bpmp_face *face,
	const struct bpmp_options *options, const struct bpmp_ids *ids);

/* The rest of the start, for a worker that runs: tells it the ids and waits for it. */
int bpmp_supervisor_configure(struct bpmp_supervisor *supervisor, const struct bpmp_ids *ids);

/* Returns 0 or -EPIPE (logged). */
int bpmp_supervisor_guest_starts(struct bpmp_supervisor *supervisor);

/*
 * Has the worker put back what the guest changed, and zero the shared memory; if it is gone, the
 * guard. Waits for it.
 * Returns 0, or -EPIPE or -ETIMEDOUT: then the VM cannot go on (logged; the machine is told to
 * end).
 */
int bpmp_supervisor_restore(struct bpmp_supervisor *supervisor);

/*
 * What the guest asked so far. Waits for half a second at most, as a worker that waits for the
 * host's BPMP cannot answer: then -ETIMEDOUT, nothing is logged, the VM goes on and the caller may
 * ask again later. -EPIPE: the worker is gone, or went wrong (logged; the machine is told to end).
 */
int bpmp_supervisor_statistics(
	struct bpmp_supervisor *supervisor, struct bpmp_statistics *statistics);

/*
 * Ends worker and guard. One that hangs in the host's BPMP is left alone: it cannot be killed
 * there, and it will put things back when the host answers.
 */
void bpmp_supervisor_stop(struct bpmp_supervisor *supervisor);

#endif
