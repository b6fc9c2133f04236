/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/virtqueue.h"

#include "vmm/base/guest_memory.h"
#include "vmm/base/log.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/virtio_ring.h>

/*
 * Copies out of guest memory. The barrier keeps the compiler from reading the source again where
 * the copy is used: the guest may have written something else there by then.
 */
static void copy_once(void *copy, const void *source, size_t size)
{
	memcpy(copy, source, size);
	__asm__ volatile("" ::: "memory");
}

/* The 16 bits behind the available ring: which used entry the driver wants to hear of (2.7.7). */
static uint16_t *used_event(const struct virtqueue *queue)
{
	return &queue->available->ring[queue->size];
}

/* The 16 bits behind the used ring: which available entry the device wants to hear of (2.7.10). */
static uint16_t *available_event(const struct virtqueue *queue)
{
	return (uint16_t *)(void *)&queue->used->ring[queue->size];
}

/* The bytes of a part of the ring, if they are all in guest memory and aligned where we see them.
 */
static int find_part(const struct guest_memory *memory, uint64_t address, uint64_t size,
	uint64_t alignment, void **part)
{
	*part = guest_memory_at_frontend_va(memory, address, size);
	if (*part == NULL)
		return -EFAULT;
	return (uintptr_t)*part % alignment == 0 ? 0 : -EINVAL;
}

int virtqueue_find_rings(struct virtqueue *queue, const struct guest_memory *memory,
	const struct virtqueue_addresses *addresses)
{
	uint64_t size = queue->size;
	void *descriptors, *available, *used;
	int error;

	queue->descriptors = NULL;
	queue->available = NULL;
	queue->used = NULL;
	if (size == 0 || size > VIRTQUEUE_MAX_SIZE || (size & (size - 1)) != 0)
		return -EINVAL;
	/* Sizes and alignments: the table in 2.7. */
	error = find_part(memory, addresses->descriptors, size * sizeof(struct vring_desc),
		VRING_DESC_ALIGN_SIZE, &descriptors);
	if (error == 0)
		error = find_part(memory, addresses->available, 6 + 2 * size,
			VRING_AVAIL_ALIGN_SIZE, &available);
	if (error == 0)
		error = find_part(
			memory, addresses->used, 6 + 8 * size, VRING_USED_ALIGN_SIZE, &used);
	if (error != 0)
		return error;
	queue->descriptors = descriptors;
	queue->available = available;
	queue->used = used;
	return 0;
}

void virtqueue_start(struct virtqueue *queue, uint16_t next_available)
{
	queue->broken = false;
	queue->next_available = next_available;
	/* 0 after a reset; where a paused ring goes on, what the driver was given last. */
	queue->next_used = le16toh(__atomic_load_n(&queue->used->idx, __ATOMIC_RELAXED));
	queue->signalled_used = queue->next_used;
	queue->signalled_once = false;
}

static int mark_broken(struct virtqueue *queue, const char *reason)
{
	queue->broken = true;
	if (!queue->broken_logged)
		log_error("queue %u: the guest's driver broke the ring: %s; the queue stops until "
			  "the driver resets the device",
			queue->index, reason);
	queue->broken_logged = true;
	return -EPROTO;
}

/* NULL, or what is wrong with the descriptor. */
static const char *add_segment(struct virtqueue_chain *chain, const struct guest_memory *memory,
	const struct vring_desc *descriptor)
{
	bool writable = (le16toh(descriptor->flags) & VRING_DESC_F_WRITE) != 0;
	uint64_t gpa = le64toh(descriptor->addr);
	uint32_t length = le32toh(descriptor->len);
	uint32_t *bytes = writable ? &chain->writable_bytes : &chain->readable_bytes;
	uint32_t total;

	if (!writable && chain->writable_count != 0)
		return "a buffer to read from follows one to write to (2.7.4.2)";
	if (length == 0)
		return NULL;
	if (__builtin_add_overflow(chain->readable_bytes + chain->writable_bytes, length, &total))
		return "a chain is longer than 4 GiB (2.7.4)";
	if (guest_memory_at(memory, gpa, length) == NULL)
		return "a buffer is not in guest memory";
	chain->segments[chain->readable_count + chain->writable_count] =
		(struct virtqueue_segment){ .gpa = gpa, .length = length };
	*(writable ? &chain->writable_count : &chain->readable_count) += 1;
	*bytes += length;
	return NULL;
}

/* NULL with the table that `descriptor` refers to, or what is wrong with it (2.7.5.3). */
static const char *find_indirect_table(const struct virtqueue *queue,
	const struct guest_memory *memory, const struct vring_desc *descriptor,
	const struct vring_desc **table, uint32_t *table_size)
{
	uint32_t length = le32toh(descriptor->len);

	if (!queue->indirect)
		return "an indirect descriptor, which was not negotiated";
	if ((le16toh(descriptor->flags) & VRING_DESC_F_NEXT) != 0)
		return "a descriptor is indirect and has a next one";
	if (length == 0 || length % sizeof(struct vring_desc) != 0)
		return "an indirect table's length is no multiple of 16";
	*table = guest_memory_at(memory, le64toh(descriptor->addr), length);
	if (*table == NULL)
		return "an indirect table is not in guest memory";
	*table_size = length / (uint32_t)sizeof(struct vring_desc);
	return NULL;
}

/*
 * Collects the chain that starts at `head`. A chain has at most as many buffers as the queue has
 * entries (2.7.5), which ends loops too. NULL, or what is wrong.
 */
static const char *read_chain(const struct virtqueue *queue, const struct guest_memory *memory,
	uint16_t head, struct virtqueue_chain *chain)
{
	const struct vring_desc *table = queue->descriptors;
	uint32_t table_size = queue->size, index = head, walked = 0;
	bool in_indirect = false;

	for (;;) {
		struct vring_desc descriptor;
		const char *wrong;

		if (index >= table_size)
			return "a descriptor's index is past the table";
		copy_once(&descriptor, (const char *)table + index * sizeof(descriptor),
			sizeof(descriptor));
		if ((le16toh(descriptor.flags) & VRING_DESC_F_INDIRECT) != 0) {
			if (in_indirect)
				return "an indirect table inside an indirect table";
			wrong = find_indirect_table(
				queue, memory, &descriptor, &table, &table_size);
			if (wrong != NULL)
				return wrong;
			in_indirect = true;
			index = 0;
			continue;
		}
		if (walked++ >= queue->size)
			return "a chain is longer than the queue, or a loop";
		wrong = add_segment(chain, memory, &descriptor);
		if (wrong != NULL)
			return wrong;
		if ((le16toh(descriptor.flags) & VRING_DESC_F_NEXT) == 0)
			return NULL;
		index = le16toh(descriptor.next);
	}
}

static uint16_t waiting(const struct virtqueue *queue)
{
	/* Acquire: the ring entry and its descriptors were written before the index. */
	uint16_t index = le16toh(__atomic_load_n(&queue->available->idx, __ATOMIC_ACQUIRE));

	return (uint16_t)(index - queue->next_available);
}

int virtqueue_pop(
	struct virtqueue *queue, const struct guest_memory *memory, struct virtqueue_chain *chain)
{
	const uint16_t *entry;
	const char *wrong;
	uint16_t count;

	if (queue->broken)
		return -EPROTO;
	count = waiting(queue);
	if (count == 0)
		return 0;
	if (count > queue->size)
		return mark_broken(queue, "more buffers are available than the queue has entries");
	entry = &queue->available->ring[queue->next_available & (queue->size - 1)];
	chain->head = le16toh(__atomic_load_n(entry, __ATOMIC_RELAXED));
	chain->readable_count = 0;
	chain->writable_count = 0;
	chain->readable_bytes = 0;
	chain->writable_bytes = 0;
	wrong = read_chain(queue, memory, chain->head, chain);
	if (wrong != NULL)
		return mark_broken(queue, wrong);
	queue->next_available++;
	return 1;
}

void virtqueue_unpop(struct virtqueue *queue)
{
	queue->next_available--;
}

void virtqueue_put(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	vring_used_elem_t *element = &queue->used->ring[queue->next_used & (queue->size - 1)];

	__atomic_store_n(&element->id, htole32(head), __ATOMIC_RELAXED);
	__atomic_store_n(&element->len, htole32(written), __ATOMIC_RELAXED);
	queue->next_used++;
}

void virtqueue_publish(struct virtqueue *queue)
{
	/* Release: whoever sees the index sees the entry, and the data in the buffer (2.7.8.2). */
	__atomic_store_n(&queue->used->idx, htole16(queue->next_used), __ATOMIC_RELEASE);
}

void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written)
{
	virtqueue_put(queue, head, written);
	virtqueue_publish(queue);
}

bool virtqueue_wants_signal(struct virtqueue *queue)
{
	uint16_t before = queue->signalled_used, event;

	if (queue->next_used == before)
		return false;
	/* The index goes out before the driver's wish is read; the driver does it the other way
	 * round, so that one of the two notices the other. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	queue->signalled_used = queue->next_used;
	if (!queue->event_index) {
		uint16_t flags = __atomic_load_n(&queue->available->flags, __ATOMIC_RELAXED);

		return (le16toh(flags) & VRING_AVAIL_F_NO_INTERRUPT) == 0;
	}
	event = le16toh(__atomic_load_n(used_event(queue), __ATOMIC_RELAXED));
	if (!queue->signalled_once) {
		queue->signalled_once = true;
		return true;
	}
	return vring_need_event(event, queue->next_used, before) != 0;
}

bool virtqueue_enable_kicks(struct virtqueue *queue)
{
	if (queue->event_index)
		__atomic_store_n(
			available_event(queue), htole16(queue->next_available), __ATOMIC_RELAXED);
	else
		__atomic_store_n(&queue->used->flags, 0, __ATOMIC_RELAXED);
	/* As in virtqueue_wants_signal(), with the parts exchanged. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !queue->broken && waiting(queue) != 0;
}

void virtqueue_disable_kicks(struct virtqueue *queue)
{
	/* With VIRTIO_F_EVENT_IDX an event index that is not moved on does it (2.7.10). */
	if (!queue->event_index)
		__atomic_store_n(
			&queue->used->flags, htole16(VRING_USED_F_NO_NOTIFY), __ATOMIC_RELAXED);
}

uint32_t virtqueue_copy_to_chain(const struct virtqueue_chain *chain,
	const struct guest_memory *memory, const void *data, size_t size)
{
	uint32_t copied = 0;

	for (uint32_t i = 0; i < chain->writable_count && copied < size; i++) {
		const struct virtqueue_segment *segment =
			&chain->segments[chain->readable_count + i];
		size_t left = size - copied;
		size_t part = left < segment->length ? left : segment->length;
		void *target = guest_memory_at(memory, segment->gpa, part);

		if (target == NULL)
			break;
		memcpy(target, (const char *)data + copied, part);
		copied += (uint32_t)part;
	}
	return copied;
}
