/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/worker.h"

#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The descriptors' final numbers may be taken by others of them, so all move above the range
 * first. Returns 0 or -1.
 */
static int place_descriptors(int socket, const int *fds, size_t fd_count)
{
	int high[1 + WORKER_MAX_FDS];
	const int above = WORKER_FIRST_FD + WORKER_MAX_FDS;

	high[0] = fcntl(socket, F_DUPFD, above);
	if (high[0] < 0)
		return -1;
	for (size_t i = 0; i < fd_count; i++) {
		high[i + 1] = fcntl(fds[i], F_DUPFD, above);
		if (high[i + 1] < 0)
			return -1;
	}
	for (size_t i = 0; i <= fd_count; i++)
		if (dup2(high[i], WORKER_SOCKET + (int)i) < 0)
			return -1;
	return 0;
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static void become_worker(const char *kind, int self, int socket, const int *fds, size_t fd_count,
	bool die_with_machine, pid_t machine)
{
	char name[] = "bpmp-vmm", verb[] = "worker", kind_copy[32] = "", empty[] = "";
	char log[] = { (char)('0' + log_get_level()), (char)('0' + log_get_format()), '\0' };
	char *arguments[] = { name, verb, kind_copy, log, NULL };
	char unjailed[] = WORKER_UNJAILED_VARIABLE "=1";
	char *environment[] = { getenv(WORKER_UNJAILED_VARIABLE) ? unjailed : NULL, NULL };
	const int own = WORKER_FIRST_FD + WORKER_MAX_FDS; /* this executable, until exec */
	const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	sigset_t none;

	for (size_t i = 0; kind[i] && i + 1 < sizeof(kind_copy); i++)
		kind_copy[i] = kind[i];
	if (die_with_machine) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != machine)
			_exit(1); /* it ended before the line above */
	}
	/* Signals to the whole group (Ctrl-C, a service's stop) are the machine's to answer. */
	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	self = fcntl(self, F_DUPFD_CLOEXEC, own);
	if (self < 0 || place_descriptors(socket, fds, fd_count) < 0 ||
		(self != own && dup3(self, own, O_CLOEXEC) < 0))
		_exit(1);
	close_range(WORKER_FIRST_FD + (unsigned int)fd_count, own - 1, 0);
	close_range(own + 1, ~0u, 0);
	syscall(SYS_execveat, own, empty, arguments, environment, AT_EMPTY_PATH);
	_exit(1);
}

int worker_start(struct worker *worker, const char *kind, int socket_type, const int *fds,
	size_t fd_count, bool die_with_machine)
{
	int pair[2] = { -1, -1 }, self, error;
	pid_t machine = getpid();

	worker->kind = kind;
	worker->pid = -1;
	worker->pid_fd = -1;
	worker->socket = -1;
	if (fd_count > WORKER_MAX_FDS)
		return -EINVAL;
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self < 0 || socketpair(AF_UNIX, socket_type | SOCK_CLOEXEC, 0, pair) < 0) {
		error = -errno;
		goto fail;
	}
	worker->pid = fork();
	if (worker->pid == 0)
		become_worker(kind, self, pair[1], fds, fd_count, die_with_machine, machine);
	if (worker->pid < 0) {
		error = -errno;
		goto fail;
	}
	worker->pid_fd = (int)syscall(SYS_pidfd_open, worker->pid, 0);
	if (worker->pid_fd < 0) {
		error = -errno;
		kill(worker->pid, SIGKILL);
		waitpid(worker->pid, NULL, 0);
		goto fail;
	}
	close(pair[1]);
	close(self);
	worker->socket = pair[0];
	return 0;

fail:
	log_error("cannot start the %s worker: %s", kind, strerror(-error));
	close_fd(&pair[0]);
	close_fd(&pair[1]);
	close_fd(&self);
	worker->pid = -1;
	return error;
}

/* False when it is still there after `grace_ms`; a signal to this process starts them anew. */
static bool wait_for_end(const struct worker *worker, int grace_ms)
{
	struct pollfd ended = { .fd = worker->pid_fd, .events = POLLIN };
	int n;

	do {
		n = poll(&ended, 1, grace_ms);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

void worker_stop(struct worker *worker, int grace_ms)
{
	close_fd(&worker->socket);
	if (worker->pid_fd < 0)
		return;
	if (!wait_for_end(worker, grace_ms)) {
		log_warning("the %s worker does not end; killing it", worker->kind);
		syscall(SYS_pidfd_send_signal, worker->pid_fd, SIGKILL, NULL, 0);
		/* A worker inside an uninterruptible host call dies when that returns. */
		wait_for_end(worker, 1000);
	}
	waitpid(worker->pid, NULL, WNOHANG);
	close_fd(&worker->pid_fd);
	worker->pid = -1;
}

void worker_reap(struct worker *worker, char *reason, size_t size)
{
	int status = 0;

	if (worker->pid <= 0 || waitpid(worker->pid, &status, WNOHANG) != worker->pid)
		snprintf(reason, size, "its process is gone");
	else if (WIFSIGNALED(status))
		snprintf(reason, size, "killed by signal %d (SIG%s)%s", WTERMSIG(status),
			sigabbrev_np(WTERMSIG(status)),
			WTERMSIG(status) == SIGSYS ? ": a system call was denied" : "");
	else
		snprintf(reason, size, "ended with status %d", WEXITSTATUS(status));
	worker->pid = -1;
	close_fd(&worker->pid_fd);
	close_fd(&worker->socket);
}
