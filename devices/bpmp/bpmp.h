/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's BPMP. The machine holds the register files that the guest touches (HSP doorbell,
 * IVC shared memory, chip id; or the window of patched guests); a jailed worker parses the requests
 * and talks to the host's BPMP.
 */
#ifndef DEVICES_BPMP_BPMP_H
#define DEVICES_BPMP_BPMP_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Where the proxy face's window is: for guests since QEMU 10, which put something else where those
 * before have it, 0x090c0000. Any multiple of the largest page of a host will do.
 */
#define BPMP_WINDOW_BASE      0x090d0000ull
#define BPMP_WINDOW_ALIGNMENT 0x10000ull

struct bpmp_ids;
struct device;
struct machine;

struct bpmp_options {
	const char *host;  /* the host's node: /dev/bpmp-host */
	const char *audit; /* the file that records every request; NULL: none */
	bool trap;	   /* every access of the guest exits, whatever the machine does */
	uint64_t base;	   /* of the proxy face's window, guest-physical */
	const char *name;  /* the VM's: its journal is named after it */
};

/*
 * The mailbox face. Starts the worker with the VM's ids; it asks the host for the clocks' ancestors
 * and for the state to come back to. Takes machine->bpmp_phandle for its node. Returns 0 with
 * *device, or -errno with a line logged that names cause and remedy.
 */
int bpmp_create(struct machine *machine, const struct bpmp_options *options,
	const struct bpmp_ids *ids, struct device **device);

/* The same with the proxy face. */
int bpmp_proxy_create(struct machine *machine, const struct bpmp_options *options,
	const struct bpmp_ids *ids, struct device **device);

/*
 * Whether a BPMP could be had: the host's node, which is opened and closed again, the VM's journal
 * and the audit file. Asks the host nothing. Returns 0, or -errno with a line logged for each
 * cause.
 */
int bpmp_check(const struct bpmp_options *options);

/* The workers' mains, one for each face; they return the exit status. */
int bpmp_worker_main(int argc, char **argv);
int bpmp_proxy_worker_main(int argc, char **argv);
int bpmp_guard_main(int argc, char **argv);

/*
 * Puts back what a VM of this name left changed, if anything: `bpmp-vmm restore NAME`. Returns 0
 * (also when there was nothing), or -errno (logged with the remedy).
 */
int bpmp_restore_vm(const char *name);

#endif
