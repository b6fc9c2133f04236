/* SPDX-License-Identifier: Apache-2.0 */
/* What a program sends as frames, in pieces of any length: each that is taken lies in the buffer.
 */
#include "devices/virtio/net_stream.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* Takes all that is there; false at the end of the stream. */
static bool take(struct net_stream *stream)
{
	uint8_t *frame;
	size_t length;
	int result;

	while ((result = net_stream_receive(stream, &frame, &length)) == 1) {
		check(length >= NET_FRAME_MIN && length <= NET_FRAME_MAX);
		check(frame >= stream->received + NET_HEADER_SIZE);
		check(frame + length <= stream->received + sizeof(stream->received));
		memset(frame - NET_HEADER_SIZE, 0xff, NET_HEADER_SIZE + length);
	}
	return result == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_stream *stream = malloc(sizeof(*stream));
	int pipe_fds[2];

	check(stream != NULL && pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC) == 0);
	net_stream_init(stream, pipe_fds[0]);
	while (size > 0) {
		size_t piece = 1 + data[0] * 16u;

		piece = piece < size ? piece : size;
		check(write(pipe_fds[1], data, piece) == (ssize_t)piece);
		data += piece;
		size -= piece;
		if (!take(stream))
			break;
	}
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	free(stream);
	return 0;
}
