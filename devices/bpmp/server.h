/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPMP as one guest has it: policy, host, and the way back, put together. It knows nothing of
 * how requests arrive; the mailbox is one way, the window of patched guests another.
 */
#ifndef DEVICES_BPMP_SERVER_H
#define DEVICES_BPMP_SERVER_H

#include "devices/bpmp/audit.h"
#include "devices/bpmp/policy.h"
#include "devices/bpmp/statistics.h"
#include "devices/bpmp/undo.h"

#include <stdbool.h>

struct bpmp_host;
struct bpmp_journal;

struct bpmp_server {
	struct bpmp_host *host; /* the caller's */
	struct bpmp_policy policy;
	struct bpmp_undo undo;
	struct bpmp_statistics statistics;
	struct bpmp_audit *audit;     /* the caller's; NULL: nothing is recorded */
	struct bpmp_journal *journal; /* NULL: none is kept */
	bool guest_ran;		      /* since everything was last put back: for the log */
};

/* Asks the host for ancestors and snapshot. Returns 0 or -errno (logged). */
int bpmp_server_start(
	struct bpmp_server *server, struct bpmp_host *host, const struct bpmp_ids *ids);

/* From now on all that the guest asks goes to `audit`, which stays the caller's. */
void bpmp_server_record(struct bpmp_server *server, struct bpmp_audit *audit);

/*
 * From now on, what is to be put back is in the journal before a request goes out. Returns 0 or
 * -errno (logged).
 */
int bpmp_server_keep_journal(struct bpmp_server *server, struct bpmp_journal *journal);

/* The guest runs from now on: what it does to its devices must be undone some time. */
void bpmp_server_guest_starts(struct bpmp_server *server);

/*
 * Serves one request. May block as long as the host does. False when this VM's policy refused it
 * or the host's driver did not carry it out, rather than the firmware, or we in its place.
 */
bool bpmp_server_serve(struct bpmp_server *server, const struct bpmp_request *request,
	struct bpmp_response *response);

/*
 * The guest is gone: puts back what it changed and forgets its history. Returns the number of
 * steps that failed (each logged); they are tried again at the next call.
 */
unsigned int bpmp_server_restore(struct bpmp_server *server);

/* The same where no guest comes after this one: owned resets that it used end asserted. */
unsigned int bpmp_server_end(struct bpmp_server *server);

#endif
