/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/aarch64/kernel_payload.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#define PIECE		    65536

/* drivers/firmware/efi/libstub/zboot-header.S */
#define ZBOOT_OFFSET	    8
#define ZBOOT_SIZE	    12
#define ZBOOT_TYPE	    24
#define ZBOOT_TYPE_SIZE	    32

/* zlib: a gzip header is wanted, and the largest window. */
#define GZIP_WINDOW_BITS    (15 + 16)

/* The memory that a frame may ask for: 128 MiB, what `zstd --ultra -22` uses at most for a kernel.
 */
#define ZSTD_WINDOW_LOG_MAX 27

/* One unpacking: a piece of the file, and a piece of the kernel. */
struct unpacking {
	int in, out;
	uint64_t offset, left; /* of the payload, not read yet */
	uint64_t limit, written;
	size_t have, used; /* in `input` */
	uint8_t input[PIECE], output[PIECE];
};

const char *kernel_problem_text(uint32_t problem)
{
	static const char *const texts[KERNEL_PROBLEMS] = {
		[KERNEL_FINE] = "is fine",
		[KERNEL_TRUNCATED] =
			"is truncated: the compressed kernel has no end; copy it again",
		[KERNEL_DAMAGED] = "holds a compressed kernel that is damaged; copy it again",
		[KERNEL_TOO_LARGE] =
			"unpacks to more than --memory holds, or than 1 GiB; give more "
			"memory, or another kernel",
		[KERNEL_BEHIND] = "has something behind the compressed kernel; copy it again, or "
				  "cut that off",
		[KERNEL_UNREADABLE] = "cannot be read; check the file and its disk",
		[KERNEL_NO_ROOM] = "cannot be unpacked: the host has no memory for it; free some",
		[KERNEL_OUTSIDE] = "is an EFI zboot kernel whose payload lies outside of it; the "
				   "file is truncated, copy it again",
		[KERNEL_UNKNOWN_COMPRESSION] = "is an EFI zboot kernel compressed in a way that is "
					       "not known here; build it with CONFIG_KERNEL_GZIP=y "
					       "or CONFIG_KERNEL_ZSTD=y, or give --kernel the "
					       "plain Image",
	};

	return problem < KERNEL_PROBLEMS ? texts[problem] : "cannot be unpacked; copy it again";
}

static uint32_t field32(const uint8_t *header, size_t offset)
{
	uint32_t value;

	memcpy(&value, header + offset, sizeof(value));
	return le32toh(value);
}

static enum kernel_problem find_in_zboot(
	const uint8_t header[IMAGE_HEADER_SIZE], uint64_t file_size, struct kernel_payload *payload)
{
	const char *type = (const char *)header + ZBOOT_TYPE;

	payload->offset = field32(header, ZBOOT_OFFSET);
	payload->size = field32(header, ZBOOT_SIZE);
	if (memcmp(type, "gzip", sizeof("gzip")) == 0) {
		payload->compression = KERNEL_GZIP;
	} else if (memcmp(type, "zstd", strlen("zstd")) == 0) { /* "zstd22" in kernels so far */
		payload->compression = KERNEL_ZSTD;
		payload->size_word = sizeof(uint32_t);
	} else {
		return KERNEL_UNKNOWN_COMPRESSION;
	}
	if (payload->offset < IMAGE_HEADER_SIZE || payload->offset > file_size ||
		payload->size > file_size - payload->offset)
		return KERNEL_OUTSIDE;
	return KERNEL_FINE;
}

enum kernel_problem kernel_payload_find(
	const uint8_t header[IMAGE_HEADER_SIZE], uint64_t file_size, struct kernel_payload *payload)
{
	*payload = (struct kernel_payload){ .compression = KERNEL_PLAIN, .size = file_size };
	if (header[0] == 'M' && header[1] == 'Z' && memcmp(header + 4, "zimg", 4) == 0)
		return find_in_zboot(header, file_size, payload);
	if (header[0] == 0x1f && header[1] == 0x8b)
		payload->compression = KERNEL_GZIP;
	else if (memcmp(header, "\x28\xb5\x2f\xfd", 4) == 0)
		payload->compression = KERNEL_ZSTD;
	return KERNEL_FINE;
}

/* The next piece of the payload behind what was used; false when there is none, or an error. */
static bool refill(struct unpacking *unpacking, enum kernel_problem *problem)
{
	size_t size = unpacking->left < PIECE ? (size_t)unpacking->left : PIECE;
	ssize_t n;

	if (unpacking->used < unpacking->have)
		return true;
	if (size == 0)
		return false;
	do {
		n = pread(unpacking->in, unpacking->input, size, (off_t)unpacking->offset);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		*problem = n < 0 ? KERNEL_UNREADABLE : KERNEL_TRUNCATED;
		return false;
	}
	unpacking->have = (size_t)n;
	unpacking->used = 0;
	unpacking->offset += (uint64_t)n;
	unpacking->left -= (uint64_t)n;
	return true;
}

static enum kernel_problem write_out(struct unpacking *unpacking, size_t size)
{
	const uint8_t *from = unpacking->output;

	if (size > unpacking->limit - unpacking->written)
		return KERNEL_TOO_LARGE;
	unpacking->written += size;
	while (size > 0) {
		ssize_t n = write(unpacking->out, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return KERNEL_NO_ROOM;
		from += n;
		size -= (size_t)n;
	}
	return KERNEL_FINE;
}

/* How much of the payload has not been looked at. */
static uint64_t rest(const struct unpacking *unpacking)
{
	return unpacking->left + (unpacking->have - unpacking->used);
}

static enum kernel_problem unpack_gzip(struct unpacking *unpacking)
{
	enum kernel_problem problem = KERNEL_TRUNCATED;
	z_stream stream = { 0 };
	int result = Z_OK;
	bool more = false; /* there may be output left that needs no input */

	if (inflateInit2(&stream, GZIP_WINDOW_BITS) != Z_OK)
		return KERNEL_NO_ROOM;
	/* Each turn takes input or gives output: both have an end. */
	while (result != Z_STREAM_END && (more || refill(unpacking, &problem))) {
		stream.next_in = unpacking->input + unpacking->used;
		stream.avail_in = (uInt)(unpacking->have - unpacking->used);
		stream.next_out = unpacking->output;
		stream.avail_out = PIECE;
		result = inflate(&stream, Z_NO_FLUSH);
		unpacking->used = unpacking->have - stream.avail_in;
		if (result == Z_BUF_ERROR && more)
			result = Z_OK; /* there was none */
		if (result != Z_OK && result != Z_STREAM_END) {
			problem = result == Z_MEM_ERROR ? KERNEL_NO_ROOM : KERNEL_DAMAGED;
			break;
		}
		more = stream.avail_out == 0;
		problem = write_out(unpacking, PIECE - stream.avail_out);
		if (problem != KERNEL_FINE)
			break;
		problem = KERNEL_TRUNCATED;
	}
	inflateEnd(&stream);
	if (result != Z_STREAM_END)
		return problem;
	if (problem == KERNEL_TOO_LARGE || problem == KERNEL_NO_ROOM)
		return problem;
	return rest(unpacking) == 0 ? KERNEL_FINE : KERNEL_BEHIND;
}

/* One frame; the kernel's build makes no more. */
static enum kernel_problem unpack_zstd(struct unpacking *unpacking, uint32_t size_word)
{
	enum kernel_problem problem = KERNEL_TRUNCATED;
	ZSTD_DStream *stream = ZSTD_createDStream();
	size_t hint = 1;
	bool more = false; /* as above */

	if (!stream)
		return KERNEL_NO_ROOM;
	ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	while (hint != 0 && (more || refill(unpacking, &problem))) {
		ZSTD_inBuffer input = { unpacking->input, unpacking->have, unpacking->used };
		ZSTD_outBuffer output = { unpacking->output, PIECE, 0 };

		hint = ZSTD_decompressStream(stream, &output, &input);
		unpacking->used = input.pos;
		if (ZSTD_isError(hint)) {
			problem = KERNEL_DAMAGED;
			break;
		}
		more = output.pos == PIECE;
		problem = write_out(unpacking, output.pos);
		if (problem != KERNEL_FINE)
			break;
		if (hint != 0)
			problem = KERNEL_TRUNCATED;
	}
	ZSTD_freeDStream(stream);
	if (hint != 0 || problem != KERNEL_FINE)
		return problem;
	return rest(unpacking) == 0 || rest(unpacking) == size_word ? KERNEL_FINE : KERNEL_BEHIND;
}

enum kernel_problem kernel_payload_unpack(
	const struct kernel_payload *payload, int in, int out, uint64_t limit, uint64_t *unpacked)
{
	struct unpacking *unpacking = malloc(sizeof(*unpacking));
	enum kernel_problem problem = KERNEL_DAMAGED;

	*unpacked = 0;
	if (!unpacking)
		return KERNEL_NO_ROOM;
	unpacking->in = in;
	unpacking->out = out;
	unpacking->offset = payload->offset;
	unpacking->left = payload->size;
	unpacking->limit = limit;
	unpacking->written = 0;
	unpacking->have = unpacking->used = 0;
	if (payload->compression == KERNEL_GZIP)
		problem = unpack_gzip(unpacking);
	else if (payload->compression == KERNEL_ZSTD)
		problem = unpack_zstd(unpacking, payload->size_word);
	*unpacked = unpacking->written;
	free(unpacking);
	return problem;
}
