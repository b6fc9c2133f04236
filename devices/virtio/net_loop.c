/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/net_loop.h"

#include "devices/virtio/virtqueue_reader.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 5.1.2: receiveq1 and transmitq1. */
enum { RECEIVE_QUEUE, TRANSMIT_QUEUE, QUEUE_COUNT };

/* What one turn does before the front end and the other direction are looked at again. */
#define FRAMES_PER_TURN 256

/* The poll set. */
enum { FRONT_END, RECEIVE_KICK, TRANSMIT_KICK, TAP, POLL_FDS };

static void set_part(struct net_worker *worker, unsigned int index, void *at, size_t size)
{
	worker->parts[index].iov_base = at;
	worker->parts[index].iov_len = size;
}

/*
 * Fills parts[first..] with the chain's segments `from`..`to`, less the first `skip` bytes of them.
 * Returns how many parts there are then; 0 when there are too many, or guest memory is not there.
 */
static unsigned int gather(
	struct net_worker *worker, unsigned int first, uint32_t from, uint32_t to, uint32_t skip)
{
	unsigned int count = first;

	for (uint32_t i = from; i < to; i++) {
		const struct virtqueue_segment *segment = &worker->chain.segments[i];
		uint32_t left = skip < segment->length ? skip : segment->length;
		uint32_t size = segment->length - left;

		skip -= left;
		if (size == 0)
			continue;
		/* One stays free for what the guest's buffer has no room for. */
		if (count == NET_MAX_PARTS - 1)
			return 0;
		set_part(worker, count,
			guest_memory_at(&worker->back.memory, segment->gpa + left, size), size);
		if (worker->parts[count].iov_base == NULL)
			return 0;
		count++;
	}
	return count;
}

/* False when the stream takes nothing now, or ever again. */
static bool stream_took(struct net_worker *worker, int result)
{
	if (result < 0)
		worker->broken = result;
	return result > 0;
}

/* Sends the frame in hand. False when the tap takes none now. */
static bool send_frame(struct net_worker *worker)
{
	const struct virtqueue_chain *chain = &worker->chain;
	struct virtqueue_reader reader = { .chain = chain, .memory = &worker->back.memory };
	struct virtio_net_hdr_mrg_rxbuf header;
	unsigned int count;

	if (!virtqueue_read(&reader, &header, sizeof(header)) ||
		!net_header_valid(
			&header, worker->back.features, chain->readable_bytes - NET_HEADER_SIZE))
		goto bad;
	set_part(worker, 0, &header, NET_HEADER_SIZE);
	count = gather(worker, 1, 0, chain->readable_count, NET_HEADER_SIZE);
	if (count == 0)
		goto bad;
	if (worker->stream != NULL)
		return stream_took(worker,
			net_stream_send(worker->stream, worker->parts, count,
				chain->readable_bytes - NET_HEADER_SIZE));
	if (writev(worker->tap.fd, worker->parts, (int)count) < 0) {
		if (errno == EAGAIN)
			return false;
		/* The interface is down, or has no use for it: frames may be lost. */
		log_debug("a frame was lost: %s", strerror(errno));
	}
	return true;
bad:
	if (!worker->bad_frame_logged)
		log_warning("the guest's driver sent a frame that makes no sense (%u bytes); such "
			    "frames are dropped",
			chain->readable_bytes);
	worker->bad_frame_logged = true;
	return true;
}

void net_worker_transmit(struct net_worker *worker)
{
	struct vhost_user_back *back = &worker->back;
	struct virtqueue *ring = &back->queues[TRANSMIT_QUEUE].ring;
	unsigned int budget = FRAMES_PER_TURN;

	worker->tap_full =
		worker->stream != NULL && !stream_took(worker, net_stream_flush(worker->stream));
	if (worker->tap_full || !vhost_user_back_ready(back, TRANSMIT_QUEUE))
		return;
	virtqueue_disable_kicks(ring);
	for (; budget > 0; budget--) {
		if (vhost_user_back_pop(back, TRANSMIT_QUEUE, &worker->chain) == 0) {
			if (virtqueue_enable_kicks(ring))
				continue;
			break;
		}
		if (!send_frame(worker)) {
			virtqueue_unpop(ring);
			worker->tap_full = true;
			break;
		}
		virtqueue_push(ring, worker->chain.head, 0);
	}
	if (budget == 0)
		worker->again = true;
	if (worker->stream != NULL && !stream_took(worker, net_stream_flush(worker->stream)))
		worker->tap_full = true;
	vhost_user_back_signal(back, TRANSMIT_QUEUE);
}

/* What a frame came to. */
enum arrival { NO_FRAME, FRAME_LOST, FRAME_IN_BUFFERS };

/* Apart, as gcc 12 with sanitizers takes the array for the part that was set last. */
static __attribute__((noinline)) ssize_t read_parts(
	const struct net_worker *worker, unsigned int count)
{
	return readv(worker->tap.fd, worker->parts, (int)count);
}

/* Gives back the buffers that were taken after the one in hand. */
static void give_back(struct net_worker *worker)
{
	for (; worker->more_count > 0; worker->more_count--)
		virtqueue_unpop(&worker->back.queues[RECEIVE_QUEUE].ring);
}

/*
 * 5.1.6.4.1: what the buffer in hand has no room for goes into the next ones, where the driver
 * takes that (VIRTIO_NET_F_MRG_RXBUF). All but the last are filled whole.
 */
static enum arrival spread(struct net_worker *worker, const uint8_t *rest, uint32_t size)
{
	while (size > 0) {
		struct net_buffer *buffer = &worker->more[worker->more_count];

		if ((worker->back.features & BIT(VIRTIO_NET_F_MRG_RXBUF)) == 0 ||
			worker->more_count == NET_MAX_BUFFERS - 1 ||
			vhost_user_back_pop(&worker->back, RECEIVE_QUEUE, &worker->next) == 0)
			return FRAME_LOST;
		worker->more_count++;
		buffer->head = worker->next.head;
		buffer->written =
			virtqueue_copy_to_chain(&worker->next, &worker->back.memory, rest, size);
		rest += buffer->written;
		size -= buffer->written;
	}
	return FRAME_IN_BUFFERS;
}

/* Puts the header in front of the frame, as it is known by now in how many buffers that is. */
static enum arrival finish(struct net_worker *worker, struct virtio_net_hdr_mrg_rxbuf *header)
{
	header->num_buffers = htole16((uint16_t)(1 + worker->more_count));
	/* 5.1.6.4.1: a tap says that the host has checked a frame, whoever asked. */
	if ((worker->back.features & BIT(VIRTIO_NET_F_GUEST_CSUM)) == 0)
		header->hdr.flags = 0;
	return virtqueue_copy_to_chain(&worker->chain, &worker->back.memory, header,
		       sizeof(*header)) == sizeof(*header)
		? FRAME_IN_BUFFERS
		: FRAME_LOST;
}

/* The next frame of a program's stream, which has no headers. */
static enum arrival read_stream_frame(struct net_worker *worker, uint32_t *used)
{
	struct virtio_net_hdr_mrg_rxbuf header = { .num_buffers = 0 };
	uint8_t *frame;
	size_t size;
	int result = net_stream_receive(worker->stream, &frame, &size);

	if (result < 0)
		worker->broken = result;
	if (result <= 0)
		return NO_FRAME;
	/* Room for the header, which is written last. */
	frame -= NET_HEADER_SIZE;
	size += NET_HEADER_SIZE;
	*used = virtqueue_copy_to_chain(&worker->chain, &worker->back.memory, frame, size);
	if (spread(worker, frame + *used, (uint32_t)size - *used) == FRAME_LOST)
		return FRAME_LOST;
	return finish(worker, &header);
}

/* Reads a frame into the buffer in hand, and more; *used is what of this one was written. */
static enum arrival read_frame(struct net_worker *worker, uint32_t *used)
{
	const struct virtqueue_chain *chain = &worker->chain;
	uint32_t from = chain->readable_count, to = from + chain->writable_count;
	struct virtio_net_hdr_mrg_rxbuf header;
	unsigned int count;
	ssize_t size;

	memset(&header, 0, sizeof(header));
	set_part(worker, 0, &header, NET_HEADER_SIZE);
	count = gather(worker, 1, from, to, NET_HEADER_SIZE);
	/* More pieces than one call takes: the driver gets the buffer back empty. */
	*used = 0;
	if (count == 0)
		return FRAME_IN_BUFFERS;
	set_part(worker, count, worker->excess, sizeof(worker->excess));
	size = read_parts(worker, count + 1);
	if (size < 0 && errno != EAGAIN && errno != EINTR)
		log_debug("no frame from the tap: %s", strerror(errno));
	if (size < (ssize_t)NET_HEADER_SIZE)
		return NO_FRAME;
	*used = (size_t)size < chain->writable_bytes ? (uint32_t)size : chain->writable_bytes;
	if (spread(worker, worker->excess, (uint32_t)size - *used) == FRAME_LOST)
		return FRAME_LOST;
	return finish(worker, &header);
}

/* A buffer that holds no frame at all is no use to anybody: the driver gets it back empty. */
static bool buffer_fits(struct net_worker *worker)
{
	if (worker->chain.writable_bytes >= NET_HEADER_SIZE + NET_FRAME_MIN)
		return true;
	if (!worker->bad_buffer_logged)
		log_warning("the guest's driver offers a buffer of %u bytes for frames; such "
			    "buffers stay empty",
			worker->chain.writable_bytes);
	worker->bad_buffer_logged = true;
	virtqueue_push(&worker->back.queues[RECEIVE_QUEUE].ring, worker->chain.head, 0);
	return false;
}

/* 5.1.6.4.1: the driver sees all buffers of a frame at once. */
static void deliver(struct net_worker *worker, uint32_t used)
{
	struct virtqueue *ring = &worker->back.queues[RECEIVE_QUEUE].ring;

	virtqueue_put(ring, worker->chain.head, used);
	for (uint32_t i = 0; i < worker->more_count; i++)
		virtqueue_put(ring, worker->more[i].head, worker->more[i].written);
	worker->more_count = 0;
	virtqueue_publish(ring);
}

void net_worker_receive(struct net_worker *worker)
{
	struct vhost_user_back *back = &worker->back;
	struct virtqueue *ring = &back->queues[RECEIVE_QUEUE].ring;
	unsigned int budget = FRAMES_PER_TURN;

	worker->wants_frames = false;
	if (!vhost_user_back_ready(back, RECEIVE_QUEUE))
		return;
	virtqueue_disable_kicks(ring);
	for (; budget > 0; budget--) {
		enum arrival arrival;
		uint32_t used;

		if (vhost_user_back_pop(back, RECEIVE_QUEUE, &worker->chain) == 0) {
			/* The next buffer's kick goes on with it; the tap keeps what comes. */
			if (virtqueue_enable_kicks(ring))
				continue;
			break;
		}
		if (!buffer_fits(worker))
			continue;
		arrival = worker->stream != NULL ? read_stream_frame(worker, &used)
						 : read_frame(worker, &used);
		if (arrival == FRAME_IN_BUFFERS) {
			deliver(worker, used);
			continue;
		}
		give_back(worker);
		virtqueue_unpop(ring);
		if (arrival == NO_FRAME) {
			worker->wants_frames = true;
			break;
		}
	}
	if (budget == 0)
		worker->again = true;
	vhost_user_back_signal(back, RECEIVE_QUEUE);
}

int net_worker_init(struct net_worker *worker, int socket, const struct net_tap *tap)
{
	memset(worker, 0, offsetof(struct net_worker, parts));
	worker->tap = *tap;
	if (tap->is_stream) {
		worker->stream = malloc(sizeof(*worker->stream));
		if (worker->stream == NULL)
			return -ENOMEM;
		net_stream_init(worker->stream, tap->fd);
	}
	worker->device = (struct vhost_user_back_device){
		.features = tap->features | BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_MRG_RXBUF),
		.queue_count = QUEUE_COUNT,
	};
	vhost_user_back_init(&worker->back, socket, &worker->device);
	return 0;
}

void net_worker_close(struct net_worker *worker)
{
	vhost_user_back_close(&worker->back);
	free(worker->stream);
}

/* Returns what vhost_user_back_wait() does. */
static int wait_for_work(struct net_worker *worker, struct pollfd fds[POLL_FDS])
{
	struct vhost_user_back *back = &worker->back;
	short events =
		(short)((worker->wants_frames ? POLLIN : 0) | (worker->tap_full ? POLLOUT : 0));

	fds[RECEIVE_KICK] = (struct pollfd){
		.fd = vhost_user_back_kick_fd(back, RECEIVE_QUEUE),
		.events = POLLIN,
	};
	fds[TRANSMIT_KICK] = (struct pollfd){
		.fd = vhost_user_back_kick_fd(back, TRANSMIT_QUEUE),
		.events = POLLIN,
	};
	/* Left out while nothing is wanted, as an interface that is gone is an error all the time.
	 */
	fds[TAP] = (struct pollfd){
		.fd = events != 0 || worker->stream != NULL ? worker->tap.fd : -1,
		.events = events,
	};
	return vhost_user_back_wait(back, fds, POLL_FDS, worker->again ? 0 : -1);
}

/* After a message of the front end's: another driver may have begun. */
static int follow_negotiation(struct net_worker *worker)
{
	if (worker->back.acknowledged == worker->followed)
		return 0;
	worker->followed = worker->back.acknowledged;
	return net_tap_negotiated(&worker->tap, worker->back.features);
}

int net_worker_run(struct net_worker *worker)
{
	struct pollfd fds[POLL_FDS];

	for (;;) {
		int status = wait_for_work(worker, fds);

		if (status > 0) {
			int error = follow_negotiation(worker);

			if (error != 0)
				return error;
		}
		if (status < 0)
			return status == -ECONNRESET ? 0 : status;
		worker->again = status > 0;
		if (worker->again)
			continue;
		if ((fds[TAP].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
			log_error("%s is gone", worker->tap.name);
			return -ENODEV;
		}
		if (fds[RECEIVE_KICK].revents != 0)
			vhost_user_back_kicked(&worker->back, RECEIVE_QUEUE);
		if (fds[TRANSMIT_KICK].revents != 0)
			vhost_user_back_kicked(&worker->back, TRANSMIT_QUEUE);
		net_worker_transmit(worker);
		net_worker_receive(worker);
		if (worker->broken != 0) {
			log_error("%s: %s", worker->tap.name,
				worker->broken == -ECONNRESET ? "it is gone"
							      : strerror(-worker->broken));
			return worker->broken;
		}
	}
}
