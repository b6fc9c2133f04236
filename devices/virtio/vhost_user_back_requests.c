/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/vhost_user_back_requests.h"

#include "vmm/base/util.h"

#include <errno.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

static uint64_t offered_features(const struct vhost_user_back *back)
{
	return back->device->features | BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
		BIT(VIRTIO_RING_F_EVENT_IDX) | BIT(VHOST_USER_F_PROTOCOL_FEATURES);
}

static uint64_t offered_protocol_features(const struct vhost_user_back *back)
{
	uint64_t features = BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK);

	if (back->device->config_size != 0)
		features |= BIT(VHOST_USER_PROTOCOL_F_CONFIG);
	return features;
}

/* The queue that a request names, or NULL. */
static struct vhost_user_back_queue *find_queue(struct vhost_user_back *back, uint64_t index)
{
	return index < back->device->queue_count ? &back->queues[index] : NULL;
}

static int set_features(struct vhost_user_back *back)
{
	uint64_t features = back->message.payload.u64;

	if ((features & ~offered_features(back)) != 0)
		return -EINVAL;
	back->features = features;
	back->acknowledged++;
	/* Rings begin disabled; a front end that does not know of that has them enabled. */
	if ((features & BIT(VHOST_USER_F_PROTOCOL_FEATURES)) == 0)
		for (uint32_t i = 0; i < back->device->queue_count; i++)
			back->queues[i].enabled = true;
	return 0;
}

static int set_protocol_features(struct vhost_user_back *back)
{
	if ((back->message.payload.u64 & ~offered_protocol_features(back)) != 0)
		return -EINVAL;
	back->protocol_features = back->message.payload.u64;
	return 0;
}

/* Deprecated; front ends that send it mean "disable all rings". */
static int reset_owner(struct vhost_user_back *back)
{
	for (uint32_t i = 0; i < back->device->queue_count; i++)
		back->queues[i].enabled = false;
	return 0;
}

int vhost_user_back_find_rings(
	const struct vhost_user_back *back, struct vhost_user_back_queue *queue)
{
	queue->ring.indirect = (back->features & BIT(VIRTIO_RING_F_INDIRECT_DESC)) != 0;
	queue->ring.event_index = (back->features & BIT(VIRTIO_RING_F_EVENT_IDX)) != 0;
	return virtqueue_find_rings(&queue->ring, &back->memory, &queue->addresses);
}

static void settle(struct vhost_user_back *back)
{
	if (back->device->settle != NULL)
		back->device->settle(back);
}

/* Memory may be replaced under running rings (hotplug): they go on at the same place. */
static int set_mem_table(struct vhost_user_back *back)
{
	const struct vhost_user_memory *table = &back->message.payload.memory;
	struct guest_memory memory = { .count = 0 };
	int error = 0;

	if (back->message.header.size < VHOST_USER_MEMORY_HEADER_SIZE || table->count == 0 ||
		table->count > VHOST_USER_MAX_REGIONS || table->count != back->fd_count ||
		back->message.header.size !=
			VHOST_USER_MEMORY_HEADER_SIZE + table->count * sizeof(table->regions[0]))
		return -EINVAL;
	for (uint32_t i = 0; i < table->count && error == 0; i++) {
		const struct vhost_user_region *region = &table->regions[i];

		error = guest_memory_map(&memory, back->fds[i], region->mmap_offset, region->gpa,
			region->size, region->frontend_va);
	}
	if (error != 0) {
		guest_memory_unmap(&memory);
		return error;
	}
	settle(back);
	guest_memory_unmap(&back->memory);
	back->memory = memory;
	for (uint32_t i = 0; i < back->device->queue_count; i++) {
		struct vhost_user_back_queue *queue = &back->queues[i];

		if (queue->started && vhost_user_back_find_rings(back, queue) != 0) {
			queue->ring.broken = true;
			error = -EFAULT;
		}
	}
	return error;
}

static int set_vring_num(struct vhost_user_back *back)
{
	const struct vhost_user_vring_state *state = &back->message.payload.state;
	struct vhost_user_back_queue *queue = find_queue(back, state->index);

	if (queue == NULL || state->num == 0 || state->num > VIRTQUEUE_MAX_SIZE ||
		(state->num & (state->num - 1)) != 0)
		return -EINVAL;
	if (queue->started)
		return -EBUSY;
	queue->ring.size = state->num;
	return 0;
}

static int set_vring_addr(struct vhost_user_back *back)
{
	const struct vhost_user_vring_addr *address = &back->message.payload.address;
	struct vhost_user_back_queue *queue = find_queue(back, address->index);
	const struct virtqueue_addresses addresses = {
		.descriptors = address->descriptors,
		.available = address->available,
		.used = address->used,
	};
	int error;

	/* Logging of writes is for migration, which is not offered. */
	if (queue == NULL || address->flags != 0)
		return -EINVAL;
	if (queue->started)
		settle(back);
	queue->addresses = addresses;
	queue->addresses_set = true;
	/* They are looked up again when the ring starts; here, so that a wrong one is answered. */
	error = vhost_user_back_find_rings(back, queue);
	if (error != 0) {
		queue->addresses_set = false;
		queue->started = false;
	}
	return error;
}

static int set_vring_base(struct vhost_user_back *back)
{
	const struct vhost_user_vring_state *state = &back->message.payload.state;
	struct vhost_user_back_queue *queue = find_queue(back, state->index);

	if (queue == NULL || state->num > UINT16_MAX)
		return -EINVAL;
	if (queue->started)
		return -EBUSY;
	queue->base = (uint16_t)state->num;
	return 0;
}

static int get_vring_base(struct vhost_user_back *back, struct vhost_user_vring_state *reply)
{
	uint32_t index = back->message.payload.state.index;
	struct vhost_user_back_queue *queue = find_queue(back, index);

	if (queue == NULL)
		return -EINVAL;
	/* A kick that nobody has looked at yet: a guest's last words, before its reset. */
	if (queue->kick_fd >= 0)
		vhost_user_back_kicked(back, index);
	if (queue->started) {
		if (back->device->queue_stopping != NULL)
			back->device->queue_stopping(back, index);
		queue->base = queue->ring.next_available;
	}
	queue->started = false;
	close_fd(&queue->kick_fd);
	*reply = (struct vhost_user_vring_state){ .index = index, .num = queue->base };
	return 0;
}

static int set_vring_enable(struct vhost_user_back *back)
{
	const struct vhost_user_vring_state *state = &back->message.payload.state;
	struct vhost_user_back_queue *queue = find_queue(back, state->index);

	if (queue == NULL || state->num > 1)
		return -EINVAL;
	queue->enabled = state->num == 1;
	return 0;
}

/* SET_VRING_KICK, _CALL and _ERR: a descriptor, or a flag that says there is none. */
static int set_vring_fd(struct vhost_user_back *back)
{
	uint64_t value = back->message.payload.u64;
	uint32_t request = back->message.header.request;
	struct vhost_user_back_queue *queue = find_queue(back, value & VHOST_USER_VRING_INDEX_MASK);
	bool has_fd = (value & VHOST_USER_VRING_NO_FD) == 0;
	int *fd;

	if (queue == NULL || back->fd_count != (has_fd ? 1 : 0) ||
		(value & ~(uint64_t)(VHOST_USER_VRING_INDEX_MASK | VHOST_USER_VRING_NO_FD)) != 0)
		return -EINVAL;
	/* No kicks means that the back end should poll the ring, which wastes a processor. */
	if (request == VHOST_USER_SET_VRING_KICK && !has_fd)
		return -EOPNOTSUPP;
	fd = request == VHOST_USER_SET_VRING_KICK      ? &queue->kick_fd
		: request == VHOST_USER_SET_VRING_CALL ? &queue->call_fd
						       : &queue->error_fd;
	close_fd(fd);
	if (has_fd) {
		*fd = back->fds[0];
		back->fd_count = 0;
	}
	return 0;
}

static int get_config(
	struct vhost_user_back *back, union vhost_user_payload *reply, uint32_t *reply_size)
{
	const struct vhost_user_config *request = &back->message.payload.config;
	uint32_t size = back->message.header.size;

	if (size < VHOST_USER_CONFIG_HEADER_SIZE ||
		size - VHOST_USER_CONFIG_HEADER_SIZE != request->size ||
		request->offset > back->device->config_size ||
		request->size > back->device->config_size - request->offset)
		return -EINVAL;
	memcpy(reply, request, VHOST_USER_CONFIG_HEADER_SIZE);
	if (request->size != 0)
		memcpy(reply->config.data, (const char *)back->device->config + request->offset,
			request->size);
	*reply_size = size;
	return 0;
}

static int reply_u64(uint64_t value, union vhost_user_payload *reply, uint32_t *reply_size)
{
	reply->u64 = value;
	*reply_size = sizeof(value);
	return 0;
}

static int resize(
	struct vhost_user_back *back, union vhost_user_payload *reply, uint32_t *reply_size)
{
	int error;

	if (back->device->resize == NULL)
		return -EOPNOTSUPP;
	error = back->device->resize(back, back->message.payload.u64);
	return reply_u64((uint64_t)-error, reply, reply_size);
}

/* The payload's exact size, or -1 where the request's own function checks it. */
static int64_t payload_size(uint32_t request)
{
	switch (request) {
	case VHOST_USER_GET_FEATURES:
	case VHOST_USER_SET_OWNER:
	case VHOST_USER_RESET_OWNER:
	case VHOST_USER_GET_PROTOCOL_FEATURES:
	case VHOST_USER_GET_QUEUE_NUM:
		return 0;
	case VHOST_USER_SET_FEATURES:
	case VHOST_USER_SET_PROTOCOL_FEATURES:
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
	case VHOST_USER_RESIZE:
		return sizeof(uint64_t);
	case VHOST_USER_SET_VRING_NUM:
	case VHOST_USER_SET_VRING_BASE:
	case VHOST_USER_GET_VRING_BASE:
	case VHOST_USER_SET_VRING_ENABLE:
		return sizeof(struct vhost_user_vring_state);
	case VHOST_USER_SET_VRING_ADDR:
		return sizeof(struct vhost_user_vring_addr);
	default:
		return -1;
	}
}

static bool may_have_fds(uint32_t request)
{
	return request == VHOST_USER_SET_MEM_TABLE || request == VHOST_USER_SET_VRING_KICK ||
		request == VHOST_USER_SET_VRING_CALL || request == VHOST_USER_SET_VRING_ERR;
}

int vhost_user_back_serve(
	struct vhost_user_back *back, union vhost_user_payload *reply, uint32_t *reply_size)
{
	const struct vhost_user_header *header = &back->message.header;
	int64_t size = payload_size(header->request);

	if (back->too_many_fds || (back->fd_count != 0 && !may_have_fds(header->request)) ||
		(size >= 0 && size != header->size))
		return -EINVAL;
	switch (header->request) {
	case VHOST_USER_GET_FEATURES:
		return reply_u64(offered_features(back), reply, reply_size);
	case VHOST_USER_SET_FEATURES:
		return set_features(back);
	case VHOST_USER_SET_OWNER:
		return 0;
	case VHOST_USER_RESET_OWNER:
		return reset_owner(back);
	case VHOST_USER_SET_MEM_TABLE:
		return set_mem_table(back);
	case VHOST_USER_SET_VRING_NUM:
		return set_vring_num(back);
	case VHOST_USER_SET_VRING_ADDR:
		return set_vring_addr(back);
	case VHOST_USER_SET_VRING_BASE:
		return set_vring_base(back);
	case VHOST_USER_GET_VRING_BASE:
		*reply_size = sizeof(reply->state);
		return get_vring_base(back, &reply->state);
	case VHOST_USER_SET_VRING_KICK:
	case VHOST_USER_SET_VRING_CALL:
	case VHOST_USER_SET_VRING_ERR:
		return set_vring_fd(back);
	case VHOST_USER_GET_PROTOCOL_FEATURES:
		return reply_u64(offered_protocol_features(back), reply, reply_size);
	case VHOST_USER_SET_PROTOCOL_FEATURES:
		return set_protocol_features(back);
	case VHOST_USER_GET_QUEUE_NUM:
		return reply_u64(back->device->queue_count, reply, reply_size);
	case VHOST_USER_SET_VRING_ENABLE:
		return set_vring_enable(back);
	case VHOST_USER_RESIZE:
		return resize(back, reply, reply_size);
	case VHOST_USER_GET_CONFIG:
		return get_config(back, reply, reply_size);
	default:
		/* SET_CONFIG among them: the devices here have no writable fields. */
		return -EOPNOTSUPP;
	}
}
