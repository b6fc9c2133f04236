/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's header and where kernel, tree and initrd go. */
#include "arch/aarch64/image.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define MIB	 0x100000ull
#define RAM_BASE 0x40000000ull

static uint8_t header[IMAGE_HEADER_SIZE];
static struct kernel_image image;
static const char *problem;

/* `literal` without its NUL. */
#define PUT(offset, literal)                                                                       \
	for (size_t i = 0; i + 1 < sizeof(literal); i++)                                           \
	header[(offset) + i] = (uint8_t)(literal)[i]

static void put64(size_t offset, uint64_t value)
{
	for (size_t i = 0; i < 8; i++)
		header[offset + i] = (uint8_t)(value >> (8 * i));
}

/* As Linux 6.12 has it: text_offset 0, 24 MiB in memory, little-endian, 4K pages, anywhere. */
static void begin(void)
{
	put64(0, 0x1425dfff91005a4d);
	put64(8, 0);
	put64(16, 24 * MIB);
	put64(24, 0xa);
	PUT(56, "ARM\x64");
	problem = "not set";
}

static int parse(uint64_t file_size)
{
	return kernel_image_parse(header, file_size, &image, &problem);
}

static void assert_refused(uint64_t file_size, const char *words)
{
	problem = "not set";
	cr_assert_eq(parse(file_size), -EINVAL);
	cr_assert_not_null(strstr(problem, words), "'%s' is not in '%s'", words, problem);
}

TestSuite(image, .init = begin, .timeout = 20);

Test(image, fields_of_the_header)
{
	put64(8, 0x80000);
	cr_assert_eq(parse(20 * MIB), 0);
	cr_assert_eq(image.text_offset, 0x80000);
	cr_assert_eq(image.memory_size, 24 * MIB);
	cr_assert_eq(image.file_size, 20 * MIB);
}

Test(image, file_as_large_as_memory_is_whole)
{
	cr_assert_eq(parse(24 * MIB), 0);
	assert_refused(24 * MIB + 1, "longer than its header says");
}

Test(image, file_cut_short_is_refused)
{
	cr_assert_eq(parse(12 * MIB), 0);
	assert_refused(12 * MIB - 1, "truncated");
	assert_refused(IMAGE_HEADER_SIZE, "truncated");
	assert_refused(IMAGE_HEADER_SIZE - 1, "too short");
	assert_refused(0, "too short");
}

Test(image, wrong_magic)
{
	header[59] = 0x65;
	assert_refused(20 * MIB, "no magic");
	memset(header, 0, sizeof(header));
	assert_refused(20 * MIB, "arch/arm64/boot/Image");
}

/* --kernel FILE,raw: RAM base + 0x80000, and nothing behind the file. */
Test(image, headerless_binaries)
{
	kernel_image_raw(5, &image);
	cr_assert_eq(image.text_offset, 0x80000);
	cr_assert_eq(image.memory_size, 5);
	cr_assert_eq(image.file_size, 5);
}

Test(image, big_endian_kernel_is_refused)
{
	put64(24, 0xb);
	assert_refused(20 * MIB, "big-endian");
}

/* Before Linux 3.17: image_size 0, and text_offset of an unknown byte order: 0x80000 is meant. */
Test(image, old_kernel_without_a_size)
{
	put64(8, 0x80000ull << 24);
	put64(16, 0);
	put64(24, 0);
	cr_assert_eq(parse(8 * MIB), 0);
	cr_assert_eq(image.text_offset, 0x80000);
	cr_assert_eq(image.memory_size, 8 * MIB);
}

Test(image, text_offset_is_below_2_mib)
{
	put64(8, 2 * MIB - 1);
	cr_assert_eq(parse(20 * MIB), 0);
	put64(8, 2 * MIB);
	assert_refused(20 * MIB, "text offset");
	put64(8, UINT64_MAX);
	assert_refused(20 * MIB, "text offset");
}

Test(image, largest_sizes_do_not_wrap)
{
	put64(16, UINT64_MAX);
	assert_refused(20 * MIB, "truncated");
	cr_assert_eq(parse(UINT64_MAX), 0);
	cr_assert_eq(parse(UINT64_MAX / 2), 0);
	assert_refused(UINT64_MAX / 2 - 1, "truncated");
}

/* --- the layout ------------------------------------------------------------------------------- */

static struct boot_layout layout;
static uint64_t needed;

static int compute(uint64_t initrd_size, uint64_t ram_size)
{
	return boot_layout_compute(&image, initrd_size, RAM_BASE, ram_size, &layout, &needed);
}

Test(image, kernel_then_tree_then_initrd)
{
	image = (struct kernel_image){ 0x80000, 24 * MIB, 20 * MIB };
	cr_assert_eq(compute(5 * MIB, 512 * MIB), 0);
	cr_assert_eq(layout.kernel, RAM_BASE + 0x80000);
	cr_assert_eq(layout.tree, RAM_BASE + 26 * MIB, "above .bss, on 2 MiB");
	cr_assert_eq(layout.initrd, RAM_BASE + 28 * MIB);
	cr_assert_eq(needed, 33 * MIB);
}

Test(image, kernel_that_ends_on_2_mib_wastes_nothing)
{
	image = (struct kernel_image){ 0, 24 * MIB, 20 * MIB };
	cr_assert_eq(compute(0, 512 * MIB), 0);
	cr_assert_eq(layout.kernel, RAM_BASE);
	cr_assert_eq(layout.tree, RAM_BASE + 24 * MIB);
	cr_assert_eq(needed, 26 * MIB);
	image.memory_size++;
	cr_assert_eq(compute(0, 512 * MIB), 0);
	cr_assert_eq(layout.tree, RAM_BASE + 26 * MIB);
}

Test(image, what_is_needed_is_exact)
{
	image = (struct kernel_image){ 0, 24 * MIB, 20 * MIB };
	cr_assert_eq(compute(MIB + 1, 27 * MIB + 1), 0);
	cr_assert_eq(compute(MIB + 1, 27 * MIB), -ENOSPC);
	cr_assert_eq(needed, 27 * MIB + 1);
	cr_assert_eq(compute(0, 0), -ENOSPC);
	cr_assert_eq(needed, 26 * MIB);
}

Test(image, sizes_that_wrap_never_fit)
{
	image = (struct kernel_image){ 0, 24 * MIB, 20 * MIB };
	cr_assert_eq(compute(UINT64_MAX, UINT64_MAX), -ENOSPC);
	cr_assert_eq(needed, UINT64_MAX);
	cr_assert_eq(compute(UINT64_MAX - 26 * MIB + 1, UINT64_MAX), -ENOSPC);

	image.memory_size = UINT64_MAX;
	cr_assert_eq(compute(0, UINT64_MAX), -ENOSPC);
	image.memory_size =
		UINT64_MAX - 2 * MIB + 1; /* its end is aligned, the tree's is not there */
	cr_assert_eq(compute(0, UINT64_MAX), -ENOSPC);
	image = (struct kernel_image){ 2 * MIB - 1, UINT64_MAX, UINT64_MAX };
	cr_assert_eq(compute(0, UINT64_MAX), -ENOSPC);
	cr_assert_eq(needed, UINT64_MAX);
}
