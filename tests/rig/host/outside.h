/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front end that is not ours, with one of bpmp-vmm's own workers: started as the machine starts
 * it, jail included. As a worker hears from the machine first what it is to serve, messages are
 * passed on, both ways.
 */
#ifndef TESTS_RIG_HOST_OUTSIDE_H
#define TESTS_RIG_HOST_OUTSIDE_H

#include "devices/virtio/vhost_user.h"
#include "vmm/base/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void need(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(2);
}

/* Listens at `path` for one front end. */
static inline int outside_accept(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	unlink(path);
	need(bind(listener, (struct sockaddr *)&address, sizeof(address)) == 0, path);
	need(listen(listener, 1) == 0, path);
	fd = accept(listener, NULL, NULL);
	need(fd >= 0, path);
	close(listener);
	return fd;
}

/* As worker_start() does, with what the machine says first; *socket is then our end of it. */
static inline pid_t outside_start(
	const char *kind, int given, const void *first, size_t size, int *socket)
{
	char *const arguments[] = { (char *)"bpmp-vmm", (char *)"worker", (char *)kind,
		(char *)"20", NULL };
	char *const environment[] = { NULL };
	int pair[2], theirs;
	pid_t pid;

	need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
	pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0) {
		/* Out of the way of each other first. */
		theirs = fcntl(pair[1], F_DUPFD, 20);
		given = fcntl(given, F_DUPFD, 20);
		dup2(theirs, WORKER_SOCKET);
		dup2(given, WORKER_FIRST_FD);
		close_range(WORKER_FIRST_FD + 1, ~0U, 0);
		execve("/usr/bin/bpmp-vmm", arguments, environment);
		_exit(127);
	}
	close(pair[1]);
	*socket = pair[0];
	need(send(*socket, first, size, MSG_NOSIGNAL) == (ssize_t)size, kind);
	return pid;
}

/*
 * Passes on one message with its descriptors; 0 when that end is gone. Header and payload apart: a
 * longer read could join two messages, and give the first the descriptors of the second.
 */
static inline int outside_pass_on(int from, int to)
{
	union {
		char bytes[CMSG_SPACE(VHOST_USER_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct vhost_user_message data;
	struct iovec part = { .iov_base = &data.header, .iov_len = sizeof(data.header) };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control) };
	struct cmsghdr *rights;
	size_t size;

	if (recvmsg(from, &message, MSG_WAITALL) != (ssize_t)sizeof(data.header))
		return 0;
	size = data.header.size;
	if (size > sizeof(data.payload) ||
		(size && recv(from, &data.payload, size, MSG_WAITALL) != (ssize_t)size))
		return 0;
	if (message.msg_controllen == 0)
		message.msg_control = NULL;
	if (sendmsg(to, &message, MSG_NOSIGNAL) != (ssize_t)sizeof(data.header) ||
		(size && send(to, &data.payload, size, MSG_NOSIGNAL) != (ssize_t)size))
		return 0;
	rights = message.msg_control ? CMSG_FIRSTHDR(&message) : NULL;
	for (size_t i = 0; rights && CMSG_LEN((i + 1) * sizeof(int)) <= rights->cmsg_len; i++)
		close(((int *)(void *)CMSG_DATA(rights))[i]);
	return 1;
}

/* Until one of the two is gone; then the worker's status, for main() to return. */
static inline int outside_relay(int front, int worker, pid_t pid)
{
	int status = 0;

	for (;;) {
		struct pollfd ends[2] = { { .fd = front, .events = POLLIN },
			{ .fd = worker, .events = POLLIN } };

		poll(ends, 2, -1);
		if (ends[0].revents && !outside_pass_on(front, worker))
			break;
		if (ends[1].revents && !outside_pass_on(worker, front))
			break;
	}
	close(front);
	close(worker);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		fprintf(stderr, "the worker was killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

#endif
