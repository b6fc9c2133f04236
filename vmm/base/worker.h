/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker is this same executable, started afresh (fork, then execveat of its own descriptor) as
 * `bpmp-vmm worker KIND LOG-LEVEL`, with a socket to the machine and the descriptors that it needs,
 * and no others. The machine starts workers before it locks itself in.
 */
#ifndef VMM_BASE_WORKER_H
#define VMM_BASE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "vmm/base/spawn.h"

/* In the worker: its end of the socket pair, and the first of the given descriptors. */
#define WORKER_SOCKET		 SPAWN_FIRST_FD
#define WORKER_FIRST_FD		 (SPAWN_FIRST_FD + 1)
#define WORKER_MAX_FDS		 (SPAWN_MAX_FDS - 1)

/* The one variable of its environment: --sandbox off. The machine sets or clears it for itself. */
#define WORKER_UNJAILED_VARIABLE "BPMP_VMM_UNJAILED"

struct worker {
	const char *kind;
	pid_t pid;
	int pid_fd; /* readable when the worker has ended; -1: not started */
	int socket; /* the machine's end, SOCK_STREAM or SOCK_SEQPACKET, blocking */
	/* Of a program that is not ours (program.h), which ends at this signal and not with its
	 * socket, and may close that before it ends. 0: a worker */
	int stop_signal;
};

/*
 * Starts a worker. `socket_type` is SOCK_STREAM or SOCK_SEQPACKET. fds[i] becomes
 * WORKER_FIRST_FD + i in the worker and stays open here, where it is the caller's.
 * With `die_with_machine` the kernel kills the worker when the machine ends; without it the
 * worker must end by itself when its socket does.
 * Returns 0 or -errno (logged).
 */
int worker_start(struct worker *worker, const char *kind, int socket_type, const int *fds,
	size_t fd_count, bool die_with_machine);

/* The same over SOCK_STREAM, with the `size` bytes at `first` as what the worker reads first. */
int worker_start_with(struct worker *worker, const char *kind, const int *fds, size_t fd_count,
	bool die_with_machine, const void *first, size_t size);

/*
 * Closes the socket, which asks the worker to end (a program by its signal), waits up to `grace_ms`
 * and kills it if it is still there. Does nothing for a worker that was never started or has been
 * stopped.
 */
void worker_stop(struct worker *worker, int grace_ms);

/* Waits up to `grace_ms` for its end; false when it is still there. It is not reaped. */
bool worker_has_ended(const struct worker *worker, int grace_ms);

/*
 * Reaps a worker that ended by itself and writes a line that names how ("killed by signal 31
 * (SIGSYS): a system call was denied") into `reason`.
 */
void worker_reap(struct worker *worker, char *reason, size_t size);

#endif
