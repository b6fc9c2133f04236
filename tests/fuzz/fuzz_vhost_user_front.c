/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A back end that answers the machine with anything: what the machine makes of it, and what it
 * sends meanwhile.
 *
 * Input: the features, protocol features and queues that the back end claims; then steps of a byte,
 * the operation, with its arguments. Each answer takes a byte: up to 0xdf it is right, later ones
 * are of another request, version, length, cut short, missing, or bring descriptors.
 */
#include "devices/virtio/vhost_user.h"
#include "devices/virtio/vhost_user_front.h"
#include "tests/fuzz/fuzz_input.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#define RAM_SIZE 0x10000
#define STEPS	 60
#define NEEDED	 3 /* queues */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct guest_memory memory;
static int memory_fd, event_fd;
static uint16_t available[2], used[2]; /* flags and index */

struct world {
	struct fuzz_input input;
	struct vhost_user_front front;
	int machine, back; /* the two ends of the socket */
	bool wrong;	   /* an answer of this step was none */
	bool refused;	   /* or said no */
};

/* --- the back end ----------------------------------------------------------------------------- */

static void say(struct world *world, const void *data, size_t size, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct iovec part = { (void *)(uintptr_t)data, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		control.align = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
	}
	if (size != 0) /* one that hung up says no more */
		(void)!sendmsg(world->back, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The answer that a byte of the input makes of the right one: its header, and how much of it comes.
 */
static size_t spoil(struct world *world, struct vhost_user_header *header, size_t length, int *fd)
{
	uint8_t kind = fuzz_byte(&world->input);

	switch (kind < 0xe0 ? 0 : kind & 7) {
	case 1:
		header->request ^= 1u + (fuzz_byte(&world->input) & 0x7f);
		break;
	case 2:
		header->flags = fuzz_byte(&world->input);
		break;
	case 3:
		fuzz_take(&world->input, &header->size, 2);
		break;
	case 4:
		header->size = 0;
		return sizeof(*header);
	case 5:
		return fuzz_byte(&world->input) % length;
	case 6:
		*fd = event_fd;
		break;
	default:
		break;
	}
	return length;
}

/* Ahead of the question. */
static void answer(struct world *world, uint32_t request, const void *payload, uint32_t size)
{
	struct vhost_user_header header = { request, VHOST_USER_VERSION | VHOST_USER_REPLY, size };
	uint8_t bytes[sizeof(header) + sizeof(union vhost_user_payload)];
	size_t whole = sizeof(header) + size, length, cut;
	bool asked;
	int fd = -1;

	length = spoil(world, &header, whole, &fd);
	memcpy(bytes, &header, sizeof(header));
	memcpy(bytes + sizeof(header), payload, size);
	cut = length < 5 ? length : 5;
	say(world, bytes, cut, fd);
	say(world, bytes + cut, length - cut, fd);
	if (length < sizeof(header) + header.size)
		shutdown(world->back, SHUT_WR);
	asked = length >= sizeof(header) && header.request == request && (header.flags & 7) == 5;
	if (asked && request == VHOST_USER_GET_CONFIG && header.size == 0)
		world->refused = true;
	else if (!asked || header.size != size || length != whole)
		world->wrong = true;
}

static void answer_u64(struct world *world, uint32_t request, uint64_t value)
{
	answer(world, request, &value, sizeof(value));
}

static bool negotiated(const struct world *world, unsigned int bit)
{
	return (world->front.protocol_features & BIT(bit)) != 0;
}

static void acknowledge(struct world *world, uint32_t request)
{
	uint8_t no = fuzz_byte(&world->input);

	if (!negotiated(world, VHOST_USER_PROTOCOL_F_REPLY_ACK))
		return;
	/* Not after a refusal: nothing more is asked then. */
	if (world->wrong || world->refused)
		return;
	world->refused = no > 0xf0;
	answer_u64(world, request, world->refused ? no : 0);
}

/* --- what the machine sends ----------------------------------------------------------------- */

static size_t count_fds(struct msghdr *message)
{
	size_t count = 0;

	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
		part = CMSG_NXTHDR(message, part)) {
		size_t bytes = part->cmsg_len - CMSG_LEN(0);

		fuzz_check(part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS);
		for (size_t at = 0; at < bytes; at += sizeof(int), count++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + at, sizeof(fd));
			close(fd);
		}
	}
	return count;
}

static bool has_own_answer(uint32_t request)
{
	return request == VHOST_USER_GET_FEATURES || request == VHOST_USER_GET_PROTOCOL_FEATURES ||
		request == VHOST_USER_GET_QUEUE_NUM || request == VHOST_USER_GET_VRING_BASE ||
		request == VHOST_USER_GET_CONFIG || request == VHOST_USER_RESIZE;
}

static size_t fds_of(uint32_t request)
{
	switch (request) {
	case VHOST_USER_SET_MEM_TABLE:
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		return 1;
	default:
		return 0;
	}
}

/* Whole messages, of the version, asking for what was negotiated, with their descriptors. */
static size_t check_sent(struct world *world)
{
	char control[CMSG_SPACE(sizeof(int) * VHOST_USER_MAX_FDS)];
	bool acknowledged = negotiated(world, VHOST_USER_PROTOCOL_F_REPLY_ACK);
	size_t messages = 0;

	for (;; messages++) {
		struct vhost_user_header header;
		union vhost_user_payload payload;
		struct iovec part = { &header, sizeof(header) };
		struct msghdr message = { .msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };

		if (recvmsg(world->back, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !=
			sizeof(header))
			return messages;
		fuzz_check(count_fds(&message) == fds_of(header.request));
		fuzz_check((header.flags & ~VHOST_USER_NEED_REPLY) == VHOST_USER_VERSION);
		fuzz_check(!(header.flags & VHOST_USER_NEED_REPLY) ||
			(acknowledged && !has_own_answer(header.request)));
		fuzz_check(header.size <= sizeof(payload));
		if (header.size != 0)
			fuzz_check(recv(world->back, &payload, header.size, MSG_DONTWAIT) ==
				(ssize_t)header.size);
	}
}

/* --- operations ---------------------------------------------------------------------------------
 */

static int set_features(struct world *world)
{
	uint64_t features;

	fuzz_take(&world->input, &features, sizeof(features));
	acknowledge(world, VHOST_USER_SET_FEATURES);
	return world->front.front.ops->set_features(&world->front.front, features);
}

static int set_memory(struct world *world)
{
	bool again = world->front.has_memory;
	int error;

	if (!again && negotiated(world, VHOST_USER_PROTOCOL_F_REPLY_ACK))
		acknowledge(world, VHOST_USER_SET_MEM_TABLE);
	else if (!again)
		answer_u64(world, VHOST_USER_GET_FEATURES, 0);
	error = world->front.front.ops->set_memory(&world->front.front, &memory, memory_fd);
	fuzz_check(world->front.has_memory == (again || error == 0));
	return error;
}

static int start_queue(struct world *world)
{
	const uint32_t requests[] = { VHOST_USER_SET_VRING_NUM, VHOST_USER_SET_VRING_BASE,
		VHOST_USER_SET_VRING_ADDR, VHOST_USER_SET_VRING_ERR, VHOST_USER_SET_VRING_CALL,
		VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_ENABLE };
	const struct vhost_queue queue = {
		.index = fuzz_byte(&world->input) % VHOST_USER_FRONT_MAX_QUEUES,
		.size = 16,
		.descriptors = available,
		.available = available,
		.used = used,
		.kick_fd = event_fd,
		.call_fd = event_fd,
		.error_fd = event_fd,
	};

	for (size_t i = 0; i < (world->front.protocol_negotiated ? 7 : 6); i++)
		acknowledge(world, requests[i]);
	return world->front.front.ops->start_queue(&world->front.front, &queue);
}

static int stop_queue(struct world *world)
{
	uint8_t step = fuzz_byte(&world->input);
	uint32_t index = step % VHOST_USER_FRONT_MAX_QUEUES;
	struct vhost_user_vring_state state = { .index = index };
	int error;

	if (world->front.queues[index].used == NULL)
		return 0; /* the register file stops what it started */
	/* Requests that never end. */
	available[1] = (uint16_t)(used[1] + (step > 0xf8));
	if (world->front.uses_all && available[1] != used[1]) {
		world->front.deadline_ms = 1;
		world->wrong = true;
	}
	if (step > 0xe0 && step < 0xf0) {
		state.index ^= 1u << (step & 15);
		world->wrong = true;
	}
	fuzz_take(&world->input, &state.num, 2);
	answer(world, VHOST_USER_GET_VRING_BASE, &state, sizeof(state));
	error = world->front.front.ops->stop_queue(&world->front.front, index);
	world->front.deadline_ms = VHOST_DEADLINE_MS;
	return error;
}

static int read_config(struct world *world)
{
	uint32_t size = fuzz_byte(&world->input);
	struct vhost_user_config config = { .size = size };
	uint8_t room[VHOST_USER_MAX_CONFIG_SIZE + 16], untouched[sizeof(room)];
	int error;

	if (world->front.front.ops->read_config == NULL)
		return 0;
	fuzz_take(&world->input, config.data, size);
	answer(world, VHOST_USER_GET_CONFIG, &config, VHOST_USER_CONFIG_HEADER_SIZE + size);
	memset(room, 0xa5, sizeof(room));
	memset(untouched, 0xa5, sizeof(untouched));
	error = world->front.front.ops->read_config(&world->front.front, room, size);
	if (error == 0)
		memcpy(untouched, config.data, size);
	fuzz_check(memcmp(room, untouched, sizeof(room)) == 0);
	return error;
}

static int resize(struct world *world)
{
	static const uint64_t results[] = { 0, ERANGE, EIO, 4095, 4096, UINT64_MAX, 1, 0 };
	uint64_t result = results[fuzz_byte(&world->input) & 7];
	bool failed = world->front.error != 0;
	int error;

	answer_u64(world, VHOST_USER_RESIZE, result);
	error = vhost_user_front_resize(&world->front.front, 512);
	if (world->wrong || failed)
		return error;
	fuzz_check(error ==
		(result > 4095			   ? -EPROTO
				: result == ERANGE ? -ERANGE
				: result != 0	   ? -EREMOTEIO
						   : 0));
	/* Said with the right answer, and told apart by the check above. */
	world->wrong = result > 4095;
	world->refused = result != 0;
	return error == -ERANGE ? -EREMOTEIO : error;
}

/* --- the whole -------------------------------------------------------------------------------- */

static void one_step(struct world *world)
{
	static int (*const operations[])(struct world *) = { set_features, set_memory, start_queue,
		stop_queue, read_config, resize };
	int latched = world->front.error, error;
	char rest[4096];

	world->wrong = world->refused = false;
	error = operations[fuzz_byte(&world->input) % 6](world);
	if (latched != 0) {
		fuzz_check(check_sent(world) == 0 && world->front.error == latched);
		fuzz_check(error == latched || error == 0);
		return;
	}
	check_sent(world);
	/* What is no answer fails, for good; a refusal does not, and nothing else does. */
	fuzz_check(!world->wrong || error != 0);
	if (error == 0 || error == -EREMOTEIO)
		fuzz_check(world->front.error == 0 && (error != 0) == world->refused);
	else
		fuzz_check(world->front.error == error && world->wrong &&
			(error == -ECONNRESET || error == -ETIMEDOUT || error == -EPROTO));
	/* A back end answers no more than it is asked. */
	while (world->front.error == 0 &&
		recv(world->machine, rest, sizeof(rest), MSG_DONTWAIT) > 0) {
	}
}

static bool greet(struct world *world)
{
	struct vhost_user_front *front = &world->front;
	uint64_t features, protocol;
	uint8_t queues;
	int error;

	fuzz_take(&world->input, &features, sizeof(features));
	fuzz_take(&world->input, &protocol, 2);
	protocol &= UINT64_C(0xffff);
	queues = fuzz_byte(&world->input);
	features ^= BIT(VIRTIO_F_VERSION_1);
	answer_u64(world, VHOST_USER_GET_FEATURES, features);
	if (features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)) {
		answer_u64(world, VHOST_USER_GET_PROTOCOL_FEATURES, protocol);
		front->protocol_features = protocol;
		if (negotiated(world, VHOST_USER_PROTOCOL_F_MQ))
			answer_u64(world, VHOST_USER_GET_QUEUE_NUM, queues);
		acknowledge(world, VHOST_USER_SET_OWNER);
	}
	/* Nobody waits for what does not come. */
	if (world->wrong)
		shutdown(world->back, SHUT_WR);
	error = vhost_user_front_open(front, world->machine, "fuzz", NEEDED);
	check_sent(world);
	fuzz_check(!world->wrong || error != 0);
	if (error != 0)
		return false;
	fuzz_check(features & BIT(VIRTIO_F_VERSION_1));
	fuzz_check(front->front.features == (features & ~BIT(VHOST_USER_F_PROTOCOL_FEATURES)));
	fuzz_check(front->queue_count >= NEEDED);
	fuzz_check((front->protocol_features &
			   ~(BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
				   BIT(VHOST_USER_PROTOCOL_F_CONFIG))) == 0);
	fuzz_check((front->front.ops->read_config != NULL) ==
		negotiated(world, VHOST_USER_PROTOCOL_F_CONFIG));
	return true;
}

static void open_all(void)
{
	memory_fd = guest_memory_create_fd(RAM_SIZE);
	fuzz_check(memory_fd >= 0 &&
		guest_memory_map(&memory, memory_fd, 0, 0x40000000, RAM_SIZE, 0) == 0);
	event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fuzz_check(event_fd >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct timeval soon = { .tv_usec = 1000 };
	struct world world = { .input = { data, size } };
	int pair[2], free_before, free_after;

	if (memory.count == 0)
		open_all();
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	free_before = dup(event_fd);
	close(free_before);
	world.machine = pair[0];
	world.back = pair[1];
	if (greet(&world)) {
		fuzz_check(setsockopt(world.machine, SOL_SOCKET, SO_RCVTIMEO, &soon,
				   sizeof(soon)) == 0);
		world.front.uses_all = (fuzz_byte(&world.input) & 1) != 0;
		for (int i = 0; i < STEPS && world.input.left; i++)
			one_step(&world);
	}
	/* Descriptors that came along are not kept. */
	free_after = dup(event_fd);
	fuzz_check(free_after == free_before);
	close(free_after);
	close(world.machine);
	close(world.back);
	return 0;
}
