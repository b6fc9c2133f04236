/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives a front end that is not ours bpmp-vmm's own disk worker, started and told what the machine
 * starts and tells it, jail included:
 *
 *   rig-diskworker SOCKET IMAGE QUEUES
 *
 * Listens at SOCKET for one front end, and passes messages with their descriptors on both ways,
 * since a worker first hears from the machine what its disk is. Ends with the worker's status.
 */
#include "devices/virtio/block_start.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void need(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(2);
}

static int accept_one(const char *path)
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

/* As worker_start() does. */
static pid_t start(int socket, int image)
{
	char *const arguments[] = { "bpmp-vmm", "worker", "block", "20", NULL };
	char *const environment[] = { NULL };
	pid_t pid = fork();

	need(pid >= 0, "fork");
	if (pid > 0)
		return pid;
	/* Out of the way of each other first. */
	socket = fcntl(socket, F_DUPFD, 20);
	image = fcntl(image, F_DUPFD, 20);
	dup2(socket, WORKER_SOCKET);
	dup2(image, BLOCK_IMAGE_FD);
	close_range(BLOCK_IMAGE_FD + 1, ~0U, 0);
	execve("/usr/bin/bpmp-vmm", arguments, environment);
	_exit(127);
}

static void tell(int worker, int image, const char *name, unsigned int queues)
{
	struct block_start start = {
		.shape = {
			.disk = { .can_discard = true, .id = "worker" },
			.logical_size = 512,
			.physical_size = 4096,
			.queue_count = queues,
		},
		.memory_alignment = 1,
		.offset_alignment = 1,
	};
	struct stat status;

	need(fstat(image, &status) == 0, name);
	start.shape.disk.sectors = (uint64_t)status.st_size / BLOCK_SECTOR;
	snprintf(start.name, sizeof(start.name), "disk %.80s", name);
	need(send(worker, &start, sizeof(start), MSG_NOSIGNAL) == (ssize_t)sizeof(start), "worker");
}

/*
 * Passes on one message with its descriptors; 0 when that end is gone. Header and payload apart: a
 * longer read could join two messages, and give the first the descriptors of the second.
 */
static int pass_on(int from, int to)
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

int main(int argc, char **argv)
{
	int pair[2], front, image, status = 0;
	pid_t pid;

	if (argc != 4) {
		fprintf(stderr, "usage: rig-diskworker SOCKET IMAGE QUEUES\n");
		return 2;
	}
	image = open(argv[2], O_RDWR);
	need(image >= 0, argv[2]);
	front = accept_one(argv[1]);
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
	pid = start(pair[1], image);
	close(pair[1]);
	tell(pair[0], image, argv[2], (unsigned int)strtoul(argv[3], NULL, 0));
	for (;;) {
		struct pollfd ends[2] = { { .fd = front, .events = POLLIN },
			{ .fd = pair[0], .events = POLLIN } };

		poll(ends, 2, -1);
		if (ends[0].revents && !pass_on(front, pair[0]))
			break;
		if (ends[1].revents && !pass_on(pair[0], front))
			break;
	}
	close(front);
	close(pair[0]);
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		fprintf(stderr, "rig-diskworker: killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
