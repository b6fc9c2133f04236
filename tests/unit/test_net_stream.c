/* SPDX-License-Identifier: Apache-2.0 */
/* Frames behind their lengths on a stream, which may cut them anywhere. */
#include "devices/virtio/net_stream.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct net_stream *stream;
static int other;
static uint8_t *frame;
static size_t size;

static void begin(void)
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	other = pair[1];
	stream = malloc(sizeof(*stream));
	net_stream_init(stream, pair[0]);
}

static void end(void)
{
	close(stream->fd);
	close(other);
	free(stream);
}

TestSuite(net_stream, .init = begin, .fini = end, .timeout = 60);

static void put(const void *bytes, size_t count)
{
	cr_assert_eq(write(other, bytes, count), (ssize_t)count);
}

static void put_frame(uint16_t count, char fill)
{
	uint8_t bytes[2048] = { 0, 0, (uint8_t)(count >> 8), (uint8_t)count };

	memset(bytes + 4, fill, count);
	put(bytes, 4u + count);
}

static void assert_frame(size_t count, char fill)
{
	cr_assert_eq(net_stream_receive(stream, &frame, &size), 1);
	cr_assert_eq(size, count);
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(frame[i], (uint8_t)fill);
	memset(frame - NET_HEADER_SIZE, 0xee, NET_HEADER_SIZE);
}

Test(net_stream, several_frames_of_one_read)
{
	cr_assert_eq(net_stream_receive(stream, &frame, &size), 0);
	put_frame(14, 'a');
	put_frame(1500, 'b');
	put_frame(60, 'c');
	assert_frame(14, 'a');
	assert_frame(1500, 'b');
	assert_frame(60, 'c');
	cr_assert_eq(net_stream_receive(stream, &frame, &size), 0);
}

Test(net_stream, frame_that_comes_byte_by_byte)
{
	uint8_t bytes[24] = { 0, 0, 0, 20 };

	memset(bytes + 4, 'x', 20);
	for (size_t i = 0; i + 1 < sizeof(bytes); i++) {
		put(bytes + i, 1);
		cr_assert_eq(net_stream_receive(stream, &frame, &size), 0);
	}
	put(bytes + sizeof(bytes) - 1, 1);
	assert_frame(20, 'x');
}

/* So much that the buffer is used again and again. */
Test(net_stream, many_frames_keep_their_bounds)
{
	for (unsigned int i = 0; i < 2000; i++) {
		put_frame((uint16_t)(14 + i % 1400), (char)i);
		put_frame((uint16_t)(14 + i % 900), (char)(i + 1));
		assert_frame(14 + i % 1400, (char)i);
		assert_frame(14 + i % 900, (char)(i + 1));
	}
}

Test(net_stream, longest_frame_fits)
{
	uint8_t *bytes = calloc(1, 4 + NET_FRAME_MAX);

	bytes[1] = (uint8_t)(NET_FRAME_MAX >> 16);
	bytes[2] = (uint8_t)(NET_FRAME_MAX >> 8);
	bytes[3] = (uint8_t)NET_FRAME_MAX;
	put_frame(14, 'a');
	put(bytes, 4 + NET_FRAME_MAX);
	assert_frame(14, 'a');
	assert_frame(NET_FRAME_MAX, 0);
	free(bytes);
}

Test(net_stream, length_that_makes_no_sense_is_an_error)
{
	static const uint8_t wrong[][4] = { { 0, 0, 0, 0 }, { 0, 0, 0, 13 }, { 0, 1, 0, 0x12 },
		{ 0xff, 0xff, 0xff, 0xff } };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		net_stream_init(stream, stream->fd);
		put(wrong[i], 4);
		cr_assert_eq(net_stream_receive(stream, &frame, &size), -EPROTO);
	}
}

Test(net_stream, end_of_the_other_end_is_an_error)
{
	put_frame(14, 'a');
	close(other);
	assert_frame(14, 'a');
	cr_assert_eq(net_stream_receive(stream, &frame, &size), -ECONNRESET);
}

static int send_frame(char fill)
{
	char first[7000], second[8000];
	struct iovec parts[3] = { { NULL, 99 }, { first, sizeof(first) },
		{ second, sizeof(second) } };

	memset(first, fill, sizeof(first));
	memset(second, fill, sizeof(second));
	return net_stream_send(stream, parts, 3, sizeof(first) + sizeof(second));
}

static void assert_sent(char fill)
{
	uint8_t bytes[4 + 15000];
	size_t have = 0;

	while (have < sizeof(bytes)) {
		ssize_t count = recv(other, bytes + have, sizeof(bytes) - have, MSG_DONTWAIT);

		have += count > 0 ? (size_t)count : 0;
		cr_assert_geq(net_stream_flush(stream), 0);
	}
	cr_assert_arr_eq(bytes, ((uint8_t[]){ 0, 0, 15000 >> 8, 15000 & 0xff }), 4);
	for (size_t i = 4; i < sizeof(bytes); i++)
		cr_assert_eq(bytes[i], (uint8_t)fill);
}

/* No frame is lost or cut where the socket takes part of it only. */
Test(net_stream, socket_that_is_full_takes_the_rest_later)
{
	const int little = 4096;
	unsigned int sent = 0, seen = 0;
	bool in_part = false;

	setsockopt(stream->fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
	while (seen < 500) {
		while (sent < 500 && send_frame((char)sent) == 1)
			sent++;
		in_part |= stream->unsent_from < stream->unsent_to;
		assert_sent((char)seen++);
	}
	cr_assert(in_part);
}

Test(net_stream, nobody_takes_what_is_too_long_or_too_short)
{
	static char bytes[UINT16_MAX + 1];
	struct iovec parts[2] = { { NULL, 0 }, { bytes, sizeof(bytes) } };

	cr_assert_eq(net_stream_send(stream, parts, 2, sizeof(bytes)), 1);
	parts[1].iov_len = NET_FRAME_MIN - 1;
	cr_assert_eq(net_stream_send(stream, parts, 2, NET_FRAME_MIN - 1), 1);
	cr_assert_eq(send_frame('a'), 1);
	assert_sent('a');
}
