/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine tells a disk's worker first, on its socket. Both are the same executable. */
#ifndef DEVICES_VIRTIO_BLOCK_START_H
#define DEVICES_VIRTIO_BLOCK_START_H

#include <stdint.h>

#include "devices/virtio/block_loop.h"
#include "seccomp/jail.h"
#include "vmm/base/worker.h"

/* The worker's descriptors. */
#define BLOCK_IMAGE_FD WORKER_FIRST_FD
_Static_assert(BLOCK_IMAGE_FD == JAIL_IMAGE_FD, "the jail names it, too");

struct block_start {
	struct block_shape shape;
	uint32_t memory_alignment, offset_alignment; /* as in struct block_file */
	char name[96];				     /* for the log, ends in a zero */
};

#endif
