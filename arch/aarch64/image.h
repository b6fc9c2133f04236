/* SPDX-License-Identifier: Apache-2.0 */
/* The arm64 kernel `Image` (Documentation/arch/arm64/booting.rst of the kernel). */
#ifndef ARCH_AARCH64_IMAGE_H
#define ARCH_AARCH64_IMAGE_H

#include <stdint.h>

#define IMAGE_HEADER_SIZE 64

struct kernel_image {
	uint64_t text_offset; /* from a 2 MiB boundary in RAM to the first byte of the file */
	uint64_t memory_size; /* bytes that the kernel uses from there on, at least file_size */
	uint64_t file_size;   /* bytes */
};

/*
 * Checks a header and the file's size. Returns 0 with *image filled, or -EINVAL with *problem
 * saying what is wrong with the file, to follow its name in a message.
 */
int kernel_image_parse(const uint8_t header[IMAGE_HEADER_SIZE], uint64_t file_size,
	struct kernel_image *image, const char **problem);

/* A headerless binary of `file_size` bytes: it runs from 0x80000 on, where it begins. */
void kernel_image_raw(uint64_t file_size, struct kernel_image *image);

/* Where everything goes in guest RAM; guest-physical addresses. */
struct boot_layout {
	uint64_t kernel, initrd, tree;
};

/* The boot protocol's limit for the device tree. */
#define BOOT_TREE_SIZE 0x200000ull

/*
 * Kernel first, then 2 MiB for the device tree, then the initrd (`initrd_size` may be 0).
 * Returns 0 or -ENOSPC, with *needed the bytes of RAM that would do in either case.
 */
int boot_layout_compute(const struct kernel_image *image, uint64_t initrd_size, uint64_t ram_base,
	uint64_t ram_size, struct boot_layout *layout, uint64_t *needed);

#endif
