/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads that wait for a disk's I/O, so that the worker's loop does not. Requests are begun in
 * the order in which they came and may end in any: virtio orders nothing but a flush after what was
 * answered before it, and what was answered is done.
 *
 * BLOCK_THREADS, because two or three more in flight are what a disk needs to stay busy while one
 * thread waits for a flush; they cost 70 KiB each. One thread (the loop's) submits and collects.
 */
#ifndef DEVICES_VIRTIO_BLOCK_POOL_H
#define DEVICES_VIRTIO_BLOCK_POOL_H

#include <pthread.h>
#include <stdbool.h>

#include "devices/virtio/block_io.h"

struct block_request;

#define BLOCK_THREADS 4

struct block_pool {
	struct block_file *file;
	int (*enter)(void); /* called on each thread before it works; NULL: nothing */
	pthread_t threads[BLOCK_THREADS];
	unsigned int thread_count;
	void *bounce[BLOCK_THREADS];

	pthread_mutex_t lock;
	pthread_cond_t work;	/* something is waiting, or quit */
	pthread_cond_t settled; /* a thread has entered, or a request is done */
	struct block_request *waiting, **waiting_end, *done;
	unsigned int entered, unfinished; /* threads; requests that are waiting or worked on */
	int enter_error;
	bool quit;
	int done_fd; /* eventfd: something is in `done` */
};

/*
 * Starts the threads and returns when each has called `enter`. Returns 0 or -errno: of the
 * threads, or what `enter` returned. After an error the pool is closed.
 */
int block_pool_open(struct block_pool *pool, struct block_file *file, int (*enter)(void));

/* Finishes what was submitted and ends the threads. */
void block_pool_close(struct block_pool *pool);

void block_pool_submit(struct block_pool *pool, struct block_request *request);

/* All requests that are done, linked by `next`, in no order. */
struct block_request *block_pool_collect(struct block_pool *pool);

/* Returns when all that was submitted is done. */
void block_pool_settle(struct block_pool *pool);

#endif
