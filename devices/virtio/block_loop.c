/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/block_loop.h"

#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

/* Requests taken from one queue before the others are looked at again. */
#define REQUESTS_PER_TURN 64

enum { FRONT_END, DONE, FIRST_KICK };

static struct block_worker *to_worker(struct vhost_user_back *back)
{
	return container_of(back, struct block_worker, back);
}

/* Once for each kind, whatever the guest repeats. */
static void log_failure(struct block_worker *worker, const struct block_request *request)
{
	static const char *const names[] = {
		[BLOCK_ANSWER] = "answering",
		[BLOCK_READ] = "reading",
		[BLOCK_WRITE] = "writing",
		[BLOCK_FLUSH] = "flushing",
		[BLOCK_DISCARD] = "discarding",
		[BLOCK_ZEROES] = "writing zeroes",
	};
	uint32_t bit = 1u << request->operation;
	uint64_t offset = request->range_count > 0 ? request->ranges[0].offset : request->offset;

	if (request->error == 0 || (worker->logged & bit) != 0)
		return;
	worker->logged |= bit;
	log_error("%s: %s failed at byte %llu: %s; the guest gets an I/O error, and this is said "
		  "once",
		worker->name, names[request->operation], (unsigned long long)offset,
		strerror(-request->error));
}

/* Writes the answer into the guest and makes the request free again. */
static void answer(struct block_worker *worker, struct block_request *request)
{
	struct vhost_user_back_queue *queue = &worker->back.queues[request->queue];

	log_failure(worker, request);
	/* A queue that was found broken meanwhile has no rings. */
	if (queue->started && !queue->ring.broken) {
		block_request_answer(request);
		virtqueue_push(&queue->ring, request->head, request->written);
	}
	request->next = worker->unused;
	worker->unused = request;
}

/* Answers what the threads have done, and interrupts the driver once for each queue. */
static void collect(struct block_worker *worker)
{
	struct block_request *done = block_pool_collect(worker->pool);
	uint32_t answered = 0;

	while (done != NULL) {
		struct block_request *next = done->next;

		answered |= 1u << done->queue;
		answer(worker, done);
		done = next;
	}
	for (uint32_t i = 0; i < worker->device.queue_count; i++)
		if ((answered & (1u << i)) != 0)
			vhost_user_back_signal(&worker->back, i);
}

static void settle(struct vhost_user_back *back)
{
	struct block_worker *worker = to_worker(back);

	block_pool_settle(worker->pool);
	collect(worker);
}

static void queue_stopping(struct vhost_user_back *back, uint32_t index)
{
	(void)index;
	settle(back);
}

/* Requests that are worked on keep their ranges, which a larger disk has as well. */
static int resize(struct vhost_user_back *back, uint64_t bytes)
{
	struct block_worker *worker = to_worker(back);
	uint64_t size;
	int error = block_file_resize(worker->pool->file, bytes, &size);

	if (error == 0 && size / BLOCK_SECTOR < worker->disk.sectors)
		error = -ERANGE;
	if (error != 0) {
		log_error("%s: cannot resize it: %s", worker->name,
			error == -ERANGE ? "its image has become shorter" : strerror(-error));
		return error;
	}
	worker->disk.sectors = size / BLOCK_SECTOR;
	worker->config.capacity = htole64(worker->disk.sectors);
	return 0;
}

/* Takes one request from the queue. False when there is none. */
static bool take_request(struct block_worker *worker, uint32_t index)
{
	struct block_request *request = worker->unused;
	struct vhost_user_back *back = &worker->back;

	if (vhost_user_back_pop(back, index, &worker->chain) == 0)
		return false;
	worker->unused = request->next;
	request->queue = index;
	block_request_parse(request, &worker->chain, &back->memory, &worker->disk);
	request->durable = (back->features & BIT(VIRTIO_BLK_F_FLUSH)) == 0;
	if (request->operation == BLOCK_ANSWER)
		answer(worker, request);
	else
		block_pool_submit(worker->pool, request);
	return true;
}

static void serve_queue(struct block_worker *worker, uint32_t index)
{
	struct vhost_user_back *back = &worker->back;
	struct virtqueue *ring = &back->queues[index].ring;
	unsigned int budget = REQUESTS_PER_TURN;

	if (!vhost_user_back_ready(back, index))
		return;
	virtqueue_disable_kicks(ring);
	/* With no request free, the next answer brings us here again. */
	while (budget > 0 && worker->unused != NULL) {
		if (!take_request(worker, index)) {
			if (virtqueue_enable_kicks(ring))
				continue;
			break;
		}
		budget--;
	}
	if (budget == 0)
		worker->again = true;
	/* For what was answered without I/O. */
	vhost_user_back_signal(back, index);
}

static void serve_queues(struct block_worker *worker)
{
	for (uint32_t i = worker->first; i < worker->device.queue_count; i++)
		serve_queue(worker, i);
	for (uint32_t i = 0; i < worker->first; i++)
		serve_queue(worker, i);
	if (++worker->first >= worker->device.queue_count)
		worker->first = 0;
}

static void set_config(struct block_worker *worker, const struct block_shape *shape)
{
	uint32_t in_sectors = shape->logical_size / BLOCK_SECTOR, exponent = 0;

	while (shape->logical_size << exponent < shape->physical_size)
		exponent++;
	worker->config = (struct virtio_blk_config){
		.capacity = htole64(shape->disk.sectors),
		.seg_max = htole32(BLOCK_MAX_SEGMENTS),
		.blk_size = htole32(shape->logical_size),
		.physical_block_exp = (uint8_t)exponent,
		.min_io_size = htole16(1),
		.num_queues = htole16((uint16_t)shape->queue_count),
		.max_discard_sectors = htole32(BLOCK_MAX_DISCARD),
		.max_discard_seg = htole32(BLOCK_MAX_DISCARD_RANGES),
		.discard_sector_alignment = htole32(in_sectors),
		.max_write_zeroes_sectors = htole32(BLOCK_MAX_ZEROES),
		.max_write_zeroes_seg = htole32(BLOCK_MAX_ZEROES_RANGES),
		.write_zeroes_may_unmap = shape->disk.can_discard,
	};
}

static uint64_t features(const struct block_shape *shape)
{
	uint64_t offered = BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
		BIT(VIRTIO_BLK_F_TOPOLOGY) | BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_MQ);

	if (shape->disk.read_only)
		return offered | BIT(VIRTIO_BLK_F_RO);
	if (shape->disk.can_discard)
		offered |= BIT(VIRTIO_BLK_F_DISCARD);
	return offered | BIT(VIRTIO_BLK_F_WRITE_ZEROES);
}

void block_worker_init(struct block_worker *worker, int socket, const struct block_shape *shape,
	const char *name, struct block_pool *pool)
{
	memset(worker, 0, sizeof(*worker));
	worker->disk = shape->disk;
	worker->name = name;
	worker->pool = pool;
	set_config(worker, shape);
	worker->device = (struct vhost_user_back_device){
		.features = features(shape),
		.queue_count = shape->queue_count,
		.config = &worker->config,
		.config_size = sizeof(worker->config),
		.queue_stopping = queue_stopping,
		.settle = settle,
		.resize = resize,
	};
	for (size_t i = 0; i < ARRAY_SIZE(worker->requests); i++) {
		worker->requests[i].next = worker->unused;
		worker->unused = &worker->requests[i];
	}
	vhost_user_back_init(&worker->back, socket, &worker->device);
}

void block_worker_close(struct block_worker *worker)
{
	/* The threads may be in guest memory still. */
	settle(&worker->back);
	vhost_user_back_close(&worker->back);
}

/* Returns what vhost_user_back_wait() does. */
static int wait_for_work(struct block_worker *worker, struct pollfd *fds)
{
	const uint32_t count = worker->device.queue_count;

	fds[DONE] = (struct pollfd){ .fd = worker->pool->done_fd, .events = POLLIN };
	for (uint32_t i = 0; i < count; i++)
		fds[FIRST_KICK + i] = (struct pollfd){
			.fd = vhost_user_back_kick_fd(&worker->back, i),
			.events = POLLIN,
		};
	return vhost_user_back_wait(&worker->back, fds, FIRST_KICK + count, worker->again ? 0 : -1);
}

int block_worker_run(struct block_worker *worker)
{
	struct pollfd fds[FIRST_KICK + VHOST_USER_BACK_MAX_QUEUES];

	for (;;) {
		int status = wait_for_work(worker, fds);

		if (status < 0)
			return status == -ECONNRESET ? 0 : status;
		worker->again = status > 0;
		if (worker->again)
			continue;
		for (uint32_t i = 0; i < worker->device.queue_count; i++)
			if (fds[FIRST_KICK + i].revents != 0)
				vhost_user_back_kicked(&worker->back, i);
		if (fds[DONE].revents != 0)
			collect(worker);
		serve_queues(worker);
	}
}
