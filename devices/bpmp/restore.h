/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries out the way back at the host's BPMP, step by step, with each step in the journal before
 * it goes out and off it when it is done. The BPMP worker does this, and after its death the guard.
 */
#ifndef DEVICES_BPMP_RESTORE_H
#define DEVICES_BPMP_RESTORE_H

#include "devices/bpmp/undo.h"

#include <stdbool.h>

struct bpmp_host;
struct bpmp_journal;

struct bpmp_restored {
	unsigned int steps, failed; /* each failed one is logged, and stays in `undo` */
};

/*
 * `end`: no guest of this VM comes after. `journal`: where `undo` is kept, NULL for nowhere. May
 * block as long as the host does, once: after a host that did not answer nothing more is asked.
 */
struct bpmp_restored bpmp_restore(
	struct bpmp_host *host, struct bpmp_undo *undo, bool end, struct bpmp_journal *journal);

/* Whether there is anything to put back. */
bool bpmp_restore_owed(const struct bpmp_undo *undo);

/* Names the ancestors that the guest had enabled, which stay so, if there are any. */
void bpmp_restore_log_kept(const struct bpmp_undo *undo);

#endif
