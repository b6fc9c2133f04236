/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kernel_unpack.h"

#include "seccomp/jail.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/base/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* The descriptors in the worker. */
#define FILE_FD	     (WORKER_FIRST_FD + 0)
#define MEMORY_FD    (WORKER_FIRST_FD + 1)

/* A gigabyte on the slowest machine; the worker's limits end it much earlier. */
#define UNPACK_MS    (10 * 60 * 1000)

/* How long the worker may take to end when it has answered. */
#define END_GRACE_MS 1000

struct unpack_request {
	struct kernel_payload payload;
	uint64_t limit;
};

struct unpack_answer {
	uint32_t problem; /* enum kernel_problem */
	uint64_t size;
};

int unpack_worker_main(int argc, char **argv)
{
	struct unpack_request request;
	struct unpack_answer answer = { 0 };

	(void)argc;
	(void)argv;
	if (recv(WORKER_SOCKET, &request, sizeof(request), 0) != (ssize_t)sizeof(request)) {
		log_error("an unpack worker is started by bpmp-vmm, not by hand");
		return EXIT_FAILURE;
	}
	if (jail_enter_worker(JAIL_UNPACK, MEMORY_FD + 1) != 0)
		return EXIT_FAILURE;
	answer.problem = kernel_payload_unpack(
		&request.payload, FILE_FD, MEMORY_FD, request.limit, &answer.size);
	if (send(WORKER_SOCKET, &answer, sizeof(answer), MSG_NOSIGNAL) != (ssize_t)sizeof(answer))
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}

/* Returns 0, -EINVAL (logged) for a kernel that cannot be unpacked, or -errno (logged). */
static int converse(struct worker *worker, const char *path, const struct unpack_request *request,
	uint64_t *size)
{
	struct pollfd socket = { .fd = worker->socket, .events = POLLIN };
	struct unpack_answer answer;
	char reason[128];
	int n;

	if (send(worker->socket, request, sizeof(*request), MSG_NOSIGNAL) < 0)
		return -errno;
	do {
		n = poll(&socket, 1, UNPACK_MS);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		log_error("--kernel %s: is not unpacked after 10 minutes; give the plain Image",
			path);
		return -ETIMEDOUT;
	}
	if (recv(worker->socket, &answer, sizeof(answer), MSG_DONTWAIT) !=
		(ssize_t)sizeof(answer)) {
		struct pollfd ended = { .fd = worker->pid_fd, .events = POLLIN };

		poll(&ended, 1, END_GRACE_MS);
		worker_reap(worker, reason, sizeof(reason));
		log_error("--kernel %s: its unpacking failed: %s; give the plain Image", path,
			reason);
		return -EIO;
	}
	if (answer.problem != KERNEL_FINE) {
		log_error("--kernel %s: %s", path, kernel_problem_text(answer.problem));
		return answer.problem == KERNEL_NO_ROOM	      ? -ENOMEM
			: answer.problem == KERNEL_UNREADABLE ? -EIO
							      : -EINVAL;
	}
	*size = answer.size;
	return 0;
}

int kernel_unpack(const char *path, const struct kernel_payload *payload, uint64_t limit, int *fd,
	uint64_t *size)
{
	/* All of it set, padding too: it goes to another process. */
	struct unpack_request request;
	struct worker worker;
	int memory = memfd_create("kernel", MFD_CLOEXEC | MFD_ALLOW_SEALING), error = 0;
	int fds[] = { *fd, memory };
	off_t length;

	if (memory < 0) {
		error = -errno;
		log_error("--kernel %s: no memory for it: %s", path, strerror(-error));
		return error;
	}
	memset(&request, 0, sizeof(request));
	request.payload = *payload;
	request.limit = limit;
	error = worker_start(&worker, "unpack", SOCK_SEQPACKET, fds, ARRAY_SIZE(fds), true);
	if (!error) {
		error = converse(&worker, path, &request, size);
		worker_stop(&worker, END_GRACE_MS);
	}
	/* The worker is gone: from here on nobody changes it. */
	length = lseek(memory, 0, SEEK_END);
	if (!error &&
		(length < 0 || (uint64_t)length != *size ||
			fcntl(memory, F_ADD_SEALS,
				F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)) {
		error = -EIO;
		log_error("--kernel %s: what was unpacked cannot be kept; give the plain Image",
			path);
	}
	if (error) {
		close_fd(&memory);
		return error;
	}
	close_fd(fd);
	*fd = memory;
	return 0;
}
