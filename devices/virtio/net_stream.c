/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/net_stream.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

void net_stream_init(struct net_stream *stream, int fd)
{
	stream->fd = fd;
	stream->received_from = stream->received_to = NET_HEADER_SIZE;
	stream->unsent_from = stream->unsent_to = 0;
}

static int error_of_errno(void)
{
	return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

int net_stream_flush(struct net_stream *stream)
{
	while (stream->unsent_from < stream->unsent_to) {
		ssize_t sent = write(stream->fd, stream->unsent + stream->unsent_from,
			stream->unsent_to - stream->unsent_from);

		if (sent < 0)
			return error_of_errno();
		stream->unsent_from += (size_t)sent;
	}
	return 1;
}

/* Copies what the socket did not take: the parts are not ours to keep. */
static void keep(
	struct net_stream *stream, const struct iovec *parts, unsigned int count, size_t sent)
{
	stream->unsent_from = stream->unsent_to = 0;
	for (unsigned int i = 0; i < count; i++) {
		size_t skip = sent < parts[i].iov_len ? sent : parts[i].iov_len;
		size_t left = parts[i].iov_len - skip;

		sent -= skip;
		memcpy(stream->unsent + stream->unsent_to, (const char *)parts[i].iov_base + skip,
			left);
		stream->unsent_to += left;
	}
}

int net_stream_send(struct net_stream *stream, struct iovec *parts, unsigned int count, size_t size)
{
	uint32_t length = htobe32((uint32_t)size);
	int flushed = net_stream_flush(stream);
	ssize_t sent;

	if (flushed <= 0)
		return flushed;
	/* Neither passt nor QEMU takes others; either would close the connection for it. */
	if (size < NET_FRAME_MIN || size > UINT16_MAX)
		return 1;
	parts[0].iov_base = &length;
	parts[0].iov_len = sizeof(length);
	sent = writev(stream->fd, parts, (int)count);
	if (sent < 0)
		return error_of_errno();
	if ((size_t)sent < sizeof(length) + size)
		keep(stream, parts, count, (size_t)sent);
	return 1;
}

/* Moves what was not taken yet to the front, so that the rest of a frame finds room. */
static void make_room(struct net_stream *stream)
{
	size_t have = stream->received_to - stream->received_from;

	memmove(stream->received + NET_HEADER_SIZE, stream->received + stream->received_from, have);
	stream->received_from = NET_HEADER_SIZE;
	stream->received_to = NET_HEADER_SIZE + have;
}

/* Whether a whole frame is there; its length in *size. */
static int look(const struct net_stream *stream, size_t *size)
{
	size_t have = stream->received_to - stream->received_from;
	uint32_t length;

	if (have < sizeof(length))
		return 0;
	memcpy(&length, stream->received + stream->received_from, sizeof(length));
	*size = be32toh(length);
	if (*size < NET_FRAME_MIN || *size > NET_FRAME_MAX)
		return -EPROTO;
	return have >= sizeof(length) + *size;
}

int net_stream_receive(struct net_stream *stream, uint8_t **frame, size_t *size)
{
	int there = look(stream, size);

	if (there == 0) {
		ssize_t got;

		make_room(stream);
		got = read(stream->fd, stream->received + stream->received_to,
			sizeof(stream->received) - stream->received_to);
		if (got == 0)
			return -ECONNRESET;
		if (got < 0)
			return error_of_errno();
		stream->received_to += (size_t)got;
		there = look(stream, size);
	}
	if (there <= 0)
		return there;
	*frame = stream->received + stream->received_from + NET_STREAM_LENGTH_SIZE;
	stream->received_from += NET_STREAM_LENGTH_SIZE + *size;
	return 1;
}
