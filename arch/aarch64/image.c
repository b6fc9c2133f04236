/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/aarch64/image.h"

#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define MIB_2		   0x200000ull

/* Header fields, little-endian whatever the kernel's own byte order. */
#define OFFSET_TEXT_OFFSET 8
#define OFFSET_IMAGE_SIZE  16
#define OFFSET_FLAGS	   24
#define OFFSET_MAGIC	   56
#define MAGIC		   0x644d5241u /* "ARM\x64" */
#define FLAG_BIG_ENDIAN	   1u

/* Kernels before 3.17 leave image_size 0 and mean this offset. */
#define OLD_TEXT_OFFSET	   0x80000ull

static uint64_t field64(const uint8_t *header, size_t offset)
{
	uint64_t value;

	memcpy(&value, header + offset, sizeof(value));
	return le64toh(value);
}

int kernel_image_parse(const uint8_t header[IMAGE_HEADER_SIZE], uint64_t file_size,
	struct kernel_image *image, const char **problem)
{
	uint32_t magic;

	if (file_size < IMAGE_HEADER_SIZE) {
		*problem = "is too short to be an arm64 kernel Image; give --kernel the file "
			   "arch/arm64/boot/Image";
		return -EINVAL;
	}
	memcpy(&magic, header + OFFSET_MAGIC, sizeof(magic));
	if (le32toh(magic) != MAGIC) {
		*problem = "is not an arm64 kernel Image (no magic \"ARM\\x64\" at byte 56); give "
			   "--kernel the file arch/arm64/boot/Image, or FILE,raw for a binary "
			   "without a header";
		return -EINVAL;
	}
	image->text_offset = field64(header, OFFSET_TEXT_OFFSET);
	image->memory_size = field64(header, OFFSET_IMAGE_SIZE);
	image->file_size = file_size;
	if (field64(header, OFFSET_FLAGS) & FLAG_BIG_ENDIAN) {
		*problem = "is a big-endian kernel; build it with CONFIG_CPU_LITTLE_ENDIAN=y";
		return -EINVAL;
	}
	if (image->memory_size == 0) {
		image->text_offset = OLD_TEXT_OFFSET;
		image->memory_size = file_size;
	}
	if (image->text_offset >= MIB_2) {
		*problem = "has a text offset beyond 2 MiB; the file is damaged, copy it again";
		return -EINVAL;
	}
	/* .bss makes the kernel larger in memory than in the file; the other way it was cut. */
	if (image->memory_size < file_size) {
		*problem = "is longer than its header says; the file is damaged, copy it again";
		return -EINVAL;
	}
	/* The header does not tell the file's size; memory never doubles it without a cut. */
	if (file_size < image->memory_size / 2) {
		*problem = "is truncated: its header announces a kernel more than twice as large; "
			   "copy it again";
		return -EINVAL;
	}
	return 0;
}

void kernel_image_raw(uint64_t file_size, struct kernel_image *image)
{
	*image = (struct kernel_image){ OLD_TEXT_OFFSET, file_size, file_size };
}

int boot_layout_compute(const struct kernel_image *image, uint64_t initrd_size, uint64_t ram_base,
	uint64_t ram_size, struct boot_layout *layout, uint64_t *needed)
{
	uint64_t end = image->text_offset; /* from ram_base */

	*needed = UINT64_MAX;
	layout->kernel = ram_base + end;
	if (__builtin_add_overflow(end, image->memory_size, &end) || !align_up(end, MIB_2, &end))
		return -ENOSPC;
	layout->tree = ram_base + end;
	if (__builtin_add_overflow(end, BOOT_TREE_SIZE, &end))
		return -ENOSPC;
	layout->initrd = ram_base + end;
	if (__builtin_add_overflow(end, initrd_size, &end))
		return -ENOSPC;
	*needed = end;
	return end > ram_size ? -ENOSPC : 0;
}
