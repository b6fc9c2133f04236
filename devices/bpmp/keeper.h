/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's end of journal and guard: opens and locks the one, starts and watches the other.
 * On the event loop, or before it.
 */
#ifndef DEVICES_BPMP_KEEPER_H
#define DEVICES_BPMP_KEEPER_H

#include "devices/bpmp/journal_file.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/worker.h"

struct machine;

struct bpmp_keeper {
	struct machine *machine;
	struct worker guard;
	struct event_source ended; /* the guard's process */
	struct bpmp_journal_file journal;
	int lifeline; /* the BPMP worker's end: to be closed here once it is started */
};

void bpmp_keeper_init(struct bpmp_keeper *keeper, struct machine *machine);

/*
 * Opens the journal of VM `name`, puts back what an earlier VM of that name left changed, and
 * starts the guard, which must be there before the BPMP worker. `host` is the path of the host's
 * BPMP node. Returns 0 or -errno, logged with the remedy; bpmp_keeper_stop() is due either way.
 */
int bpmp_keeper_start(struct bpmp_keeper *keeper, const char *name, const char *host);

/* The BPMP worker is gone and no vCPU runs: has the guard put things back, and waits for it. */
void bpmp_keeper_restore(struct bpmp_keeper *keeper);

/*
 * The machine needs the guard no more. It ends when the BPMP worker has, and is waited for if that
 * is `worker_gone`; it is never killed, as it may be putting things back.
 */
void bpmp_keeper_stop(struct bpmp_keeper *keeper, bool worker_gone);

#endif
