/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk's worker at work: a loop that takes requests from the guest's queues, gives them to the
 * pool's threads and hands the answers back. The loop itself waits for no I/O, except when a queue
 * is stopped or guest memory is replaced: then it returns only after every request in flight has
 * been answered, so that nothing of an old guest's reaches a new one.
 *
 * Ordering: a request is answered when its I/O is done, and a flush begins after it was taken from
 * the queue. So the fdatasync() of a flush covers every write that was answered before. A driver
 * that did not negotiate VIRTIO_BLK_F_FLUSH has each write followed by one (virtio 1.2, 5.2.6.2).
 */
#ifndef DEVICES_VIRTIO_BLOCK_LOOP_H
#define DEVICES_VIRTIO_BLOCK_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_blk.h>

#include "devices/virtio/block_pool.h"
#include "devices/virtio/block_request.h"
#include "devices/virtio/vhost_user_back.h"

#define BLOCK_QUEUE_SIZE   128

/* Requests that are worked on at once, over all queues: what bounds the worker's memory. */
#define BLOCK_MAX_REQUESTS 64

/* What the guest sees of the disk besides its contents. */
struct block_shape {
	struct block_disk disk;
	uint32_t logical_size, physical_size; /* bytes of a block, powers of two */
	uint32_t queue_count;		      /* at most VHOST_USER_BACK_MAX_QUEUES */
};

struct block_worker {
	struct vhost_user_back_device device;
	struct virtio_blk_config config;
	struct block_disk disk;
	const char *name; /* for the log */
	struct vhost_user_back back;
	struct block_pool *pool;
	struct block_request requests[BLOCK_MAX_REQUESTS];
	struct block_request *unused; /* linked by `next` */
	uint32_t logged;	      /* kinds of failure that were logged, bits of BLOCK_* */
	bool again;		      /* there is more to do: do not wait */
	uint32_t first;		      /* the queue to look at first, in turns: requests are few */
	struct virtqueue_chain chain;
};

/* `socket` is connected to the front end. Socket, name and pool stay the caller's. */
void block_worker_init(struct block_worker *worker, int socket, const struct block_shape *shape,
	const char *name, struct block_pool *pool);
void block_worker_close(struct block_worker *worker);

/* Works until the front end is gone. Returns 0, or -errno (logged). */
int block_worker_run(struct block_worker *worker);

#endif
