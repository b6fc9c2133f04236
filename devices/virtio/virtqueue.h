/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device's side of a split virtqueue (virtio 1.2, section 2.7), for workers. Everything that
 * is read from the rings is the guest's and may change at any moment: each descriptor is copied
 * once and only the copy is looked at.
 *
 * A ring that breaks a rule is marked broken and stays so until it is set up again; nothing is
 * read from it any more. One thread at a time.
 */
#ifndef DEVICES_VIRTIO_VIRTQUEUE_H
#define DEVICES_VIRTIO_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_memory;
struct vring_avail;
struct vring_desc;
struct vring_used;

/* The longest queue served here; the format allows 32768 (2.7). */
#define VIRTQUEUE_MAX_SIZE 1024

/*
 * A piece of guest memory. It lay inside guest RAM when the chain was taken; ask
 * guest_memory_at() again before each use, as the memory table may be replaced in between.
 */
struct virtqueue_segment {
	uint64_t gpa;
	uint32_t length; /* bytes, not 0 */
};

/* A buffer that the driver made available: first what the device reads, then what it writes. */
struct virtqueue_chain {
	uint16_t head; /* names the buffer in virtqueue_push() */
	uint32_t readable_count, writable_count;
	uint32_t readable_bytes, writable_bytes; /* their sum is at most UINT32_MAX (2.7.4) */
	struct virtqueue_segment segments[VIRTQUEUE_MAX_SIZE];
};

/* Where the front end says that a ring is, in its own address space. */
struct virtqueue_addresses {
	uint64_t descriptors, available, used;
};

struct virtqueue {
	uint32_t index;	  /* for the log */
	uint32_t size;	  /* entries, a power of two; 0: not set up */
	bool indirect;	  /* VIRTIO_F_INDIRECT_DESC was negotiated */
	bool event_index; /* VIRTIO_F_EVENT_IDX was negotiated */
	bool broken;
	bool broken_logged; /* a guest cannot fill the host's log by resetting and starting over */
	bool signalled_once;
	uint16_t next_available, next_used, signalled_used;
	const struct vring_desc *descriptors;
	struct vring_avail *available;
	struct vring_used *used;
};

/*
 * Finds the three parts of the ring. `queue->size` is set by then. Returns 0, -EINVAL (a part is
 * not aligned as 2.7 asks, or size is no power of two) or -EFAULT (not in guest RAM); the queue is
 * without rings then.
 */
int virtqueue_find_rings(struct virtqueue *queue, const struct guest_memory *memory,
	const struct virtqueue_addresses *addresses);

/* Begins to work on rings that were found, at available entry `next_available`. */
void virtqueue_start(struct virtqueue *queue, uint16_t next_available);

/*
 * Takes the next available buffer. Returns 1 with *chain, 0 when there is none, or -EPROTO when
 * the queue is broken (logged the first time).
 */
int virtqueue_pop(
	struct virtqueue *queue, const struct guest_memory *memory, struct virtqueue_chain *chain);

/* Gives back the buffer taken last, so that the next pop takes it again. */
void virtqueue_unpop(struct virtqueue *queue);

/* Hands a buffer back to the driver; the device wrote its first `written` bytes. */
void virtqueue_push(struct virtqueue *queue, uint16_t head, uint32_t written);

/* The same of several, which the driver is to see together: each is put, then all are published. */
void virtqueue_put(struct virtqueue *queue, uint16_t head, uint32_t written);
void virtqueue_publish(struct virtqueue *queue);

/* Whether the driver wants an interrupt for what was pushed since this was last asked. */
bool virtqueue_wants_signal(struct virtqueue *queue);

/* Asks the driver for kicks. True when a buffer is there already: no kick will come for it. */
bool virtqueue_enable_kicks(struct virtqueue *queue);

/* Tells the driver that kicks are of no use now. It may send some all the same. */
void virtqueue_disable_kicks(struct virtqueue *queue);

/* Copies up to `size` bytes into the writable part. Returns how many. virtqueue_reader.h reads. */
uint32_t virtqueue_copy_to_chain(const struct virtqueue_chain *chain,
	const struct guest_memory *memory, const void *data, size_t size);

#endif
