/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest gives away, and what is given back to the host for it: whatever ranges come in
 * whatever order, only whole pages of the host's, only in guest memory, and no byte that was not
 * given away.
 *
 * Input: a byte for the host's page size (4, 16 or 64 KiB), then ranges: a byte (bit 0: release
 * what there is, bit 1: bytes, else pages of 4 KiB), 16 bits where, 16 bits how many.
 */
#include "devices/virtio/balloon_pages.h"
#include "vmm/base/guest_memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE	    0x1000u
#define RAM_BASE    UINT64_C(0x40000000)
#define REGION_SIZE UINT64_C(0x40000)
/* Two regions side by side; numbers reach beyond them, and before. */
#define RAM_SIZE    (2 * REGION_SIZE)
#define FIRST	    (RAM_BASE - 16 * PAGE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct range {
	uint8_t options;
	uint8_t where[2], count[2];
};

static struct guest_memory memory;
static struct balloon_pages pages;
static uint8_t given[RAM_SIZE];

static void check(bool holds)
{
	if (!holds)
		abort();
}

static int release(void *at, size_t size)
{
	check(size != 0 && size % pages.page_size == 0);
	check((uintptr_t)at % pages.page_size == 0);
	for (size_t i = 0; i < memory.count; i++) {
		const struct guest_memory_region *region = &memory.regions[i];
		uint64_t offset = (uintptr_t)at - (uintptr_t)region->host;

		if (offset >= region->size)
			continue;
		check(size <= region->size - offset);
		check(memchr(given + (region->gpa - RAM_BASE) + offset, 0, size) == NULL);
		return 0;
	}
	abort();
}

static void mark(uint64_t gpa, uint64_t size)
{
	if (gpa >= RAM_BASE && gpa < RAM_BASE + RAM_SIZE && size <= RAM_BASE + RAM_SIZE - gpa)
		memset(given + (gpa - RAM_BASE), 1, size);
}

static void give(const struct range *range)
{
	uint64_t where = range->where[0] | (uint64_t)range->where[1] << 8;
	uint64_t count = (range->count[0] | (uint64_t)range->count[1] << 8) + 1;
	uint64_t unit = (range->options & 2) != 0 ? 1 : PAGE;
	uint64_t gpa = FIRST + where * unit;

	mark(gpa, count * unit);
	balloon_pages_add(&pages, gpa, count * unit);
	if ((range->options & 1) != 0)
		balloon_pages_flush(&pages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct range range;
	int fd;

	if (size == 0)
		return 0;
	if (memory.count == 0) {
		fd = guest_memory_create_fd(RAM_SIZE);
		check(fd >= 0);
		check(guest_memory_map(&memory, fd, 0, RAM_BASE, REGION_SIZE, 0) == 0);
		check(guest_memory_map(&memory, fd, REGION_SIZE, RAM_BASE + REGION_SIZE,
			      REGION_SIZE, 0) == 0);
		close(fd);
	}
	memset(given, 0, sizeof(given));
	pages = (struct balloon_pages){
		.memory = &memory,
		.page_size = (uint64_t)PAGE << (data[0] % 3 * 2),
		.release = release,
	};
	for (size_t at = 1; size - at >= sizeof(range); at += sizeof(range)) {
		memcpy(&range, data + at, sizeof(range));
		give(&range);
	}
	balloon_pages_flush(&pages);
	return 0;
}
