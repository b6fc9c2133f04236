/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A tap's queues served by the kernel's vhost-net, as one vhost_front: an instance of
 * /dev/vhost-net for each pair of queues, and a worker for the control queue of a device that has
 * several pairs (virtio 1.2, 5.1.2), as nothing in the machine reads a virtqueue.
 */
#ifndef DEVICES_VIRTIO_NET_VHOST_H
#define DEVICES_VIRTIO_NET_VHOST_H

#include <stdint.h>

#include "devices/virtio/net_tap.h"
#include "devices/virtio/vhost_kernel.h"
#include "devices/virtio/vhost_user_front.h"

struct net_vhost_pair {
	struct vhost_kernel kernel;
	int tap_fd; /* its queue of the tap, attached or not */
};

struct net_vhost {
	struct vhost_front front;
	struct net_tap *tap;
	uint32_t pair_count;
	uint64_t features; /* as they were negotiated */
	struct net_vhost_pair pairs[NET_MAX_PAIRS];
	struct vhost_user_front control; /* with several pairs */
};

/*
 * Opens the kernel's side for every queue of *tap, which stays the caller's, as `name` does.
 * Returns 0, or -errno with a line logged that names cause and remedy; nothing is open then.
 */
int net_vhost_open(struct net_vhost *vhost, struct net_tap *tap, const char *name);
void net_vhost_close(struct net_vhost *vhost);

/*
 * With several pairs: greets the control queue's worker behind `socket`, which stays the caller's.
 * Returns 0 or -errno (logged).
 */
int net_vhost_open_control(struct net_vhost *vhost, int socket, const char *name);

#endif
