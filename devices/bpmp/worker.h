/* SPDX-License-Identifier: Apache-2.0 */
/* The BPMP worker without its process: what bpmp_worker_main() runs inside the jail. */
#ifndef DEVICES_BPMP_WORKER_H
#define DEVICES_BPMP_WORKER_H

#include "devices/bpmp/ivc.h"
#include "devices/bpmp/journal.h"
#include "devices/bpmp/server.h"

struct bpmp_host;

struct bpmp_worker {
	int socket;		 /* to the machine, SOCK_SEQPACKET */
	int doorbell, answer;	 /* eventfds, non-blocking */
	unsigned char *shared;	 /* both areas, one behind the other; NULL: the proxy face, */
	int requests;		 /* which has this instead of the four: a socket, SOCK_SEQPACKET */
	struct bpmp_audit audit; /* its descriptor: used where the machine says so */
	struct bpmp_host *host;	 /* whom the guest's requests go to */
	int journal_fd;		 /* -1: no journal is kept */
	struct bpmp_journal journal;
	struct bpmp_ivc ivc;
	struct bpmp_server server;
};

/*
 * Serves the guest until the machine closes the socket, then puts back what the guest changed.
 * Returns the process's exit status.
 */
int bpmp_worker_serve(struct bpmp_worker *worker);

#endif
