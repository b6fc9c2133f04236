/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard without its process: what bpmp_guard_main() runs inside the jail. It has the journal
 * and a descriptor of the host's BPMP of its own, and nothing of the guest's reaches it.
 *
 * Who puts things back: the BPMP worker as long as it lives, whatever becomes of the machine; the
 * guard when the worker is gone and the machine has closed its socket, which it does when no vCPU
 * runs, or by dying; and when nobody of the VM is left, the next start or `bpmp-vmm restore`. The
 * journal's lock is held by all of them, so that the last ones cannot be early.
 */
#ifndef DEVICES_BPMP_GUARD_H
#define DEVICES_BPMP_GUARD_H

struct bpmp_host;

/* The guard's descriptors, counted from WORKER_FIRST_FD. */
enum bpmp_guard_fd {
	BPMP_GUARD_FD_HOST,
	BPMP_GUARD_FD_JOURNAL,
	BPMP_GUARD_FD_LIFELINE, /* closes when the BPMP worker is gone */
	BPMP_GUARD_FD_COUNT
};

struct bpmp_guard {
	int machine, lifeline, journal;
	struct bpmp_host *host;
};

/*
 * Sends the machine one byte: it is ready. Then waits for the ends of machine and worker, puts
 * back what the journal says, and returns the process's exit status: failure where anything
 * remains to be put back.
 */
int bpmp_guard_serve(struct bpmp_guard *guard);

#endif
