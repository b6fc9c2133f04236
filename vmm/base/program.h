/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are not ours and serve a device of the machine's: started before it locks itself
 * in, ended with it. They get no terminal, no environment, the given descriptors and the machine's
 * standard error, on which they name themselves.
 */
#ifndef VMM_BASE_PROGRAM_H
#define VMM_BASE_PROGRAM_H

#include <stdint.h>

#include "vmm/base/worker.h"

struct sock_fprog;

struct program {
	const char *name;    /* a file of $PATH */
	const char *package; /* Debian's that has it, for the log */
	char **arguments;    /* argv, ending in NULL */
	const int *fds;	     /* fds[i] becomes SPAWN_FIRST_FD + i in it; they stay the caller's */
	size_t fd_count;
	int rules;			 /* a Landlock ruleset (seccomp/landlock.h); -1: none */
	const struct sock_fprog *filter; /* (seccomp/program_filter.h); NULL: none */
	int stop_signal;
	uint32_t capabilities; /* 1 << CAP_...: it keeps these of root's, if the machine is root */
};

/* Whether it is installed. Returns 0 or -ENOENT (logged, with the package that has it). */
int program_check(const char *name, const char *package);

/*
 * Starts the program: in a session of its own, so that no terminal's signal reaches it, deaf to
 * SIGTERM, SIGHUP and SIGQUIT, killed by the kernel when the machine ends (but for one that becomes
 * another user, which its socket's end must do for). Unless the sandbox is
 * off it has no capabilities but those that are named, and cannot get new privileges; rules and
 * filter bind it. `socket`, or -1, is the machine's end of its socket, which `worker` takes
 * over.
 * Returns 0; -ENOENT where it is not installed; or -errno (all logged). The socket is closed then.
 */
int program_start(struct worker *worker, const struct program *program, int socket);

#endif
