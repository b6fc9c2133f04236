/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compressed arm64 kernels: gzip, zstd, and EFI zboot images that hold either. An image is not
 * trusted: this runs in a jailed process of its own, reads and writes in small pieces, and stops at
 * a limit.
 */
#ifndef ARCH_AARCH64_KERNEL_PAYLOAD_H
#define ARCH_AARCH64_KERNEL_PAYLOAD_H

#include "arch/aarch64/image.h"

#include <stdint.h>

enum kernel_compression { KERNEL_PLAIN, KERNEL_GZIP, KERNEL_ZSTD };

/* Where in the file the compressed kernel is. */
struct kernel_payload {
	enum kernel_compression compression;
	uint64_t offset, size; /* bytes */
	uint32_t size_word; /* bytes that zboot's build may leave behind a zstd payload: 0 or 4 */
};

/* What can be wrong with one; kernel_problem_text() follows the file's name in a message. */
enum kernel_problem {
	KERNEL_FINE,
	KERNEL_TRUNCATED,
	KERNEL_DAMAGED,
	KERNEL_TOO_LARGE,
	KERNEL_BEHIND,
	KERNEL_UNREADABLE,
	KERNEL_NO_ROOM,
	KERNEL_OUTSIDE,
	KERNEL_UNKNOWN_COMPRESSION,
	KERNEL_PROBLEMS
};

/* Any value, of a process that is not trusted, gives a text. */
const char *kernel_problem_text(uint32_t problem);

/*
 * Recognises a kernel by its first bytes (as many as there are, the rest zero). Anything that is
 * not compressed in a known way is KERNEL_PLAIN, and for kernel_image_parse() to judge.
 */
enum kernel_problem kernel_payload_find(const uint8_t header[IMAGE_HEADER_SIZE], uint64_t file_size,
	struct kernel_payload *payload);

/*
 * Unpacks it from descriptor `in` to the end of descriptor `out`, at most `limit` bytes, and says
 * in *unpacked how many they were.
 */
enum kernel_problem kernel_payload_unpack(
	const struct kernel_payload *payload, int in, int out, uint64_t limit, uint64_t *unpacked);

#endif
