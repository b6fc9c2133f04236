/* SPDX-License-Identifier: Apache-2.0 */
/* Guest RAM: the one way from a guest's address to a pointer, at the edges. */
#include "vmm/base/guest_memory.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE 0x1000ull
#define LOW  0x40000000ull
#define HIGH 0x80000000ull
#define VA   0x7f0000000000ull
#define VA2  0x7e0000000000ull

static struct guest_memory memory;
static int fd = -1;

/* Two regions: 4 pages at LOW, the next 2 pages of the file at HIGH. */
static void begin(void)
{
	fd = guest_memory_create_fd(8 * PAGE);
	cr_assert_geq(fd, 0);
	cr_assert_eq(guest_memory_map(&memory, fd, 0, LOW, 4 * PAGE, VA), 0);
	cr_assert_eq(guest_memory_map(&memory, fd, 4 * PAGE, HIGH, 2 * PAGE, VA2), 0);
}

static void end(void)
{
	guest_memory_unmap(&memory);
	close(fd);
}

TestSuite(guest_memory, .init = begin, .fini = end, .timeout = 20);

Test(guest_memory, addresses_inside_have_pointers)
{
	unsigned char *low = guest_memory_at(&memory, LOW, 4 * PAGE);

	cr_assert_not_null(low);
	cr_assert_eq(guest_memory_at(&memory, LOW + 1, 4 * PAGE - 1), low + 1);
	cr_assert_eq(guest_memory_at(&memory, LOW + 4 * PAGE - 1, 1), low + 4 * PAGE - 1);
	cr_assert_not_null(guest_memory_at(&memory, HIGH, 2 * PAGE));
	memset(low, 0xa5, 4 * PAGE);
}

Test(guest_memory, ranges_that_leave_a_region_have_none)
{
	static const uint64_t outside[][2] = {
		{ LOW - 1, 1 },
		{ LOW - 1, 2 },
		{ LOW + 4 * PAGE, 1 },
		{ LOW + 4 * PAGE - 1, 2 },
		{ LOW, 4 * PAGE + 1 },
		{ LOW, UINT64_MAX },
		{ LOW + 1, UINT64_MAX }, /* wraps */
		{ LOW + PAGE, UINT64_MAX - LOW },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX, UINT64_MAX },
		{ 0, 1 },
		{ 0, UINT64_MAX },
		{ HIGH + 2 * PAGE, 1 },
	};

	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		cr_assert_null(guest_memory_at(&memory, outside[i][0], outside[i][1]), "%zu", i);
}

Test(guest_memory, nothing_at_all_has_a_pointer_where_a_byte_has)
{
	cr_assert_not_null(guest_memory_at(&memory, LOW, 0));
	cr_assert_not_null(guest_memory_at(&memory, LOW + 4 * PAGE - 1, 0));
	cr_assert_null(guest_memory_at(&memory, LOW + 4 * PAGE, 0));
	cr_assert_null(guest_memory_at(&memory, LOW - 1, 0));
}

/* Their mappings are not neighbours in this process. */
Test(guest_memory, ranges_across_neighbouring_regions_have_none)
{
	cr_assert_eq(guest_memory_map(&memory, fd, 6 * PAGE, LOW + 4 * PAGE, PAGE, 0), 0);
	cr_assert_not_null(guest_memory_at(&memory, LOW + 4 * PAGE, PAGE));
	cr_assert_null(guest_memory_at(&memory, LOW + 4 * PAGE - 1, 2));
}

Test(guest_memory, front_ends_addresses_lead_to_the_same_bytes)
{
	cr_assert_eq(guest_memory_at_frontend_va(&memory, VA + 5, 3),
		guest_memory_at(&memory, LOW + 5, 3));
	cr_assert_eq(guest_memory_at_frontend_va(&memory, VA2, 2 * PAGE),
		guest_memory_at(&memory, HIGH, 2 * PAGE));
	cr_assert_null(guest_memory_at_frontend_va(&memory, VA - 1, 1));
	cr_assert_null(guest_memory_at_frontend_va(&memory, VA, 4 * PAGE + 1));
	cr_assert_null(guest_memory_at_frontend_va(&memory, VA + 1, UINT64_MAX));
	cr_assert_null(guest_memory_at_frontend_va(&memory, LOW, 1));
}

Test(guest_memory, regions_show_their_part_of_the_file)
{
	char byte = 0;

	*(char *)guest_memory_at(&memory, HIGH + 1, 1) = 'h';
	cr_assert_eq(pread(fd, &byte, 1, (off_t)(4 * PAGE + 1)), 1);
	cr_assert_eq(byte, 'h');
}

Test(guest_memory, overlapping_regions_are_refused)
{
	cr_assert_eq(guest_memory_map(&memory, fd, 0, LOW, PAGE, 0), -EEXIST);
	cr_assert_eq(guest_memory_map(&memory, fd, 0, LOW - PAGE, PAGE + 1, 0), -EEXIST);
	cr_assert_eq(guest_memory_map(&memory, fd, 0, LOW + 4 * PAGE - 1, PAGE, 0), -EEXIST);
	cr_assert_eq(guest_memory_map(&memory, fd, 0, LOW + PAGE, PAGE, 0), -EEXIST);
	cr_assert_eq(guest_memory_map(&memory, fd, 0, 0, 2 * HIGH, 0), -EEXIST);
	cr_assert_eq(guest_memory_map(&memory, fd, 0, LOW - PAGE, PAGE, 0), 0);
	cr_assert_eq(memory.count, 3);
}

Test(guest_memory, empty_and_wrapping_regions_are_refused)
{
	cr_assert_eq(guest_memory_map(&memory, fd, 0, 0, 0, 0), -EINVAL);
	cr_assert_eq(guest_memory_map(&memory, fd, 0, UINT64_MAX, PAGE, 0), -EINVAL);
	cr_assert_eq(guest_memory_map(&memory, fd, 0, 0, PAGE, UINT64_MAX), -EINVAL);
	cr_assert_eq(guest_memory_map(&memory, fd, 0, 0, UINT64_MAX, 0), -EINVAL);
	cr_assert_eq(guest_memory_map(&memory, fd, UINT64_MAX - PAGE + 1, 0, PAGE, 0), -EINVAL);
	cr_assert_eq(memory.count, 2);
}

Test(guest_memory, errors_of_mmap_are_passed_on)
{
	cr_assert_eq(guest_memory_map(&memory, -1, 0, 0, PAGE, 0), -EBADF);
	cr_assert_eq(guest_memory_map(&memory, fd, 1, 0, PAGE, 0), -EINVAL);
	cr_assert_eq(memory.count, 2);
}

Test(guest_memory, table_has_an_end)
{
	for (uint64_t i = 2; i < GUEST_MEMORY_MAX_REGIONS; i++)
		cr_assert_eq(guest_memory_map(&memory, fd, 0, i * PAGE, PAGE, 0), 0);
	cr_assert_eq(guest_memory_map(&memory, fd, 0, 0, PAGE, 0), -ENOSPC);
}

Test(guest_memory, unmapping_empties_the_table)
{
	guest_memory_unmap(&memory);
	cr_assert_eq(memory.count, 0);
	cr_assert_null(guest_memory_at(&memory, LOW, 1));
	cr_assert_eq(guest_memory_map(&memory, fd, 0, LOW, PAGE, 0), 0);
}

/* A worker maps the same file: nobody may take pages away below it. */
Test(guest_memory, file_can_neither_grow_nor_shrink)
{
	struct stat status;

	cr_assert_eq(fstat(fd, &status), 0);
	cr_assert_eq(status.st_size, 8 * PAGE);
	cr_assert_neq(ftruncate(fd, 4 * PAGE), 0);
	cr_assert_neq(ftruncate(fd, 16 * PAGE), 0);
	cr_assert_neq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0, "the seals are sealed");
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

Test(guest_memory, file_of_no_or_too_many_bytes_is_refused)
{
	cr_assert_eq(guest_memory_create_fd(0), -EINVAL);
	cr_assert_eq(guest_memory_create_fd((uint64_t)INT64_MAX + 1), -EINVAL);
	cr_assert_eq(guest_memory_create_fd(UINT64_MAX), -EINVAL);
}

/* Whatever the host of the test has: all pages at once, or an error and no descriptor. */
Test(guest_memory, huge_pages_are_there_or_refused)
{
	struct stat status;
	int huge = guest_memory_create_huge_fd(4ull << 20, 2ull << 20);

	if (huge >= 0) {
		cr_assert_eq(fstat(huge, &status), 0);
		cr_assert_eq(status.st_blksize, 2 << 20);
		cr_assert_eq(status.st_blocks * 512, 4 << 20);
		close(huge);
	}
	cr_assert_lt(guest_memory_create_huge_fd(1ull << 60, 2ull << 20), 0);
	cr_assert_lt(
		guest_memory_create_huge_fd(1ull << 40, 1ull << 40), 0, "no CPU has such pages");
}

/* The kernel's flags of the mapping that `address` is in, with a space behind each. */
static const char *flags_of(uintptr_t address)
{
	static char line[4096];
	FILE *smaps = fopen("/proc/self/smaps", "re");
	bool inside = false;

	cr_assert_not_null(smaps);
	while (fgets(line, sizeof(line), smaps)) {
		char *after;
		uintptr_t start = strtoul(line, &after, 16);

		if (*after == '-' && after > line)
			inside = address >= start && address < strtoul(after + 1, NULL, 16);
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			break;
	}
	fclose(smaps);
	return line;
}

Test(guest_memory, is_in_no_core_dump_and_of_large_pages_where_there_are_any)
{
	const char *flags = flags_of((uintptr_t)guest_memory_at(&memory, LOW, 1));

	cr_assert_not_null(strstr(flags, " dd "), "%s", flags);
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) == 0)
		cr_assert_not_null(strstr(flags, " hg "), "%s", flags);
}
