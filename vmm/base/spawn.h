/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all processes that the machine starts have in common: they get the descriptors that they
 * need and no others, ignore what is sent to the whole group, and end with the machine if asked.
 */
#ifndef VMM_BASE_SPAWN_H
#define VMM_BASE_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* In the child: the first of the given descriptors. */
#define SPAWN_FIRST_FD 3
#define SPAWN_MAX_FDS  9

struct spawn {
	const int *fds; /* fds[i] becomes SPAWN_FIRST_FD + i; they stay the caller's */
	size_t fd_count;
	int kept_fd;	      /* open in the child until it executes something; -1: none */
	bool die_with_parent; /* killed by the kernel when the thread that starts it ends */
	/*
	 * Executes; to return is to fail. In the child, between fork and exec: async-signal-safe
	 * calls only. `kept_fd` has another number now.
	 */
	void (*become)(const void *argument, int kept_fd);
	const void *argument;
};

/*
 * Starts a child and opens a descriptor that is readable when it has ended. Returns 0 or -errno
 * (not logged), with -1 in both.
 */
int spawn_child(const struct spawn *spawn, pid_t *pid, int *pid_fd);

#endif
