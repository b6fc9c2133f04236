/* SPDX-License-Identifier: Apache-2.0 */
/* Compressed kernels: whatever the file holds, no more than the limit is written, and all told. */
#include "arch/aarch64/kernel_payload.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LIMIT 0x40000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t header[IMAGE_HEADER_SIZE] = { 0 };
	struct kernel_payload payload;
	enum kernel_problem problem;
	uint64_t unpacked;
	int in, out;

	if (size == 0)
		return 0;
	memcpy(header, data, size < sizeof(header) ? size : sizeof(header));
	if (kernel_payload_find(header, size, &payload) != KERNEL_FINE)
		return 0;
	check(payload.offset <= size && payload.size <= size - payload.offset);
	if (payload.compression == KERNEL_PLAIN)
		return 0;
	in = memfd_create("in", MFD_CLOEXEC);
	out = memfd_create("out", MFD_CLOEXEC);
	check(in >= 0 && out >= 0 && write(in, data, size) == (ssize_t)size);
	problem = kernel_payload_unpack(&payload, in, out, LIMIT, &unpacked);
	check(problem < KERNEL_PROBLEMS);
	check(lseek(out, 0, SEEK_END) <= (off_t)LIMIT);
	if (problem == KERNEL_FINE)
		check((uint64_t)lseek(out, 0, SEEK_END) == unpacked);
	close(in);
	close(out);
	return 0;
}
