/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's end of a vhost-user connection: a vhost_front that speaks to a worker of ours or
 * to any other back end. The back end is not trusted: of its answers only numbers are taken, each
 * checked, and descriptors that it might send are thrown away.
 */
#ifndef DEVICES_VIRTIO_VHOST_USER_FRONT_H
#define DEVICES_VIRTIO_VHOST_USER_FRONT_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/vhost.h"

#define VHOST_USER_FRONT_MAX_QUEUES 16

struct vhost_user_front {
	struct vhost_front front;
	const char *name; /* of the device, for the log */
	int socket;
	int deadline_ms;  /* of one request, VHOST_DEADLINE_MS; front.deadline may come before */
	uint64_t offered; /* features of the back end, which is told of no others */
	uint64_t protocol_features;
	uint32_t queue_count; /* that the back end has, as far as it says; those that were asked for
			       * otherwise */
	bool protocol_negotiated; /* VHOST_USER_F_PROTOCOL_FEATURES */
	/* Set by the caller for a back end that does not end the requests of a queue before it
	 * answers that it stopped it, as QEMU's do not: stop_queue() waits for them. */
	bool uses_all;
	/* Set by the caller where a 16-bit field of the back end's configuration space says how
	 * many queues there are: its offset. The guest reads queue_count there at most. 0: none. */
	uint32_t queues_field;
	bool has_memory; /* the back end knows of it: once, as it never changes */
	struct vhost_queue queues[VHOST_USER_FRONT_MAX_QUEUES]; /* as they were started */
	int error; /* after the first failure every operation returns it: the stream is out of step
		    */
};

/*
 * Greets the back end behind `socket` (SOCK_STREAM, blocking; stays the caller's) and negotiates.
 * At least `queue_count` queues will be used. Returns 0, or -errno (logged): those of vhost.h, and
 * -ENOTSUP when the back end lacks VIRTIO_F_VERSION_1 or queues.
 */
int vhost_user_front_open(
	struct vhost_user_front *front, int socket, const char *name, uint32_t queue_count);

/*
 * Has a disk's worker of ours make the disk `bytes` long, 0: as long as its image is. Returns 0,
 * -ERANGE where that is smaller than it was, -EREMOTEIO where the worker cannot (logged by it), or
 * those of vhost.h.
 */
int vhost_user_front_resize(struct vhost_front *front, uint64_t bytes);

#endif
