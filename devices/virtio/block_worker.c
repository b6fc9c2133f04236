/* SPDX-License-Identifier: Apache-2.0 */
/* A disk's worker: how it starts, is locked in and ends. */
#include "devices/virtio/block.h"
#include "devices/virtio/block_start.h"
#include "seccomp/jail.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

static int enter_thread(void)
{
	return jail_enter_worker_thread(JAIL_BLOCK_IO);
}

/* Threads inherit what is given up before they start; afterwards none can be started. */
static int lock_in(struct block_pool *pool, struct block_file *file)
{
	int error = jail_prepare_worker_threads();

	if (error == 0)
		error = block_pool_open(pool, file, enter_thread);
	if (error != 0)
		return error;
	/* The pool's eventfd took the lowest free number: all others are below it. */
	error = jail_enter_worker(JAIL_BLOCK, pool->done_fd + 1);
	if (error != 0)
		block_pool_close(pool);
	return error;
}

static int work(const struct block_start *start)
{
	struct block_worker *worker = malloc(sizeof(*worker));
	struct block_file file;
	struct block_pool pool;
	int error;

	if (worker == NULL)
		return -ENOMEM;
	block_file_init(&file, BLOCK_IMAGE_FD, start->memory_alignment, start->offset_alignment);
	error = lock_in(&pool, &file);
	if (error == 0) {
		block_worker_init(worker, WORKER_SOCKET, &start->shape, start->name, &pool);
		error = block_worker_run(worker);
		block_worker_close(worker);
		block_pool_close(&pool);
	}
	block_file_close(&file);
	free(worker);
	return error;
}

int block_worker_main(int argc, char **argv)
{
	struct block_start start;

	(void)argc;
	(void)argv;
	signal(SIGXFSZ, SIG_IGN); /* an image at its resource limit is an error of the call */
	/* One heap for all threads: each would get one of its own for its filter. */
	mallopt(M_ARENA_MAX, 1);
	if (recv(WORKER_SOCKET, &start, sizeof(start), MSG_WAITALL) != (ssize_t)sizeof(start)) {
		log_error("a disk's worker is started by bpmp-vmm, not by hand");
		return EXIT_FAILURE;
	}
	if (start.shape.queue_count == 0 || start.shape.queue_count > VHOST_USER_BACK_MAX_QUEUES) {
		log_error("a disk has 1 to %d queues", VHOST_USER_BACK_MAX_QUEUES);
		return EXIT_FAILURE;
	}
	return work(&start) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
