/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network interface's worker at work: frames between the guest's queues and a tap, by readv() and
 * writev() straight from and into guest memory, or a program's stream. One thread, one poll loop.
 */
#ifndef DEVICES_VIRTIO_NET_LOOP_H
#define DEVICES_VIRTIO_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/virtio/net_header.h"
#include "devices/virtio/net_stream.h"
#include "devices/virtio/net_tap.h"
#include "devices/virtio/vhost_user_back.h"
#include "devices/virtio/virtqueue.h"

/* What the kernel takes in one call (UIO_MAXIOV). */
#define NET_MAX_PARTS	1024

/* For one frame: the guest's queues have no more (net.c). */
#define NET_MAX_BUFFERS 256

struct net_buffer {
	uint16_t head;
	uint32_t written; /* bytes of it */
};

struct net_worker {
	struct vhost_user_back back;
	struct vhost_user_back_device device;
	struct net_tap tap;
	struct net_stream *stream; /* malloc'ed; NULL: the tap is one */
	int broken;		   /* -errno of the stream, which ends the worker */
	uint32_t followed; /* of back.acknowledged: when the tap was last told of a driver */
	bool again;	   /* the turn was over before the work was */
	bool tap_full;	   /* wait until it takes frames again */
	bool wants_frames; /* the guest has buffers for what comes */
	bool bad_frame_logged, bad_buffer_logged;    /* once, whatever the guest repeats */
	struct virtqueue_chain chain;		     /* the first buffer of the frame in hand */
	struct virtqueue_chain next;		     /* another one of it */
	struct net_buffer more[NET_MAX_BUFFERS - 1]; /* all after the first */
	uint32_t more_count;
	struct iovec parts[NET_MAX_PARTS];
	uint8_t excess[NET_FRAME_MAX]; /* of a frame that is longer than the guest's buffer */
};

/* `socket` to the front end stays the caller's; *tap is open. Returns 0 or -ENOMEM. */
int net_worker_init(struct net_worker *worker, int socket, const struct net_tap *tap);

/* Serves until the front end is gone (0), or -errno (logged). */
int net_worker_run(struct net_worker *worker);

/* Gives back what the front end sent. The tap stays open. */
void net_worker_close(struct net_worker *worker);

/* One turn of each direction, as far as it goes without waiting; for net_worker_run() and tests. */
void net_worker_transmit(struct net_worker *worker);
void net_worker_receive(struct net_worker *worker);

#endif
