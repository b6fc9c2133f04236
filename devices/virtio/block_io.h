/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries a request out on the disk's file, on the calling thread, which waits for it. Any number
 * of threads may do so at once.
 */
#ifndef DEVICES_VIRTIO_BLOCK_IO_H
#define DEVICES_VIRTIO_BLOCK_IO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct block_request;

/* What one thread copies through, where the guest's buffers cannot be used for direct I/O. */
#define BLOCK_BOUNCE_SIZE   (64u * 1024)

/* The largest alignment that direct I/O may ask for. */
#define BLOCK_MAX_ALIGNMENT 4096u

struct block_file {
	int fd;
	bool is_device; /* a block device, not a regular file */
	/*
	 * What direct I/O asks of a buffer's address, and of offsets and lengths; 1 without it.
	 * Powers of two up to BLOCK_MAX_ALIGNMENT. The file's size is a multiple of the second.
	 */
	uint32_t memory_alignment, offset_alignment;
	/*
	 * A write of less than offset_alignment reads what is around it, and writes that back:
	 * alone. Every other write shares.
	 */
	pthread_rwlock_t writers;
	/*
	 * A flush that failed has lost writes that the guest took for done, and the kernel says so
	 * once: afterwards those pages count as clean. So one flush at a time, and none succeeds
	 * after one that failed.
	 */
	pthread_mutex_t flush;
	int lost; /* 0, or -errno of the flush that failed. Under `flush` */
};

void block_file_init(
	struct block_file *file, int fd, uint32_t memory_alignment, uint32_t offset_alignment);
void block_file_close(struct block_file *file);

/*
 * Has the file be `wanted` bytes long at least, and says in *size how long a disk on it is then:
 * `wanted`, or with 0 what the file has by now, a block device included. It never becomes shorter.
 * Returns 0 or -errno, -EINVAL for what is no multiple of a sector or of offset_alignment.
 */
int block_file_resize(struct block_file *file, uint64_t wanted, uint64_t *size);

/*
 * Does what the request asks and finishes it (block_request_finish()). `bounce` has
 * BLOCK_BOUNCE_SIZE bytes at a multiple of BLOCK_MAX_ALIGNMENT, this thread's own.
 */
void block_io(struct block_file *file, struct block_request *request, void *bounce);

#endif
