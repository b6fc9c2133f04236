/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail: what a process of the VM gives up before it follows anything that the guest says.
 * Layers only ever add up; a mandatory one that cannot be had is an error.
 */
#ifndef SECCOMP_JAIL_H
#define SECCOMP_JAIL_H

/* Where a worker may write to the BPMP's journal; devices/bpmp/journal.h has the file's layout. */
#define JAIL_JOURNAL_EVEN 0x1000
#define JAIL_JOURNAL_ODD  0x2000

/* A disk's image in its worker: a descriptor in which it may make holes. */
#define JAIL_IMAGE_FD	  4

/* Whose system calls: one allow-list each, everything else kills the process (SIGSYS). */
enum jail_role {
	JAIL_CONSOLE,	  /* worker */
	JAIL_BPMP,	  /* worker */
	JAIL_RNG,	  /* worker */
	JAIL_BALLOON,	  /* worker */
	JAIL_BLOCK,	  /* worker: a disk's loop */
	JAIL_BLOCK_IO,	  /* worker: a thread that waits for the disk's I/O */
	JAIL_GUARD,	  /* worker: puts back what the BPMP worker left */
	JAIL_NET,	  /* worker */
	JAIL_NET_CONTROL, /* worker: the control queue, where the kernel serves the others */
	JAIL_SERIAL,	  /* worker */
	JAIL_UNPACK,	  /* worker: a compressed kernel */
	JAIL_VCPU,	  /* machine: a vCPU thread */
	JAIL_EVENT_LOOP,  /* machine: the main thread */
	JAIL_ROLES
};

/* What is left of the file system to a process. */
#define JAIL_MAX_FILES 4
struct jail_files {
	/* Paths of files that it has made and removes at its end, sockets for example. Where
	 * Landlock is, any file of their directories can be removed. NULL: none */
	const char *removable[JAIL_MAX_FILES];
};

/*
 * For a worker, called by its main before it accepts work: closes every descriptor from
 * `first_unused_fd` up, then resource limits, all capabilities dropped and locked, no new
 * privileges, not dumpable, no files by Landlock where the kernel has it, and the filter of `role`.
 * Logs one line naming the layers that are on.
 * Returns 0 or -errno (logged); the worker must not go on after an error.
 */
int jail_enter_worker(enum jail_role role, int first_unused_fd);

/*
 * For a worker with threads of its own, which are started between this and jail_enter_worker():
 * gives up what threads inherit. Returns 0 or -errno (logged).
 */
int jail_prepare_worker_threads(void);

/* Each such thread calls it first: the filter of `role` for it alone. Returns 0 or -errno (logged).
 */
int jail_enter_worker_thread(enum jail_role role);

/*
 * jail_enter_worker() without closing descriptors and without the filter, for the machine, on its
 * main thread before any vCPU thread exists.
 */
int jail_lock_machine(const struct jail_files *files);

/* The filter of `role` for the calling thread alone. Returns 0 or -errno (logged). */
int jail_filter_thread(enum jail_role role);

#endif
