/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What machine and BPMP worker say to each other: one struct a packet on a SOCK_SEQPACKET pair.
 * The machine asks, the worker answers with the same sequence number; rings of the doorbells go
 * through eventfds instead.
 */
#ifndef DEVICES_BPMP_WORKER_PROTOCOL_H
#define DEVICES_BPMP_WORKER_PROTOCOL_H

#include "devices/bpmp/ids.h"
#include "devices/bpmp/policy.h"
#include "devices/bpmp/statistics.h"

#include <stdint.h>

/* The worker's descriptors, counted from WORKER_FIRST_FD; what its face needs follows. */
enum bpmp_worker_fd {
	BPMP_FD_HOST,	  /* the host's node */
	BPMP_FD_JOURNAL,  /* what is to be put back: devices/bpmp/journal.h */
	BPMP_FD_LIFELINE, /* never used: the guard has the other end, and sees it close */
	BPMP_FD_FACE
};

enum bpmp_mailbox_fd {
	BPMP_MAILBOX_FD_SHARED = BPMP_FD_FACE, /* memfd: the two areas, guest to BPMP first */
	BPMP_MAILBOX_FD_DOORBELL,	       /* eventfd: the guest rang */
	BPMP_MAILBOX_FD_ANSWER,		       /* eventfd: the BPMP rings */
	BPMP_MAILBOX_FD_AUDIT		       /* last, as not every VM has such a file */
};

/* The proxy face's worker has nothing in common with the guest. */
enum bpmp_proxy_fd {
	BPMP_PROXY_FD_REQUESTS =
		BPMP_FD_FACE, /* SOCK_SEQPACKET: struct bpmp_window_request, and answers */
	BPMP_PROXY_FD_AUDIT   /* as above */
};

/* Bytes of the memfd; a whole page of any host. */
#define BPMP_SHARED_SIZE 0x10000u

enum bpmp_message_type {
	BPMP_MESSAGE_CONFIGURE = 1, /* machine: ids; answered by READY */
	BPMP_MESSAGE_READY,	    /* worker: result, and the clocks that the guest sees */
	BPMP_MESSAGE_GUEST_STARTS,  /* machine; no answer */
	BPMP_MESSAGE_RESTORE,	    /* machine: no vCPU runs; answered by RESTORED */
	BPMP_MESSAGE_RESTORED,	    /* worker: all is put back and the areas are zero */
	BPMP_MESSAGE_STATISTICS,    /* machine; answered by COUNTED */
	BPMP_MESSAGE_COUNTED,	    /* worker: struct bpmp_counted_message */
};

struct bpmp_message {
	uint32_t type; /* enum bpmp_message_type */
	uint32_t sequence;
	int32_t result; /* READY: 0 or -errno. RESTORED: steps that failed */
	uint32_t log_level;
	struct bpmp_ids ids;  /* CONFIGURE */
	uint64_t audit_left;  /* CONFIGURE: bytes that the audit file may grow by; 0: no file */
	uint32_t clock_count; /* READY */
	struct {
		uint32_t id, owned;
	} clocks[BPMP_MAX_CLOCKS];
};

/* The one answer of a shape of its own. */
struct bpmp_counted_message {
	uint32_t type, sequence;
	struct bpmp_statistics statistics;
};

#endif
