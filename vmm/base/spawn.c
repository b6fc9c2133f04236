/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/spawn.h"

#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The number of the descriptor that is kept until exec: behind all that are given. */
#define KEPT_FD (SPAWN_FIRST_FD + SPAWN_MAX_FDS)

/*
 * The descriptors' final numbers may be taken by others of them, so all move above the range
 * first. Returns 0 or -1.
 */
static int place_descriptors(const int *fds, size_t fd_count)
{
	int high[SPAWN_MAX_FDS];

	for (size_t i = 0; i < fd_count; i++) {
		high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, KEPT_FD);
		if (high[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < fd_count; i++)
		if (dup2(high[i], SPAWN_FIRST_FD + (int)i) < 0)
			return -1;
	return 0;
}

/*
 * No standard input or output, and of a terminal on standard error, which is the log's, no more
 * than writing. What somebody else has open there keeps its place in the file: it is not opened
 * anew.
 */
static int part_from_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), error_output;

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		return -1;
	if (!isatty(STDERR_FILENO))
		return 0;
	error_output = open("/proc/self/fd/2", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	return error_output < 0 || dup2(error_output, STDERR_FILENO) >= 0 ? 0 : -1;
}

/* In the child: async-signal-safe calls only. */
static void become_child(const struct spawn *spawn, pid_t parent)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	const unsigned int end = SPAWN_FIRST_FD + (unsigned int)spawn->fd_count;
	int kept = spawn->kept_fd;
	sigset_t none;

	if (spawn->die_with_parent) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1); /* it ended before the line above */
	}
	/* Signals to the whole group (Ctrl-C, a service's stop) are the machine's to answer. */
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (kept >= 0) {
		kept = fcntl(kept, F_DUPFD_CLOEXEC, KEPT_FD);
		if (kept < 0)
			_exit(1);
	}
	if (place_descriptors(spawn->fds, spawn->fd_count) < 0 ||
		(kept >= 0 && kept != KEPT_FD && dup3(kept, KEPT_FD, O_CLOEXEC) < 0) ||
		part_from_terminal() < 0 ||
		(end < KEPT_FD && close_range(end, KEPT_FD - 1, 0) < 0) ||
		close_range(kept >= 0 ? KEPT_FD + 1 : KEPT_FD, ~0u, 0) < 0)
		_exit(1);
	spawn->become(spawn->argument, kept >= 0 ? KEPT_FD : -1);
	_exit(1);
}

int spawn_child(const struct spawn *spawn, pid_t *pid, int *pid_fd)
{
	pid_t parent = getpid();
	int error;

	*pid_fd = -1;
	*pid = -1;
	if (spawn->fd_count > SPAWN_MAX_FDS)
		return -EINVAL;
	*pid = fork();
	if (*pid == 0)
		become_child(spawn, parent);
	if (*pid < 0)
		return -errno;
	*pid_fd = (int)syscall(SYS_pidfd_open, *pid, 0);
	if (*pid_fd >= 0)
		return 0;
	error = -errno;
	kill(*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = -1;
	return error;
}
