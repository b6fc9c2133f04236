/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What serves a virtio device's queues, as the register file sees it: a vhost back end, behind a
 * transport: the vhost-user socket (vhost_user_front.h) or the kernel's ioctls (vhost_kernel.h).
 *
 * Operations may wait for the back end, until the deadline. They return 0 or -errno:
 * -ECONNRESET when the back end is gone, -ETIMEDOUT when it did not answer in time, -EREMOTEIO
 * when it refused, -EPROTO when its answer makes no sense; the kernel's refusals are its own
 * -errno. One thread at a time.
 */
#ifndef DEVICES_VIRTIO_VHOST_H
#define DEVICES_VIRTIO_VHOST_H

#include <stdint.h>

struct guest_memory;
struct vhost_front;

/* A back end that is silent for so long has failed. */
#define VHOST_DEADLINE_MS 10000

/* A queue that is to be served. Addresses are of this process; descriptors stay the caller's. */
struct vhost_queue {
	uint32_t index;
	uint32_t size; /* entries */
	const void *descriptors, *available, *used;
	int kick_fd;  /* eventfd: the driver made buffers available */
	int call_fd;  /* eventfd: the device used buffers */
	int error_fd; /* eventfd: the device gave the queue up */
};

struct vhost_front_ops {
	int (*set_features)(struct vhost_front *front, uint64_t features);
	/* `memory_fd` holds the regions one after the other, from offset 0. */
	int (*set_memory)(
		struct vhost_front *front, const struct guest_memory *memory, int memory_fd);
	/* Features and memory were set before. The first buffer taken is number 0. */
	int (*start_queue)(struct vhost_front *front, const struct vhost_queue *queue);
	/* After it returns, the back end does not touch the queue or its buffers any more. */
	int (*stop_queue)(struct vhost_front *front, uint32_t index);
	/* The device's configuration space. NULL: the machine supplies it. */
	int (*read_config)(struct vhost_front *front, void *config, uint32_t size);
};

struct vhost_front {
	const struct vhost_front_ops *ops;
	uint64_t features; /* what the back end offers: virtio's bits, VIRTIO_F_VERSION_1 among them
			    */
	/* Of clock_ms(), for all operations of one register write together: a vCPU waits for it. 0:
	 * VHOST_DEADLINE_MS for each request. */
	int64_t deadline;
};

#endif
