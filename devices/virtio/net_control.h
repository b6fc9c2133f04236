/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker of a network interface's control queue (virtio 1.2, 5.1.6.5), where the kernel serves
 * the other queues: how many pairs the driver uses, which is how many queues of the tap the host
 * steers frames into. What is sent on the others goes out all the same.
 */
#ifndef DEVICES_VIRTIO_NET_CONTROL_H
#define DEVICES_VIRTIO_NET_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/net_tap.h"
#include "devices/virtio/vhost_user_back.h"

/* The worker's one queue. */
#define NET_CONTROL_QUEUE    0

/* For each command, and each queue more or less: the kernel waits for all CPUs (RCU) with these. */
#define NET_CONTROL_PAUSE_MS 10

struct net_control {
	struct vhost_user_back back;
	struct vhost_user_back_device device;
	int taps[NET_MAX_PAIRS]; /* the tap's queues; the caller's */
	uint32_t pair_count;
	uint32_t used_pairs; /* attached to the tap: the first ones */
	bool again;	     /* the turn was over before the work was */
	int64_t rests_until; /* of clock_ms(): serves no command before */
	bool wrong_logged;   /* once, whatever the guest repeats */
	struct virtqueue_chain chain;
};

/* `socket` to the front end stays the caller's. Only the first of the queues is attached. */
void net_control_init(
	struct net_control *control, int socket, const int *taps, uint32_t pair_count);

/* Serves until the front end is gone (0), or -errno (logged). */
int net_control_run(struct net_control *control);

/* Gives back what the front end sent. */
void net_control_close(struct net_control *control);

/* The worker's main; returns its exit status. */
int net_control_worker_main(int argc, char **argv);

#endif
