/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/rng_loop.h"

#include "vmm/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>

/* 5.4.2: requestq is the only queue. */
#define REQUEST_QUEUE	 0

/* Buffers filled before the front end is looked at again; the guest may offer more without end. */
#define BUFFERS_PER_TURN 64

static const struct vhost_user_back_device rng_device = { .queue_count = 1 };

void rng_worker_init(struct rng_worker *worker, int socket)
{
	memset(worker, 0, sizeof(*worker));
	vhost_user_back_init(&worker->back, socket, &rng_device);
}

void rng_worker_close(struct rng_worker *worker)
{
	vhost_user_back_close(&worker->back);
}

/* Returns how many bytes the buffer was given. */
static uint32_t fill(struct rng_worker *worker)
{
	uint8_t random[RNG_REQUEST_MAX];
	uint32_t wanted = worker->chain.writable_bytes;
	ssize_t count;

	if (wanted > sizeof(random))
		wanted = sizeof(random);
	do {
		count = getrandom(random, wanted, 0);
	} while (count < 0 && errno == EINTR);
	if (count < 0) {
		/* Nothing is given rather than something that is not random. */
		log_error("getrandom: %s", strerror(errno));
		return 0;
	}
	return virtqueue_copy_to_chain(&worker->chain, &worker->back.memory, random, (size_t)count);
}

static void serve(struct rng_worker *worker)
{
	struct vhost_user_back *back = &worker->back;
	struct virtqueue *ring = &back->queues[REQUEST_QUEUE].ring;
	unsigned int budget = BUFFERS_PER_TURN;

	if (!vhost_user_back_ready(back, REQUEST_QUEUE))
		return;
	virtqueue_disable_kicks(ring);
	while (budget > 0) {
		if (vhost_user_back_pop(back, REQUEST_QUEUE, &worker->chain) == 0) {
			if (virtqueue_enable_kicks(ring))
				continue;
			break;
		}
		virtqueue_push(ring, worker->chain.head, fill(worker));
		budget--;
	}
	worker->again = budget == 0;
	vhost_user_back_signal(back, REQUEST_QUEUE);
}

int rng_worker_run(struct rng_worker *worker)
{
	for (;;) {
		struct pollfd fds[2];
		int status;

		fds[1] = (struct pollfd){
			.fd = vhost_user_back_kick_fd(&worker->back, REQUEST_QUEUE),
			.events = POLLIN,
		};
		status = vhost_user_back_wait(&worker->back, fds, 2, worker->again ? 0 : -1);
		if (status < 0)
			return status == -ECONNRESET ? 0 : status;
		worker->again = status > 0;
		if (worker->again)
			continue;
		if (fds[1].revents != 0)
			vhost_user_back_kicked(&worker->back, REQUEST_QUEUE);
		serve(worker);
	}
}
