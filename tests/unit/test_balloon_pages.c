/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the host's pages are given back for what the guest gives away. */
#include "devices/virtio/balloon_pages.h"
#include "tests/unit/fakes.h"
#include "vmm/base/guest_memory.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOW   UINT64_C(0x40000000)
#define HIGH  (LOW + SIZE) /* another region, right behind */
#define SIZE  UINT64_C(0x100000)
#define FAR   UINT64_C(0x80000000)
#define PAGE  UINT64_C(0x1000)
#define LARGE UINT64_C(0x10000)

static struct guest_memory memory;
static struct balloon_pages pages;
static int result;

static uint64_t gpa_of(const void *at)
{
	for (size_t i = 0; i < memory.count; i++) {
		const struct guest_memory_region *region = &memory.regions[i];

		if ((uintptr_t)at - (uintptr_t)region->host < region->size)
			return region->gpa + ((uintptr_t)at - (uintptr_t)region->host);
	}
	cr_assert_fail("released what is no guest memory");
	return 0;
}

static int release(void *at, size_t size)
{
	cr_assert_eq((uintptr_t)at % pages.page_size, 0);
	cr_assert_eq(size % pages.page_size, 0);
	cr_assert_neq(size, 0);
	fake_trace("%llx+%zx", (unsigned long long)gpa_of(at), size);
	return result;
}

static void begin(void)
{
	int fd = guest_memory_create_fd(3 * SIZE);

	cr_assert_eq(guest_memory_map(&memory, fd, 0, LOW, SIZE, 0), 0);
	cr_assert_eq(guest_memory_map(&memory, fd, SIZE, HIGH, SIZE, 0), 0);
	cr_assert_eq(guest_memory_map(&memory, fd, 2 * SIZE, FAR, SIZE, 0), 0);
	close(fd);
	pages = (struct balloon_pages){ .memory = &memory, .page_size = PAGE, .release = release };
}

static void end(void)
{
	guest_memory_unmap(&memory);
}

TestSuite(balloon_pages, .init = begin, .fini = end, .timeout = 30);

static void assert_released(const char *expected)
{
	balloon_pages_flush(&pages);
	cr_assert_str_eq(fake_trace_text(), expected);
	fake_trace_clear();
}

static void give(uint64_t gpa)
{
	balloon_pages_add(&pages, gpa, PAGE);
}

Test(balloon_pages, neighbours_are_released_at_once_upwards_and_downwards)
{
	assert_released("");
	give(LOW);
	give(LOW + PAGE);
	give(LOW + 2 * PAGE);
	assert_released("40000000+3000\n");
	give(LOW + 9 * PAGE);
	give(LOW + 8 * PAGE);
	give(LOW + 10 * PAGE);
	assert_released("40008000+3000\n");
	assert_released("");
}

Test(balloon_pages, others_one_after_the_other)
{
	give(LOW + 4 * PAGE);
	give(LOW + 6 * PAGE);
	give(FAR);
	give(FAR);
	assert_released("40004000+1000\n40006000+1000\n80000000+1000\n80000000+1000\n");
	cr_assert_eq(pages.released, 4 * PAGE);
	cr_assert_eq(pages.outside, 0);
}

Test(balloon_pages, regions_are_not_joined)
{
	give(HIGH - PAGE);
	give(HIGH);
	assert_released("400ff000+1000\n40100000+1000\n");
	give(HIGH);
	give(HIGH - PAGE);
	assert_released("40100000+1000\n400ff000+1000\n");
}

Test(balloon_pages, what_is_no_memory_is_counted_and_nothing_else)
{
	static const uint64_t wrong[] = { 0, LOW - PAGE, HIGH + SIZE, FAR - PAGE, FAR + SIZE,
		UINT64_C(0xffffffff) * PAGE };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		give(wrong[i]);
	balloon_pages_add(&pages, HIGH + SIZE - PAGE, 2 * PAGE);
	balloon_pages_add(&pages, FAR, UINT32_MAX);
	assert_released("");
	cr_assert_eq(pages.outside, 8);
	give(LOW);
	give(0);
	give(LOW + PAGE);
	assert_released("40000000+2000\n");
}

/* A host with pages of 64 KiB gets those back that are free as a whole. */
static void assert_one_released(uint64_t gpa, unsigned int size)
{
	char expected[64];

	snprintf(expected, sizeof(expected), "%llx+%x\n", (unsigned long long)gpa, size);
	assert_released(expected);
}

Test(balloon_pages, larger_pages_of_the_host)
{
	/* Where one begins here. */
	const uint64_t low = LOW + (-(uintptr_t)guest_memory_at(&memory, LOW, PAGE) & (LARGE - 1));

	pages.page_size = LARGE;
	for (uint64_t i = 0; i < 15; i++)
		give(low + i * PAGE);
	assert_released("");
	for (uint64_t i = 0; i < 16; i++)
		give(low + i * PAGE);
	assert_one_released(low, LARGE);
	for (uint64_t i = 40; i > 1; i--)
		give(low + i * PAGE);
	assert_one_released(low + LARGE, LARGE);
	balloon_pages_add(&pages, low + PAGE, LARGE);
	assert_released("");
	balloon_pages_add(&pages, low + PAGE, 3 * LARGE);
	assert_one_released(low + LARGE, 2 * LARGE);
}

/* A report's range need not be of whole pages. */
Test(balloon_pages, odd_ranges_are_rounded_inwards)
{
	balloon_pages_add(&pages, LOW + 1, 1);
	assert_released("");
	balloon_pages_add(&pages, LOW + 1, PAGE);
	assert_released("");
	balloon_pages_add(&pages, LOW + 1, 2 * PAGE - 1);
	assert_released("40001000+1000\n");
	balloon_pages_add(&pages, LOW + 1, 2 * PAGE - 2);
	assert_released("");
	balloon_pages_add(&pages, LOW + PAGE - 1, PAGE + 2);
	assert_released("40001000+1000\n");
	balloon_pages_add(&pages, LOW, SIZE);
	assert_released("40000000+100000\n");
}

Test(balloon_pages, a_refusal_is_kept_and_the_rest_goes_on)
{
	result = -EACCES;
	give(LOW);
	balloon_pages_flush(&pages);
	result = -EINVAL;
	give(FAR);
	balloon_pages_flush(&pages);
	cr_assert_eq(pages.error, -EACCES);
	cr_assert_eq(pages.released, 0);
	result = 0;
	give(FAR);
	balloon_pages_flush(&pages);
	cr_assert_eq(pages.released, PAGE);
}
