/* SPDX-License-Identifier: Apache-2.0 */
/* A disk's image as the machine opens it, before its worker gets the descriptor. */
#ifndef DEVICES_VIRTIO_BLOCK_IMAGE_H
#define DEVICES_VIRTIO_BLOCK_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct block_options;

struct block_image {
	int fd;
	mode_t mode;
	/* Of a raw image: */
	uint64_t size;				     /* bytes */
	uint32_t logical_size, physical_size;	     /* bytes of a block */
	uint32_t memory_alignment, offset_alignment; /* of direct I/O; 1 without */
	bool can_discard;
};

/*
 * Opens the image and locks it: one writer and nobody else, or any number of readers. The lock
 * goes with the descriptor, to whoever has it. Of qcow2 no more than the first four bytes are
 * looked at. Returns 0 or -errno (logged).
 */
int block_image_open(struct block_image *image, const struct block_options *options);
void block_image_close(struct block_image *image);

#endif
