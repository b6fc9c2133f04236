/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames on a stream socket, each behind its length as 32 bits, high byte first: how QEMU's
 * `-netdev stream` and passt have them. The other end is not trusted with lengths.
 */
#ifndef DEVICES_VIRTIO_NET_STREAM_H
#define DEVICES_VIRTIO_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/virtio/net_header.h"

#define NET_STREAM_LENGTH_SIZE 4u

struct net_stream {
	int fd; /* non-blocking; the caller's */
	/* What was received; before it there is room for one header. */
	size_t received_from, received_to;
	uint8_t received[NET_HEADER_SIZE + 2 * (NET_STREAM_LENGTH_SIZE + NET_FRAME_MAX)];
	/* The rest of a frame that the socket took in part. */
	size_t unsent_from, unsent_to;
	uint8_t unsent[NET_STREAM_LENGTH_SIZE + NET_FRAME_MAX];
};

void net_stream_init(struct net_stream *stream, int fd);

/*
 * Sends a frame of `size` bytes that lies in parts[1..count); parts[0] is overwritten. Returns 1,
 * 0 when the socket is full and the frame must be offered again, or -errno when it is broken. What
 * no other end takes, of less than 14 or more than 65535 bytes, is dropped.
 */
int net_stream_send(
	struct net_stream *stream, struct iovec *parts, unsigned int count, size_t size);

/* Sends what is left of the last frame. Returns as above. */
int net_stream_flush(struct net_stream *stream);

/*
 * The next frame; NET_HEADER_SIZE bytes in front of it may be written. It stays until the next
 * call. Returns 1, 0 when none is there yet, or -errno: -ECONNRESET when the other end is gone,
 * -EPROTO when a length makes no sense.
 */
int net_stream_receive(struct net_stream *stream, uint8_t **frame, size_t *size);

#endif
