/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/net_vhost.h"

#include "devices/virtio/net_control.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <linux/vhost.h>
#include <linux/virtio_net.h>
#include <string.h>

static int set_backend(struct vhost_kernel *kernel, uint32_t index, int fd)
{
	struct vhost_vring_file file = { .index = index, .fd = fd };

	return vhost_kernel_request(kernel, VHOST_NET_SET_BACKEND, &file, "VHOST_NET_SET_BACKEND");
}

/*
 * The kernel takes a queue of a tap's that is detached, too, and waits for its frames: nothing is
 * to be done when it is attached (Linux, drivers/net/tun.c: __tun_detach() leaves it its tap).
 */
static int start(struct vhost_kernel *kernel, uint32_t index)
{
	return set_backend(
		kernel, index, container_of(kernel, struct net_vhost_pair, kernel)->tap_fd);
}

/* It returns when the kernel is done with what it had taken from the queue. */
static int stop(struct vhost_kernel *kernel, uint32_t index)
{
	return set_backend(kernel, index, -1);
}

static const struct vhost_kernel_kind pair_kind = {
	.node = "/dev/vhost-net",
	.module = "vhost_net",
	.queue_count = QUEUES_PER_PAIR,
	.start = start,
	.stop = stop,
};

static struct net_vhost *to_vhost(struct vhost_front *front)
{
	return container_of(front, struct net_vhost, front);
}

/* The pairs that the driver knows of (5.1.2: one, without VIRTIO_NET_F_MQ). */
static uint32_t known_pairs(const struct net_vhost *vhost)
{
	return (vhost->features & BIT(VIRTIO_NET_F_MQ)) != 0 ? vhost->pair_count : 1;
}

/* What is asked of the control queue's worker belongs to what is asked of the device. */
static struct vhost_front *control_of(struct net_vhost *vhost)
{
	vhost->control.front.deadline = vhost->front.deadline;
	return &vhost->control.front;
}

/*
 * Who serves the driver's queue `*index`, which becomes its number there: the kernel a pair's, the
 * worker the control queue, which is the one behind all pairs that the driver knows of. NULL: that
 * is no queue of this driver's.
 */
static struct vhost_front *server_of(struct net_vhost *vhost, uint32_t *index)
{
	const uint32_t pair = *index / QUEUES_PER_PAIR;

	if (pair < known_pairs(vhost)) {
		*index %= QUEUES_PER_PAIR;
		return &vhost->pairs[pair].kernel.front;
	}
	if ((vhost->features & BIT(VIRTIO_NET_F_CTRL_VQ)) == 0 ||
		*index != QUEUES_PER_PAIR * known_pairs(vhost))
		return NULL;
	*index = NET_CONTROL_QUEUE;
	return control_of(vhost);
}

/* All who serve this device, one after the other; NULL: no more. */
static struct vhost_front *nth_server(struct net_vhost *vhost, uint32_t number)
{
	if (number < vhost->pair_count)
		return &vhost->pairs[number].kernel.front;
	return number == vhost->pair_count && number > 1 ? control_of(vhost) : NULL;
}

static int set_features(struct vhost_front *front, uint64_t features)
{
	struct net_vhost *vhost = to_vhost(front);
	int error = net_tap_negotiated(vhost->tap, features);
	struct vhost_front *served;

	vhost->features = features;
	for (uint32_t i = 0; error == 0 && (served = nth_server(vhost, i)) != NULL; i++)
		error = served->ops->set_features(served, features & served->features);
	return error;
}

static int set_memory(struct vhost_front *front, const struct guest_memory *memory, int memory_fd)
{
	struct net_vhost *vhost = to_vhost(front);
	struct vhost_front *served;
	int error = 0;

	for (uint32_t i = 0; error == 0 && (served = nth_server(vhost, i)) != NULL; i++)
		error = served->ops->set_memory(served, memory, memory_fd);
	return error;
}

static int start_queue(struct vhost_front *front, const struct vhost_queue *queue)
{
	struct vhost_queue own = *queue;
	struct vhost_front *served = server_of(to_vhost(front), &own.index);

	return served != NULL ? served->ops->start_queue(served, &own) : 0;
}

static int stop_queue(struct vhost_front *front, uint32_t index)
{
	struct vhost_front *served = server_of(to_vhost(front), &index);

	return served != NULL ? served->ops->stop_queue(served, index) : 0;
}

static const struct vhost_front_ops net_vhost_ops = {
	.set_features = set_features,
	.set_memory = set_memory,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
};

int net_vhost_open(struct net_vhost *vhost, struct net_tap *tap, const char *name)
{
	int error = 0;

	*vhost = (struct net_vhost){ .front.ops = &net_vhost_ops, .tap = tap };
	while (vhost->pair_count < tap->pair_count) {
		struct net_vhost_pair *pair = &vhost->pairs[vhost->pair_count];

		error = vhost_kernel_open(&pair->kernel, &pair_kind, name);
		if (error != 0)
			break;
		pair->tap_fd = net_tap_queue(tap, vhost->pair_count);
		vhost->pair_count++;
	}
	if (error != 0) {
		net_vhost_close(vhost);
		return error;
	}
	vhost->front.features =
		vhost->pairs[0].kernel.features | tap->features | BIT(VIRTIO_NET_F_MAC);
	/* 5.1.3.1: VIRTIO_NET_F_MQ requires VIRTIO_NET_F_CTRL_VQ. */
	if (vhost->pair_count > 1)
		vhost->front.features |= BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_CTRL_VQ);
	return 0;
}

int net_vhost_open_control(struct net_vhost *vhost, int socket, const char *name)
{
	return vhost_user_front_open(&vhost->control, socket, name, NET_CONTROL_QUEUE + 1);
}

void net_vhost_close(struct net_vhost *vhost)
{
	for (uint32_t i = 0; i < vhost->pair_count; i++)
		vhost_kernel_close(&vhost->pairs[i].kernel);
	vhost->pair_count = 0;
}
