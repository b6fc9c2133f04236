/* SPDX-License-Identifier: Apache-2.0 */
/* The balloon's worker: how it starts, is locked in, gives memory back and ends. */
#include "devices/virtio/balloon.h"
#include "devices/virtio/balloon_loop.h"
#include "seccomp/jail.h"
#include "vmm/base/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* A hole in the file of guest memory, which every mapping of it sees. */
static int release(void *at, size_t size)
{
	return madvise(at, size, MADV_REMOVE) == 0 ? 0 : -errno;
}

int balloon_worker_main(int argc, char **argv)
{
	struct balloon_worker *worker = malloc(sizeof(*worker));
	int error;

	(void)argc;
	(void)argv;
	if (worker == NULL)
		return EXIT_FAILURE;
	balloon_worker_init(worker, WORKER_SOCKET, (uint64_t)sysconf(_SC_PAGESIZE), release);
	error = jail_enter_worker(JAIL_BALLOON, WORKER_FIRST_FD);
	if (error == 0)
		error = balloon_worker_run(worker);
	balloon_worker_close(worker);
	free(worker);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
