/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's vhost as a vhost_front: ioctls on /dev/vhost-NAME (linux/vhost.h). The kernel serves
 * the queues in a thread of its own, reads kicks from their eventfds and signals the interrupts'.
 * It has no configuration space: the machine supplies it.
 *
 * The node is opened once, as the machine can open nothing later, and serves one guest after the
 * other: between guests every queue is without a back end, which the kernel calls stopped.
 */
#ifndef DEVICES_VIRTIO_VHOST_KERNEL_H
#define DEVICES_VIRTIO_VHOST_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/vhost.h"

struct vhost_kernel;

/* What differs between the kernel's devices. Constant. */
struct vhost_kernel_kind {
	const char *node;   /* "/dev/vhost-vsock" */
	const char *module; /* that has it */
	/* Queues from this one on are the machine's to serve, or nobody's. */
	uint32_t queue_count;
	/*
	 * The queue is set up: give it its back end, and take it away again. When stop returns, the
	 * kernel does not touch the queue any more. Return 0 or -errno.
	 */
	int (*start)(struct vhost_kernel *kernel, uint32_t index);
	int (*stop)(struct vhost_kernel *kernel, uint32_t index);
};

struct vhost_kernel {
	struct vhost_front front;
	const struct vhost_kernel_kind *kind;
	const char *name; /* of the device, for the log */
	int fd;
	uint64_t features; /* that the kernel knows of; a device may add others to front.features */
	uint32_t set_up;   /* bit n: queue n, by start_queue */
};

/*
 * Opens the node and becomes its owner: with it comes the kernel's thread. Returns 0, or -errno
 * with a line logged that names cause and remedy; there is nothing to close then.
 */
int vhost_kernel_open(
	struct vhost_kernel *kernel, const struct vhost_kernel_kind *kind, const char *name);
void vhost_kernel_close(struct vhost_kernel *kernel);

/* One of the device's own requests; returns 0 or -errno, which is logged with `what` it was. */
int vhost_kernel_request(
	struct vhost_kernel *kernel, unsigned long request, void *argument, const char *what);

#endif
