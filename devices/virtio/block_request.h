/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request of the guest to its disk, understood and checked (virtio 1.2, section 5.2.6), before
 * anything is done for it. No I/O here. What the request says is copied once; of guest memory only
 * the data buffers and the place of the status byte are still referred to afterwards.
 */
#ifndef DEVICES_VIRTIO_BLOCK_REQUEST_H
#define DEVICES_VIRTIO_BLOCK_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/virtio/virtqueue.h"

struct guest_memory;

#define BLOCK_SECTOR		 512u /* the protocol's unit, whatever the disk's is (5.2.4) */
#define BLOCK_ID_SIZE		 20   /* bytes of the serial number (5.2.6) */

/* Data buffers of one request, seg_max (5.2.4). Two less than the queue has entries. */
#define BLOCK_MAX_SEGMENTS	 126

/* Ranges of one discard, and of one write-zeroes request. */
#define BLOCK_MAX_DISCARD_RANGES 16
#define BLOCK_MAX_ZEROES_RANGES	 1

/*
 * Sectors of such a range: 1 GiB that is given back is quick; zeroes may have to be written where
 * the host knows no better way, so 16 MiB.
 */
#define BLOCK_MAX_DISCARD	 (1u << 21)
#define BLOCK_MAX_ZEROES	 (1u << 15)

/* What a disk is. Constant once its worker runs, but for what makes it larger. */
struct block_disk {
	uint64_t sectors; /* its size */
	bool read_only;
	bool can_discard;	/* the host can make holes */
	char id[BLOCK_ID_SIZE]; /* the serial number, zeroes behind it */
};

enum block_operation {
	BLOCK_ANSWER, /* nothing to do: the answer is `status` */
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD,
	BLOCK_ZEROES,
};

struct block_range {
	uint64_t offset, length; /* bytes, inside the disk */
	bool unmap;		 /* zeroes may be made by a hole */
};

struct block_request {
	struct block_request *next; /* for whoever holds it */
	uint32_t queue;
	uint16_t head;
	enum block_operation operation;
	uint8_t status;	      /* VIRTIO_BLK_S_*, what the guest will read */
	uint8_t *status_byte; /* where; NULL: the driver left no room for one */
	uint32_t writable;    /* bytes that the device may write, with the status */
	uint32_t written;     /* how many of them, from the first, were written */
	bool durable;	      /* a write that must be on stable storage before it is answered */
	int error;	      /* -errno of the I/O, for the log */
	uint64_t offset;      /* bytes, of BLOCK_READ and BLOCK_WRITE */
	uint64_t length;      /* bytes of data */
	uint32_t buffer_count;
	struct iovec buffers[BLOCK_MAX_SEGMENTS + 2];
	uint32_t range_count;
	struct block_range ranges[BLOCK_MAX_DISCARD_RANGES];
};

/*
 * Understands the chain. Whatever is in it, the request is one that can be carried out and answered
 * afterwards; what is wrong is a BLOCK_ANSWER with VIRTIO_BLK_S_IOERR or _UNSUPP. Buffers point
 * into `memory`, which must stay as it is until the request is answered.
 */
void block_request_parse(struct block_request *request, const struct virtqueue_chain *chain,
	const struct guest_memory *memory, const struct block_disk *disk);

/* Sets status, and `written` from it, after the I/O: 0 or -errno. */
void block_request_finish(struct block_request *request, int error);

/* Writes the status byte. The buffer can then be handed back with `written`. */
void block_request_answer(const struct block_request *request);

#endif
