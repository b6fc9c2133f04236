/* SPDX-License-Identifier: Apache-2.0 */
/* What an attack on virtqueues is made of: queues.c sets devices up, chains.c fills their rings. */
#ifndef RIG_BARE_QUEUES_H
#define RIG_BARE_QUEUES_H

#include "bare.h"

#pragma GCC visibility push(hidden)

#define QUEUES	      8	  /* of a device, at most; others are left alone */
#define QUEUE_LARGEST 256 /* entries */

/* virtio 1.2, 5. */
enum {
	TYPE_NET = 1,
	TYPE_BLOCK = 2,
	TYPE_CONSOLE = 3,
	TYPE_RNG = 4,
	TYPE_BALLOON = 5,
	TYPE_VSOCK = 19,
};

struct queue {
	uint32_t size, size_max; /* entries */
	uint64_t descriptors, available, used;
	bool reachable;	 /* the rings are in memory */
	bool home;	 /* and where the device alone changes the used ring: what is seen counts */
	uint16_t next;	 /* the available index */
	uint16_t seen;	 /* the used one, when it was last looked at */
	uint32_t cursor; /* the next descriptor to be filled */
};

/* Changed by the CPU that owns it alone, but for what is in the memory that it names. */
struct device {
	uint64_t registers;
	uint64_t home;	  /* its queues' rings */
	uint64_t scratch; /* what its requests say */
	uint32_t type, queue_count;
	uint32_t sectors; /* a disk's */
	uint64_t cid;	  /* a vsock's */
	bool indirect;	  /* was negotiated */
	bool up;
	uint32_t stale; /* rounds without a used buffer */
	uint64_t used;	/* buffers, in all */
	struct queue queues[QUEUES];
};

/*
 * Memory from the middle of RAM on: rings, then what requests say, then what devices may write
 * to. An address in it with any length reaches upwards, so nothing that is lower is ever hit: not
 * the guest itself, and not the used rings that are counted.
 */
#define HOME_SIZE    0x20000u /* of a device: 16 KiB for each queue */
#define RING_STRIDE  0x4000u
#define SCRATCH_SIZE 0x10000u
#define SLOT_SIZE    0x400u

struct places {
	uint64_t ram, wild, end;
};

extern struct places places;

/* 2.7.5 */
#define NEXT	 1u
#define WRITE	 2u
#define INDIRECT 4u

static inline void set_descriptor(
	uint64_t table, uint32_t index, uint64_t at, uint32_t size, uint32_t flags, uint32_t next)
{
	write64(table + 16 * index, at);
	write32(table + 16 * index + 8, size);
	write16(table + 16 * index + 12, (uint16_t)flags);
	write16(table + 16 * index + 14, (uint16_t)next);
}

/* An address at the edges of memory, beyond it, or of registers: never one that may be written. */
uint64_t bare_edge(uint64_t *state);

/* Fills descriptors with a request for the device's queue, which is often right. Its head. */
uint16_t bare_chain(struct device *device, uint32_t queue, uint64_t *state);

/* Changes something of what may be in flight, anywhere in the device's rings and requests. */
void bare_rewrite(const struct device *device, const struct queue *queue, uint64_t *state);

#pragma GCC visibility pop

#endif
