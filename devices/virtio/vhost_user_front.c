/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/vhost_user_front.h"

#include "devices/virtio/vhost_user.h"
#include "vmm/base/clock.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include <linux/virtio_config.h>

#define LARGEST_ERRNO 4095

static struct vhost_user_front *to_user(struct vhost_front *front)
{
	return container_of(front, struct vhost_user_front, front);
}

static bool has_protocol_feature(const struct vhost_user_front *user, unsigned int bit)
{
	return (user->protocol_features & BIT(bit)) != 0;
}

/* Latches the failure: after half a message nothing on the stream can be trusted. */
static int fail(struct vhost_user_front *user, int error, uint32_t request)
{
	user->error = error;
	if (error == -ECONNRESET)
		log_error("%s: the back end closed its connection (vhost-user request %u)",
			user->name, request);
	else if (error == -ETIMEDOUT)
		log_error("%s: the back end did not answer vhost-user request %u in time",
			user->name, request);
	else
		log_error("%s: the back end's answer to vhost-user request %u is wrong: %s",
			user->name, request, strerror(-error));
	return error;
}

static int64_t deadline_of(const struct vhost_user_front *user)
{
	int64_t deadline = clock_ms() + user->deadline_ms, whole = user->front.deadline;

	return whole != 0 && whole < deadline ? whole : deadline;
}

static int socket_error(int error)
{
	switch (error) {
	case EAGAIN: /* SO_SNDTIMEO ran out */
		return -ETIMEDOUT;
	case EPIPE:
	case ECONNRESET:
		return -ECONNRESET;
	default:
		return -error;
	}
}

/* Sends header and payload, with descriptors at the first byte. */
static int send_message(struct vhost_user_front *user, const struct vhost_user_header *header,
	const void *payload, const int *fds, size_t fd_count, int64_t deadline)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_MAX_FDS)];
		struct cmsghdr align;
	} control;
	struct vhost_user_header header_copy = *header;
	union vhost_user_payload payload_copy;
	struct iovec parts[2] = {
		{ .iov_base = &header_copy, .iov_len = sizeof(header_copy) },
		{ .iov_base = &payload_copy, .iov_len = header->size },
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t sent;

	if (header->size != 0)
		memcpy(&payload_copy, payload, header->size);
	if (fd_count != 0) {
		struct cmsghdr *rights;

		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_count);
	}
	do {
		sent = sendmsg(user->socket, &message, MSG_NOSIGNAL);
	} while (sent < 0 && errno == EINTR && clock_ms() < deadline);
	if (sent < 0)
		return errno == EINTR ? -ETIMEDOUT : socket_error(errno);
	/* Some 300 bytes go into an empty socket buffer whole, or the other end is stuck. */
	return (size_t)sent == sizeof(header_copy) + header->size ? 0 : -ETIMEDOUT;
}

static int receive_bytes(struct vhost_user_front *user, void *data, size_t size, int64_t deadline)
{
	struct pollfd input = { .fd = user->socket, .events = POLLIN };
	size_t have = 0;

	while (have < size) {
		/* Anew each time, so that a back end that sends byte by byte ends here too. */
		int64_t left = deadline - clock_ms();
		ssize_t count;

		if (left <= 0 || poll(&input, 1, (int)left) == 0)
			return -ETIMEDOUT;
		/* recv() has no room for control data: descriptors sent along are closed. */
		count = recv(user->socket, (char *)data + have, size - have, MSG_DONTWAIT);
		if (count == 0)
			return -ECONNRESET;
		if (count > 0)
			have += (size_t)count;
		else if (errno != EINTR && errno != EAGAIN)
			return socket_error(errno);
	}
	return 0;
}

/* An answer of exactly `size` bytes. */
static int receive_reply(struct vhost_user_front *user, uint32_t request, void *payload,
	uint32_t size, int64_t deadline)
{
	struct vhost_user_header header;
	int error = receive_bytes(user, &header, sizeof(header), deadline);

	if (error != 0)
		return error;
	if (header.request != request || (header.flags & VHOST_USER_REPLY) == 0 ||
		(header.flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION)
		return -EPROTO;
	/* Zero length is how a back end refuses GET_CONFIG. */
	if (header.size == 0 && request == VHOST_USER_GET_CONFIG)
		return -EREMOTEIO;
	if (header.size != size)
		return -EPROTO;
	return receive_bytes(user, payload, size, deadline);
}

struct request {
	enum vhost_user_request id;
	const void *payload;
	uint32_t size;
	const int *fds;
	size_t fd_count;
	void *reply; /* NULL: the request has no answer of its own */
	uint32_t reply_size;
};

static int transact(struct vhost_user_front *user, const struct request *request)
{
	int64_t deadline = deadline_of(user);
	bool acknowledged = request->reply == NULL &&
		has_protocol_feature(user, VHOST_USER_PROTOCOL_F_REPLY_ACK);
	struct vhost_user_header header = {
		.request = (uint32_t)request->id,
		.flags = VHOST_USER_VERSION | (acknowledged ? VHOST_USER_NEED_REPLY : 0),
		.size = request->size,
	};
	uint64_t refused = 0;
	int error;

	if (user->error != 0)
		return user->error;
	error = send_message(
		user, &header, request->payload, request->fds, request->fd_count, deadline);
	if (error == 0 && request->reply != NULL)
		error = receive_reply(
			user, request->id, request->reply, request->reply_size, deadline);
	else if (error == 0 && acknowledged)
		error = receive_reply(user, request->id, &refused, sizeof(refused), deadline);
	if (error == -EREMOTEIO)
		return error;
	if (error != 0)
		return fail(user, error, request->id);
	return refused == 0 ? 0 : -EREMOTEIO;
}

static int get_u64(struct vhost_user_front *user, enum vhost_user_request id, uint64_t *value)
{
	return transact(
		user, &(struct request){ .id = id, .reply = value, .reply_size = sizeof(*value) });
}

static int set_u64(struct vhost_user_front *user, enum vhost_user_request id, uint64_t value)
{
	return transact(
		user, &(struct request){ .id = id, .payload = &value, .size = sizeof(value) });
}

static int set_state(
	struct vhost_user_front *user, enum vhost_user_request id, uint32_t index, uint32_t num)
{
	struct vhost_user_vring_state state = { .index = index, .num = num };

	return transact(
		user, &(struct request){ .id = id, .payload = &state, .size = sizeof(state) });
}

static int set_vring_fd(
	struct vhost_user_front *user, enum vhost_user_request id, uint32_t index, int fd)
{
	uint64_t value = index | (fd < 0 ? VHOST_USER_VRING_NO_FD : 0);

	return transact(user,
		&(struct request){ .id = id,
			.payload = &value,
			.size = sizeof(value),
			.fds = &fd,
			.fd_count = fd < 0 ? 0 : 1 });
}

static int set_features(struct vhost_front *front, uint64_t features)
{
	struct vhost_user_front *user = to_user(front);

	features &= user->offered;
	if (user->protocol_negotiated)
		features |= BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	return set_u64(user, VHOST_USER_SET_FEATURES, features);
}

static int set_memory(struct vhost_front *front, const struct guest_memory *memory, int memory_fd)
{
	struct vhost_user_front *user = to_user(front);
	struct vhost_user_memory table = { .count = 0 };
	int fds[VHOST_USER_MAX_REGIONS];
	uint64_t offset = 0, features;
	int error;

	if (memory->count == 0 || memory->count > VHOST_USER_MAX_REGIONS)
		return -EINVAL;
	/* QEMU's back ends unmap what they have for it, under requests in flight as well. */
	if (user->has_memory)
		return user->error;
	for (size_t i = 0; i < memory->count; i++) {
		const struct guest_memory_region *region = &memory->regions[i];

		table.regions[i] = (struct vhost_user_region){
			.gpa = region->gpa,
			.size = region->size,
			.frontend_va = (uintptr_t)region->host,
			.mmap_offset = offset,
		};
		fds[i] = memory_fd;
		offset += region->size;
	}
	table.count = (uint32_t)memory->count;
	error = transact(user,
		&(struct request){ .id = VHOST_USER_SET_MEM_TABLE,
			.payload = &table,
			.size = VHOST_USER_MEMORY_HEADER_SIZE +
				table.count * (uint32_t)sizeof(table.regions[0]),
			.fds = fds,
			.fd_count = memory->count });
	/* Without acknowledgements, an answer to a later question says that it was handled. */
	if (error == 0 && !has_protocol_feature(user, VHOST_USER_PROTOCOL_F_REPLY_ACK))
		error = get_u64(user, VHOST_USER_GET_FEATURES, &features);
	user->has_memory = error == 0;
	return error;
}

static int start_queue(struct vhost_front *front, const struct vhost_queue *queue)
{
	struct vhost_user_front *user = to_user(front);
	struct vhost_user_vring_addr address = {
		.index = queue->index,
		.descriptors = (uintptr_t)queue->descriptors,
		.used = (uintptr_t)queue->used,
		.available = (uintptr_t)queue->available,
	};
	int error;

	if (queue->index >= VHOST_USER_FRONT_MAX_QUEUES)
		return -EINVAL;
	user->queues[queue->index] = *queue;
	error = set_state(user, VHOST_USER_SET_VRING_NUM, queue->index, queue->size);
	if (error == 0)
		error = set_state(user, VHOST_USER_SET_VRING_BASE, queue->index, 0);
	if (error == 0)
		error = transact(user,
			&(struct request){ .id = VHOST_USER_SET_VRING_ADDR,
				.payload = &address,
				.size = sizeof(address) });
	if (error == 0)
		error = set_vring_fd(user, VHOST_USER_SET_VRING_ERR, queue->index, queue->error_fd);
	if (error == 0)
		error = set_vring_fd(user, VHOST_USER_SET_VRING_CALL, queue->index, queue->call_fd);
	if (error == 0)
		error = set_vring_fd(user, VHOST_USER_SET_VRING_KICK, queue->index, queue->kick_fd);
	if (error == 0 && user->protocol_negotiated)
		error = set_state(user, VHOST_USER_SET_VRING_ENABLE, queue->index, 1);
	return error;
}

/*
 * Whether buffers are available that have not been used. More of them than the queue holds is no
 * driver's doing: a kernel that was started by the last one (kexec) has the ring's pages for other
 * things, and a back end that looked there would give up its connection.
 */
static bool is_busy(const struct vhost_queue *queue)
{
	/* After 16 bits of flags (virtio 1.2, 2.7.6 and 2.7.8). */
	const uint16_t *available = (const uint16_t *)queue->available + 1;
	const uint16_t *used = (const uint16_t *)queue->used + 1;
	uint16_t pending = (uint16_t)(__atomic_load_n(available, __ATOMIC_RELAXED) -
		__atomic_load_n(used, __ATOMIC_RELAXED));

	return pending != 0 && pending <= queue->size;
}

/*
 * Until all that the driver made available has been used. Both indices are the guest's: one that
 * falsifies them gets what the back end still does into its own next boot, or ends its VM here.
 * Returns 0 or -ETIMEDOUT (logged).
 */
static int wait_for_requests(struct vhost_user_front *user, const struct vhost_queue *queue)
{
	struct pollfd end = { .fd = user->socket, .events = POLLRDHUP };
	const int64_t deadline = deadline_of(user);

	/* The driver may have been stopped between making them available and its kick. */
	if (is_busy(queue))
		event_signal_shared(queue->kick_fd);
	while (is_busy(queue) && poll(&end, 1, 1) <= 0) {
		if (clock_ms() < deadline)
			continue;
		log_error("%s: requests of the guest's have not ended in time", user->name);
		user->error = -ETIMEDOUT;
		break;
	}
	return user->error;
}

static int stop_queue(struct vhost_front *front, uint32_t index)
{
	struct vhost_user_front *user = to_user(front);
	struct vhost_user_vring_state state = { .index = index }, reply = state;
	int error = user->error;

	if (user->uses_all && error == 0)
		error = wait_for_requests(user, &user->queues[index]);
	if (error != 0)
		return error;
	error = transact(user,
		&(struct request){ .id = VHOST_USER_GET_VRING_BASE,
			.payload = &state,
			.size = sizeof(state),
			.reply = &reply,
			.reply_size = sizeof(reply) });

	if (error == 0 && reply.index != index)
		return fail(user, -EPROTO, VHOST_USER_GET_VRING_BASE);
	return error;
}

/* A driver takes as many queues as its device says to have, and fails if there are fewer. */
static void limit_queues(const struct vhost_user_front *user, uint8_t *config, uint32_t size)
{
	uint32_t at = user->queues_field;
	uint16_t queues;

	if (at == 0 || at + sizeof(queues) > size)
		return;
	memcpy(&queues, config + at, sizeof(queues));
	if (le16toh(queues) <= user->queue_count)
		return;
	queues = htole16((uint16_t)user->queue_count);
	memcpy(config + at, &queues, sizeof(queues));
}

static int read_config(struct vhost_front *front, void *config, uint32_t size)
{
	struct vhost_user_config request = { .size = size }, reply;
	uint32_t length = VHOST_USER_CONFIG_HEADER_SIZE + size;
	int error;

	if (size > VHOST_USER_MAX_CONFIG_SIZE)
		return -EINVAL;
	error = transact(to_user(front),
		&(struct request){ .id = VHOST_USER_GET_CONFIG,
			.payload = &request,
			.size = length,
			.reply = &reply,
			.reply_size = length });
	if (error != 0)
		return error;
	memcpy(config, reply.data, size);
	limit_queues(to_user(front), config, size);
	return 0;
}

/* Most of its numbers mean other things where they come from the socket. */
static int error_of_worker(uint64_t number)
{
	if (number == 0)
		return 0;
	return number == ERANGE ? -ERANGE : -EREMOTEIO;
}

int vhost_user_front_resize(struct vhost_front *front, uint64_t bytes)
{
	struct vhost_user_front *user = to_user(front);
	uint64_t refused = 0;
	int error = transact(user,
		&(struct request){ .id = VHOST_USER_RESIZE,
			.payload = &bytes,
			.size = sizeof(bytes),
			.reply = &refused,
			.reply_size = sizeof(refused) });

	if (error == 0 && refused > LARGEST_ERRNO)
		error = fail(user, -EPROTO, VHOST_USER_RESIZE);
	return error != 0 ? error : error_of_worker(refused);
}

static const struct vhost_front_ops machine_config_ops = {
	.set_features = set_features,
	.set_memory = set_memory,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
};

static const struct vhost_front_ops back_end_config_ops = {
	.set_features = set_features,
	.set_memory = set_memory,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.read_config = read_config,
};

static int negotiate_protocol(struct vhost_user_front *user, uint32_t queue_count)
{
	const uint64_t understood = BIT(VHOST_USER_PROTOCOL_F_MQ) |
		BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) | BIT(VHOST_USER_PROTOCOL_F_CONFIG);
	uint64_t offered, queues = 0;
	int error = get_u64(user, VHOST_USER_GET_PROTOCOL_FEATURES, &offered);

	if (error == 0)
		error = set_u64(user, VHOST_USER_SET_PROTOCOL_FEATURES, offered & understood);
	if (error != 0)
		return error;
	/* Only now, as SET_PROTOCOL_FEATURES itself goes without acknowledgement. */
	user->protocol_features = offered & understood;
	user->protocol_negotiated = true;
	if (!has_protocol_feature(user, VHOST_USER_PROTOCOL_F_MQ))
		return 0;
	error = get_u64(user, VHOST_USER_GET_QUEUE_NUM, &queues);
	if (error == 0 && queues < queue_count) {
		log_error("%s: the back end has %llu queues, the device needs %u", user->name,
			(unsigned long long)queues, queue_count);
		return -ENOTSUP;
	}
	if (error == 0)
		user->queue_count = queues < UINT32_MAX ? (uint32_t)queues : UINT32_MAX;
	return error;
}

int vhost_user_front_open(
	struct vhost_user_front *front, int socket, const char *name, uint32_t queue_count)
{
	const struct timeval deadline = { .tv_sec = VHOST_DEADLINE_MS / 1000 };
	uint64_t features;
	int error;

	*front = (struct vhost_user_front){
		.front.ops = &machine_config_ops,
		.name = name,
		.socket = socket,
		.deadline_ms = VHOST_DEADLINE_MS,
		.queue_count = queue_count,
	};
	if (setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline)) != 0) {
		error = -errno;
		log_error("%s: cannot set a deadline on the back end's socket: %s", name,
			strerror(-error));
		return error;
	}
	error = get_u64(front, VHOST_USER_GET_FEATURES, &features);
	if (error != 0)
		return error;
	if ((features & BIT(VIRTIO_F_VERSION_1)) == 0) {
		log_error("%s: the back end does not offer VIRTIO_F_VERSION_1; use one that "
			  "speaks virtio 1.0 or later",
			name);
		return -ENOTSUP;
	}
	if ((features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)) != 0)
		error = negotiate_protocol(front, queue_count);
	if (error == 0)
		error = transact(front, &(struct request){ .id = VHOST_USER_SET_OWNER });
	if (error != 0)
		return error;
	if (has_protocol_feature(front, VHOST_USER_PROTOCOL_F_CONFIG))
		front->front.ops = &back_end_config_ops;
	front->offered = features & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES);
	front->front.features = front->offered;
	return 0;
}
