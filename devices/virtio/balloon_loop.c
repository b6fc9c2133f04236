/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/balloon_loop.h"

#include "devices/virtio/virtqueue_reader.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <linux/virtio_balloon.h>

enum { INFLATE_QUEUE, DEFLATE_QUEUE };

/*
 * What one turn does before the front end is looked at again, as the guest may offer more without
 * end: ranges, MiB of them that are released, which takes the host some time, and buffers.
 */
#define COST_PER_TURN 4096u

/* 5.5.3. Without statistics, hints and poison (5.5.6.4 and later), which nothing here would use. */
static const struct vhost_user_back_device balloon_device = {
	.features = BIT(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) | BIT(VIRTIO_BALLOON_F_REPORTING),
	.queue_count = BALLOON_QUEUES,
};

void balloon_worker_init(struct balloon_worker *worker, int socket, uint64_t page_size,
	int (*release)(void *at, size_t size))
{
	memset(worker, 0, sizeof(*worker));
	vhost_user_back_init(&worker->back, socket, &balloon_device);
	worker->pages = (struct balloon_pages){
		.memory = &worker->back.memory,
		.page_size = page_size,
		.release = release,
	};
}

void balloon_worker_close(struct balloon_worker *worker)
{
	vhost_user_back_close(&worker->back);
}

/* The buffer is a list of page numbers, of any length. Returns how many were heeded. */
static uint32_t inflate(struct balloon_worker *worker)
{
	struct virtqueue_reader reader = {
		.chain = &worker->chain,
		.memory = &worker->back.memory,
	};
	uint32_t count = 0, number;

	while (count < BALLOON_MAX_NUMBERS && virtqueue_read(&reader, &number, sizeof(number))) {
		balloon_pages_add(&worker->pages, (uint64_t)le32toh(number) * BALLOON_PAGE_SIZE,
			BALLOON_PAGE_SIZE);
		count++;
	}
	return count;
}

/* The buffers themselves are what is free (5.5.6.7); they are the device's to write to. */
static uint32_t report(struct balloon_worker *worker)
{
	const struct virtqueue_chain *chain = &worker->chain;

	for (uint32_t i = 0; i < chain->writable_count; i++) {
		const struct virtqueue_segment *segment =
			&chain->segments[chain->readable_count + i];

		balloon_pages_add(&worker->pages, segment->gpa, segment->length);
	}
	return chain->writable_count;
}

/* Returns what it cost, see COST_PER_TURN. */
static uint64_t serve_buffer(struct balloon_worker *worker, uint32_t queue)
{
	const uint64_t before = worker->pages.released;
	uint64_t cost = 0;

	if (queue == INFLATE_QUEUE)
		cost = inflate(worker);
	else if (queue != DEFLATE_QUEUE)
		cost = report(worker);
	/* Before the driver has its buffer back, and may use the pages of a report again. */
	balloon_pages_flush(&worker->pages);
	virtqueue_push(&worker->back.queues[queue].ring, worker->chain.head, 0);
	return cost + ((worker->pages.released - before) >> 20) + 1;
}

static void serve(struct balloon_worker *worker, uint32_t queue)
{
	struct vhost_user_back *back = &worker->back;
	struct virtqueue *ring = &back->queues[queue].ring;
	uint64_t cost = 0;

	if (!vhost_user_back_ready(back, queue))
		return;
	virtqueue_disable_kicks(ring);
	while (cost < COST_PER_TURN) {
		if (vhost_user_back_pop(back, queue, &worker->chain) == 0) {
			if (virtqueue_enable_kicks(ring))
				continue;
			break;
		}
		cost += serve_buffer(worker, queue);
	}
	worker->again |= cost >= COST_PER_TURN;
	vhost_user_back_signal(back, queue);
}

/* Once each, whatever the guest repeats. */
static void complain(struct balloon_worker *worker)
{
	if (worker->pages.outside != 0 && !worker->outside_logged) {
		log_warning("the guest gives away memory that it has not; that is ignored");
		worker->outside_logged = true;
	}
	if (worker->pages.error != 0 && !worker->error_logged) {
		log_error("memory that the guest gave away cannot be given back to the host: %s",
			strerror(-worker->pages.error));
		worker->error_logged = true;
	}
}

int balloon_worker_run(struct balloon_worker *worker)
{
	for (;;) {
		struct pollfd fds[1 + BALLOON_QUEUES];
		int status;

		for (uint32_t i = 0; i < BALLOON_QUEUES; i++)
			fds[1 + i] = (struct pollfd){
				.fd = vhost_user_back_kick_fd(&worker->back, i),
				.events = POLLIN,
			};
		status = vhost_user_back_wait(
			&worker->back, fds, ARRAY_SIZE(fds), worker->again ? 0 : -1);
		if (status < 0)
			return status == -ECONNRESET ? 0 : status;
		worker->again = status > 0;
		if (worker->again)
			continue;
		for (uint32_t i = 0; i < BALLOON_QUEUES; i++) {
			if (fds[1 + i].revents != 0)
				vhost_user_back_kicked(&worker->back, i);
			serve(worker, i);
		}
		complain(worker);
	}
}
