/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/vhost_user_back.h"

#include "devices/virtio/vhost_user_back_requests.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

void vhost_user_back_init(
	struct vhost_user_back *back, int socket, const struct vhost_user_back_device *device)
{
	*back = (struct vhost_user_back){ .device = device, .socket = socket };
	for (uint32_t i = 0; i < ARRAY_SIZE(back->queues); i++) {
		back->queues[i].ring.index = i;
		back->queues[i].kick_fd = -1;
		back->queues[i].call_fd = -1;
		back->queues[i].error_fd = -1;
	}
}

static void close_received_fds(struct vhost_user_back *back)
{
	for (size_t i = 0; i < back->fd_count; i++)
		close_fd(&back->fds[i]);
	back->fd_count = 0;
	back->too_many_fds = false;
}

void vhost_user_back_close(struct vhost_user_back *back)
{
	for (size_t i = 0; i < ARRAY_SIZE(back->queues); i++) {
		close_fd(&back->queues[i].kick_fd);
		close_fd(&back->queues[i].call_fd);
		close_fd(&back->queues[i].error_fd);
		back->queues[i].started = false;
	}
	close_received_fds(back);
	guest_memory_unmap(&back->memory);
}

static void take_fds(struct vhost_user_back *back, const struct cmsghdr *rights)
{
	size_t count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(rights) + i * sizeof(fd), sizeof(fd));
		if (back->fd_count < ARRAY_SIZE(back->fds)) {
			back->fds[back->fd_count++] = fd;
		} else {
			close(fd);
			back->too_many_fds = true;
		}
	}
}

/*
 * Reads towards a message of `wanted` bytes, header included. Returns 1 when it is whole, 0 when
 * more has to come, or -errno.
 */
static int receive_until(struct vhost_user_back *back, size_t wanted)
{
	const size_t header_size = sizeof(back->message.header);
	union {
		char bytes[CMSG_SPACE(sizeof(int) * (VHOST_USER_MAX_FDS + 1))];
		struct cmsghdr align;
	} control;
	bool in_header = back->received < header_size;
	char *target = in_header ? (char *)&back->message.header + back->received
				 : (char *)&back->message.payload + back->received - header_size;
	struct iovec part = { .iov_base = target, .iov_len = wanted - back->received };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t count = recvmsg(back->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (count == 0)
		return -ECONNRESET;
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			take_fds(back, c);
	if ((message.msg_flags & MSG_CTRUNC) != 0)
		back->too_many_fds = true;
	back->received += (size_t)count;
	return back->received == wanted;
}

static int send_reply(
	struct vhost_user_back *back, const union vhost_user_payload *payload, uint32_t size)
{
	struct vhost_user_header header = {
		.request = back->message.header.request,
		.flags = VHOST_USER_VERSION | VHOST_USER_REPLY,
		.size = size,
	};
	union vhost_user_payload copy = *payload;
	struct iovec parts[2] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = &copy, .iov_len = size },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	/* A front end has one question open at a time, so there is room, or it does not read. */
	ssize_t sent = sendmsg(back->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent == (ssize_t)(sizeof(header) + size))
		return 0;
	if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
		return -ECONNRESET;
	log_error(
		"the front end does not take the answer to vhost-user request %u", header.request);
	return -EPROTO;
}

/* Serves the message that was received. */
static int answer(struct vhost_user_back *back)
{
	const struct vhost_user_header *header = &back->message.header;
	union vhost_user_payload reply = { .u64 = 0 };
	uint32_t reply_size = 0;
	bool acknowledge = (header->flags & VHOST_USER_NEED_REPLY) != 0 &&
		(back->protocol_features & (UINT64_C(1) << VHOST_USER_PROTOCOL_F_REPLY_ACK)) != 0;
	int error = vhost_user_back_serve(back, &reply, &reply_size);

	/* A guest may write to the configuration as often as it likes. */
	if (error != 0 && header->request != VHOST_USER_SET_CONFIG)
		log_error("vhost-user request %u of %u bytes with %zu descriptors refused: %s",
			header->request, header->size, back->fd_count, strerror(-error));
	if (error == 0 && reply_size != 0)
		return send_reply(back, &reply, reply_size);
	/* The one request with a way of its own to say no: an answer without data. */
	if (header->request == VHOST_USER_GET_CONFIG)
		return send_reply(back, &reply, 0);
	if (!acknowledge)
		/* There is no way to say no but to hang up. */
		return error;
	reply.u64 = error != 0;
	return send_reply(back, &reply, sizeof(reply.u64));
}

int vhost_user_back_receive(struct vhost_user_back *back)
{
	const struct vhost_user_header *header = &back->message.header;
	int status = 1;

	if (back->received < sizeof(*header))
		status = receive_until(back, sizeof(*header));
	if (status != 1)
		return status;
	if ((header->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION ||
		(header->flags & VHOST_USER_REPLY) != 0 ||
		header->size > sizeof(back->message.payload)) {
		log_error("vhost-user request %u with flags 0x%x and %u bytes makes no sense",
			header->request, header->flags, header->size);
		return -EPROTO;
	}
	if (header->size != 0 && back->received < sizeof(*header) + header->size)
		status = receive_until(back, sizeof(*header) + header->size);
	if (status != 1)
		return status;
	status = answer(back);
	close_received_fds(back);
	back->received = 0;
	return status;
}

int vhost_user_back_wait(
	struct vhost_user_back *back, struct pollfd *fds, size_t count, int timeout)
{
	int error;

	fds[0] = (struct pollfd){ .fd = back->socket, .events = POLLIN };
	if (poll(fds, count, timeout) < 0) {
		if (errno == EINTR)
			return 1;
		error = -errno;
		log_error("poll: %s", strerror(-error));
		return error;
	}
	if (fds[0].revents == 0)
		return 0;
	error = vhost_user_back_receive(back);
	return error != 0 ? error : 1;
}

bool vhost_user_back_ready(const struct vhost_user_back *back, uint32_t index)
{
	const struct vhost_user_back_queue *queue = &back->queues[index];

	return queue->started && queue->enabled && !queue->ring.broken;
}

int vhost_user_back_kick_fd(const struct vhost_user_back *back, uint32_t index)
{
	const struct vhost_user_back_queue *queue = &back->queues[index];

	/* The first kick starts a ring, so a stopped one is waited on too. */
	return queue->started && queue->ring.broken ? -1 : queue->kick_fd;
}

void vhost_user_back_kicked(struct vhost_user_back *back, uint32_t index)
{
	struct vhost_user_back_queue *queue = &back->queues[index];

	if (!event_take(queue->kick_fd))
		return;
	if (queue->started || !queue->addresses_set)
		return;
	if (vhost_user_back_find_rings(back, queue) != 0) {
		log_error("queue %u: its rings are not in guest memory", index);
		queue->ring.broken = true;
		event_signal(queue->error_fd);
		return;
	}
	virtqueue_start(&queue->ring, queue->base);
	queue->started = true;
}

int vhost_user_back_pop(struct vhost_user_back *back, uint32_t index, struct virtqueue_chain *chain)
{
	struct vhost_user_back_queue *queue = &back->queues[index];
	int status;

	if (!vhost_user_back_ready(back, index))
		return 0;
	status = virtqueue_pop(&queue->ring, &back->memory, chain);
	if (status >= 0)
		return status;
	event_signal(queue->error_fd);
	return 0;
}

void vhost_user_back_signal(struct vhost_user_back *back, uint32_t index)
{
	struct vhost_user_back_queue *queue = &back->queues[index];

	if (queue->started && virtqueue_wants_signal(&queue->ring))
		event_signal(queue->call_fd);
}
