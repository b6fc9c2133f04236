/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel headers of any content, with files, initrds and RAM of any size: what is accepted lies
 * in RAM, in order, without overlap.
 *
 * Input: the header; then, each 8 bytes, the sizes of file, initrd and RAM.
 */
#include "arch/aarch64/image.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BASE 0x40000000ull
#define MIB_2	 0x200000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t header[IMAGE_HEADER_SIZE] = { 0 };
	uint64_t sizes[3] = { 0 }, needed; /* file, initrd, RAM */
	struct kernel_image image;
	struct boot_layout layout;
	const char *problem = NULL;
	uint64_t ram_end;

	if (size < sizeof(header) + sizeof(sizes))
		return 0;
	memcpy(header, data, sizeof(header));
	memcpy(sizes, data + sizeof(header), sizeof(sizes));
	if (kernel_image_parse(header, sizes[0], &image, &problem)) {
		check(problem != NULL);
		return 0;
	}
	check(image.file_size == sizes[0] && image.memory_size >= image.file_size);
	check(image.text_offset < MIB_2);

	/* As the layout sees to it before. */
	if (__builtin_add_overflow(RAM_BASE, sizes[2], &ram_end))
		return 0;
	if (boot_layout_compute(&image, sizes[1], RAM_BASE, sizes[2], &layout, &needed)) {
		check(needed > sizes[2] || needed == UINT64_MAX);
		return 0;
	}
	check(needed <= sizes[2]);
	check(layout.kernel == RAM_BASE + image.text_offset);
	check(layout.tree >= layout.kernel && layout.tree - layout.kernel >= image.memory_size);
	check(layout.tree % MIB_2 == 0);
	check(layout.initrd - layout.tree == BOOT_TREE_SIZE);
	check(layout.initrd <= ram_end && ram_end - layout.initrd >= sizes[1]);
	return 0;
}
