/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/worker.h"

#include "vmm/base/log.h"
#include "vmm/base/spawn.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Between fork and exec; `self` is this executable. */
static void become_worker(const void *argument, int self)
{
	const char *kind = argument;
	char name[] = "bpmp-vmm", verb[] = "worker", kind_copy[32] = "", empty[] = "";
	char log[] = { (char)('0' + log_get_level()), (char)('0' + log_get_format()), '\0' };
	char *arguments[] = { name, verb, kind_copy, log, NULL };
	char unjailed[] = WORKER_UNJAILED_VARIABLE "=1";
	char *environment[] = { getenv(WORKER_UNJAILED_VARIABLE) ? unjailed : NULL, NULL };

	for (size_t i = 0; kind[i] && i + 1 < sizeof(kind_copy); i++)
		kind_copy[i] = kind[i];
	syscall(SYS_execveat, self, empty, arguments, environment, AT_EMPTY_PATH);
}

int worker_start(struct worker *worker, const char *kind, int socket_type, const int *fds,
	size_t fd_count, bool die_with_machine)
{
	int pair[2] = { -1, -1 }, all[1 + WORKER_MAX_FDS], self, error;

	*worker = (struct worker){ .kind = kind, .pid = -1, .pid_fd = -1, .socket = -1 };
	if (fd_count > WORKER_MAX_FDS)
		return -EINVAL;
	self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (self < 0 || socketpair(AF_UNIX, socket_type | SOCK_CLOEXEC, 0, pair) < 0) {
		error = -errno;
	} else {
		all[0] = pair[1];
		for (size_t i = 0; i < fd_count; i++)
			all[1 + i] = fds[i];
		error = spawn_child(
			&(struct spawn){
				.fds = all,
				.fd_count = 1 + fd_count,
				.kept_fd = self,
				.die_with_parent = die_with_machine,
				.become = become_worker,
				.argument = kind,
			},
			&worker->pid, &worker->pid_fd);
	}
	close_fd(&pair[1]);
	close_fd(&self);
	if (error == 0) {
		worker->socket = pair[0];
		return 0;
	}
	log_error("cannot start the %s worker: %s", kind, strerror(-error));
	close_fd(&pair[0]);
	return error;
}

int worker_start_with(struct worker *worker, const char *kind, const int *fds, size_t fd_count,
	bool die_with_machine, const void *first, size_t size)
{
	int error = worker_start(worker, kind, SOCK_STREAM, fds, fd_count, die_with_machine);

	if (error != 0)
		return error;
	/* A record fits an empty socket's buffer: it goes whole or not at all. */
	if (send(worker->socket, first, size, MSG_NOSIGNAL) == (ssize_t)size)
		return 0;
	error = -errno;
	log_error("the %s worker ended at once: %s", kind, strerror(-error));
	worker_stop(worker, 0);
	return error;
}

/* A signal to this process starts the `grace_ms` anew. */
bool worker_has_ended(const struct worker *worker, int grace_ms)
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
	if (worker->stop_signal != 0)
		syscall(SYS_pidfd_send_signal, worker->pid_fd, worker->stop_signal, NULL, 0);
	if (!worker_has_ended(worker, grace_ms)) {
		log_warning("the %s%s does not end; killing it", worker->kind,
			worker->stop_signal == 0 ? " worker" : "");
		if (syscall(SYS_pidfd_send_signal, worker->pid_fd, SIGKILL, NULL, 0) != 0)
			log_error("%s (process %d) cannot be killed: %s; kill it", worker->kind,
				(int)worker->pid, strerror(errno));
		/* A worker inside an uninterruptible host call dies when that returns. */
		worker_has_ended(worker, 1000);
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
