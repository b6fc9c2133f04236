/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed kernels: recognised, unpacked, refused. */
#include "arch/aarch64/kernel_payload.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#define MIB	    0x100000ull

/* A "kernel" of half random bytes, half zeroes: neither ends with a piece of the code's. */
#define KERNEL_SIZE (300 * 1000 + 7)

static uint8_t kernel[KERNEL_SIZE], file[4 * MIB];
static size_t file_size;
static int in, out;
static struct kernel_payload payload;
static uint64_t unpacked;

static void begin(void)
{
	srandom(1);
	for (size_t i = 0; i < KERNEL_SIZE / 2; i++)
		kernel[i] = (uint8_t)random();
	in = memfd_create("in", MFD_CLOEXEC);
	out = memfd_create("out", MFD_CLOEXEC);
	cr_assert(in >= 0 && out >= 0);
}

static void end(void)
{
	close(in);
	close(out);
}

TestSuite(kernel_payload, .init = begin, .fini = end, .timeout = 60);

static size_t gzip(const uint8_t *data, size_t size, uint8_t *to)
{
	z_stream stream = { 0 };

	cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	stream.next_in = (Bytef *)(uintptr_t)data;
	stream.avail_in = (uInt)size;
	stream.next_out = to;
	stream.avail_out = 2 * MIB;
	cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
	deflateEnd(&stream);
	return stream.total_out;
}

static size_t zstd(const uint8_t *data, size_t size, uint8_t *to)
{
	size_t n = ZSTD_compress(to, 2 * MIB, data, size, 3);

	cr_assert(!ZSTD_isError(n));
	return n;
}

/* `file` as an EFI zboot image with the payload that is at file + 0x1000 already. */
static void zboot(const char *type, uint32_t size)
{
	const uint32_t place[] = { 0x1000, size };

	memset(file, 0, 0x1000);
	memcpy(file, (const char[]){ 'M', 'Z', 0, 0, 'z', 'i', 'm', 'g' }, 8);
	memcpy(file + 8, place, sizeof(place));
	memcpy(file + 24, type, strlen(type) + 1);
	file_size = 0x1000 + size + 300; /* a signature may follow */
}

static enum kernel_problem unpack(uint64_t limit)
{
	uint8_t header[IMAGE_HEADER_SIZE] = { 0 };
	enum kernel_problem problem;

	memcpy(header, file, file_size < sizeof(header) ? file_size : sizeof(header));
	cr_assert(ftruncate(in, 0) == 0 && ftruncate(out, 0) == 0);
	cr_assert_eq(lseek(out, 0, SEEK_SET), 0);
	cr_assert_eq(pwrite(in, file, file_size, 0), (ssize_t)file_size);
	problem = kernel_payload_find(header, file_size, &payload);
	if (problem == KERNEL_FINE)
		problem = kernel_payload_unpack(&payload, in, out, limit, &unpacked);
	return problem;
}

static void assert_whole(void)
{
	static uint8_t got[KERNEL_SIZE + 1];

	cr_assert_eq(unpack(KERNEL_SIZE), KERNEL_FINE);
	cr_assert_eq(unpacked, KERNEL_SIZE);
	cr_assert_eq(pread(out, got, sizeof(got), 0), KERNEL_SIZE);
	cr_assert_arr_eq(got, kernel, KERNEL_SIZE);
}

Test(kernel_payload, gzip_and_zstd)
{
	file_size = gzip(kernel, KERNEL_SIZE, file);
	assert_whole();
	cr_assert_eq(payload.compression, KERNEL_GZIP);
	file_size = zstd(kernel, KERNEL_SIZE, file);
	assert_whole();
	cr_assert_eq(payload.compression, KERNEL_ZSTD);
}

Test(kernel_payload, zboot_with_either)
{
	zboot("gzip", (uint32_t)gzip(kernel, KERNEL_SIZE, file + 0x1000));
	assert_whole();
	zboot("zstd", (uint32_t)zstd(kernel, KERNEL_SIZE, file + 0x1000));
	assert_whole();
	/* Linux' own build: "zstd22", and the size in four bytes behind the frame. */
	zboot("zstd22", (uint32_t)zstd(kernel, KERNEL_SIZE, file + 0x1000) + 4);
	assert_whole();
}

Test(kernel_payload, plain_images_are_left_alone)
{
	uint8_t header[IMAGE_HEADER_SIZE] = { 'M', 'Z' };

	cr_assert_eq(kernel_payload_find(header, 1000, &payload), KERNEL_FINE);
	cr_assert_eq(payload.compression, KERNEL_PLAIN);
	memset(header, 0, sizeof(header));
	cr_assert_eq(kernel_payload_find(header, 1, &payload), KERNEL_FINE);
	cr_assert_eq(payload.compression, KERNEL_PLAIN);
}

Test(kernel_payload, truncated_at_any_place)
{
	const size_t whole[] = { gzip(kernel, KERNEL_SIZE, file), 0 };

	for (size_t cut = 1; cut < whole[0] - 2; cut = cut * 3 + 1) {
		file_size = whole[0] - cut;
		cr_assert_eq(unpack(MIB), KERNEL_TRUNCATED, "%zu", cut);
	}
	file_size = zstd(kernel, KERNEL_SIZE, file);
	for (size_t cut = 1; cut < file_size - 4; cut = cut * 3 + 1) {
		size_t before = file_size;

		file_size -= cut;
		cr_assert_eq(unpack(MIB), KERNEL_TRUNCATED, "%zu", cut);
		file_size = before;
	}
}

Test(kernel_payload, damaged)
{
	file_size = gzip(kernel, KERNEL_SIZE, file);
	file[file_size - 6] ^= 1; /* the checksum */
	cr_assert_eq(unpack(MIB), KERNEL_DAMAGED);
	file_size = zstd(kernel, KERNEL_SIZE, file);
	memset(file + 5, 0xff, 20);
	cr_assert_eq(unpack(MIB), KERNEL_DAMAGED);
}

Test(kernel_payload, something_behind)
{
	file_size = gzip(kernel, KERNEL_SIZE, file);
	file[file_size++] = 0;
	cr_assert_eq(unpack(MIB), KERNEL_BEHIND);
	file_size = zstd(kernel, KERNEL_SIZE, file) + 4;
	cr_assert_eq(unpack(MIB), KERNEL_BEHIND, "four bytes are for zboot alone");
	zboot("gzip", (uint32_t)gzip(kernel, KERNEL_SIZE, file + 0x1000) + 4);
	cr_assert_eq(unpack(MIB), KERNEL_BEHIND);
	zboot("zstd22", (uint32_t)zstd(kernel, KERNEL_SIZE, file + 0x1000) + 5);
	cr_assert_eq(unpack(MIB), KERNEL_BEHIND);
}

/* Stops at the limit, and has written no more. */
Test(kernel_payload, bombs)
{
	static uint8_t zeroes[64 * MIB];

	file_size = gzip(zeroes, sizeof(zeroes), file);
	cr_assert_lt(file_size, MIB);
	cr_assert_eq(unpack(MIB), KERNEL_TOO_LARGE);
	cr_assert_leq(lseek(out, 0, SEEK_END), (off_t)MIB);
	file_size = zstd(zeroes, sizeof(zeroes), file);
	cr_assert_eq(unpack(MIB), KERNEL_TOO_LARGE);
	cr_assert_leq(lseek(out, 0, SEEK_END), (off_t)MIB);
	cr_assert_eq(unpack(sizeof(zeroes) - 1), KERNEL_TOO_LARGE);
	cr_assert_eq(unpack(sizeof(zeroes)), KERNEL_FINE);
	cr_assert_eq(unpacked, sizeof(zeroes));
}

Test(kernel_payload, zboot_that_lies)
{
	const uint32_t size = (uint32_t)gzip(kernel, KERNEL_SIZE, file + 0x1000);
	uint32_t field;

	zboot("lz4", size);
	cr_assert_eq(unpack(MIB), KERNEL_UNKNOWN_COMPRESSION);
	zboot("gzip", size);
	file_size = 0x1000 + size - 1;
	cr_assert_eq(unpack(MIB), KERNEL_OUTSIDE);
	for (uint32_t place = 8; place <= 12; place += 4) {
		zboot("gzip", size);
		field = UINT32_MAX;
		memcpy(file + place, &field, sizeof(field));
		cr_assert_eq(unpack(MIB), KERNEL_OUTSIDE);
	}
	zboot("gzip", size);
	field = 8;
	memcpy(file + 8, &field, sizeof(field));
	cr_assert_eq(unpack(MIB), KERNEL_OUTSIDE, "inside the header");
	zboot("gzip", 0);
	cr_assert_eq(unpack(MIB), KERNEL_TRUNCATED);
}

Test(kernel_payload, unreadable)
{
	file_size = gzip(kernel, KERNEL_SIZE, file);
	cr_assert_eq(unpack(MIB), KERNEL_FINE);
	cr_assert_eq(kernel_payload_unpack(&payload, -1, out, MIB, &unpacked), KERNEL_UNREADABLE);
	cr_assert_eq(kernel_payload_unpack(&payload, in, -1, MIB, &unpacked), KERNEL_NO_ROOM);
}

Test(kernel_payload, every_problem_has_a_text_and_other_numbers_too)
{
	for (uint32_t i = 0; i <= KERNEL_PROBLEMS; i++)
		cr_assert_not_null(kernel_problem_text(i));
	cr_assert_not_null(kernel_problem_text(UINT32_MAX));
}
