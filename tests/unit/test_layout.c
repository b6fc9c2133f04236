/* SPDX-License-Identifier: Apache-2.0 */
/* Guest addresses and interrupts: who gets what, and that nothing overlaps. */
#include "tests/unit/fakes.h"
#include "vmm/base/layout.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static struct layout layout;

static void begin(void)
{
	fake_log_capture();
	layout_init(&layout);
}

TestSuite(layout, .init = begin, .timeout = 20);

#define RANGES 256

static void assert_logged(const char *words)
{
	cr_assert_not_null(
		strstr(fake_log_text(), words), "'%s' is not in: %s", words, fake_log_text());
}

Test(layout, claims_may_touch)
{
	cr_assert_eq(layout_claim(&layout, "b", 0x2000, 0x1000), 0);
	cr_assert_eq(layout_claim(&layout, "a", 0x1000, 0x1000), 0);
	cr_assert_eq(layout_claim(&layout, "c", 0x3000, 1), 0);
	cr_assert_eq(layout.count, 3);
	cr_assert_str_eq(layout.ranges[0].name, "a");
	cr_assert_str_eq(layout.ranges[1].name, "b");
	cr_assert_str_eq(layout.ranges[2].name, "c");
	cr_assert_eq(layout.ranges[1].base, 0x2000);
	cr_assert_eq(layout.ranges[1].size, 0x1000);
	cr_assert_str_eq(fake_log_text(), "");
}

Test(layout, overlap_of_one_byte_is_refused_with_both_names)
{
	static const uint64_t wrong[][2] = {
		{ 0x1fff, 2 },	    /* its first byte */
		{ 0x2fff, 1 },	    /* its last */
		{ 0x2000, 0x1000 }, /* the same */
		{ 0x2400, 0x10 },   /* inside */
		{ 0x1000, 0x8000 }, /* around */
		{ 0, UINT64_MAX },
	};

	cr_assert_eq(layout_claim(&layout, "old", 0x2000, 0x1000), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(
			layout_claim(&layout, "new", wrong[i][0], wrong[i][1]), -EEXIST, "%zu", i);
	cr_assert_eq(layout.count, 1);
	assert_logged("new at 0x1fff-0x2000 overlaps old at 0x2000-0x2fff");
}

Test(layout, empty_and_wrapping_claims_are_refused)
{
	cr_assert_eq(layout_claim(&layout, "x", 0x1000, 0), -EINVAL);
	cr_assert_eq(layout_claim(&layout, "x", UINT64_MAX, 2), -EINVAL);
	cr_assert_eq(layout_claim(&layout, "x", 1, UINT64_MAX), 0, "the last byte is usable");
	cr_assert_eq(layout_claim(&layout, "y", 0, 1), 0);
	cr_assert_eq(layout_claim(&layout, "y", UINT64_MAX, 1), -EEXIST);
}

Test(layout, table_has_an_end)
{
	uint64_t base;

	for (uint64_t i = 0; i < RANGES; i++)
		cr_assert_eq(layout_claim(&layout, "x", i * 2, 1), 0);
	cr_assert_eq(layout_claim(&layout, "one too many", RANGES * 2, 1), -ENOSPC);
	cr_assert_eq(layout_place_platform(&layout, "one too many", 1, &base), -ENOSPC);
	assert_logged("one too many");
}

Test(layout, long_names_are_cut)
{
	char name[200];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	cr_assert_eq(layout_claim(&layout, name, 0, 1), 0);
	cr_assert_eq(strlen(layout.ranges[0].name), sizeof(layout.ranges[0].name) - 1);
}

/* --- places ----------------------------------------------------------------------------------- */

Test(layout, places_are_naturally_aligned_and_at_least_64k)
{
	static const uint64_t sizes[][2] = {
		/* asked for, given */
		{ 1, 0x10000 },
		{ 0x10000, 0x10000 },
		{ 0x10001, 0x20000 },
		{ 0x30000, 0x40000 },
		{ 0x100000, 0x100000 },
	};
	uint64_t base;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t found = 0;

		cr_assert_eq(layout_place_platform(&layout, "x", sizes[i][0], &base), 0);
		cr_assert_eq(base % sizes[i][1], 0);
		while (layout.ranges[found].base != base)
			found++;
		cr_assert_eq(layout.ranges[found].size, sizes[i][1]);
	}
}

/* Existing hand-written guest trees and overlays name these numbers. */
Test(layout, platform_window_is_where_qemus_virt_has_it)
{
	uint64_t base;
	uint32_t spi;

	cr_assert_eq(layout_place_platform(&layout, "a", 0x1000, &base), 0);
	cr_assert_eq(base, 0x0c000000);
	cr_assert_eq(layout_place_platform(&layout, "b", 0x1000, &base), 0);
	cr_assert_eq(base, 0x0c010000);
	cr_assert_eq(layout_place_platform_spi(&layout, "a", &spi), 0);
	cr_assert_eq(spi, 112);
	cr_assert_eq(layout_place_platform_spi(&layout, "b", &spi), 0);
	cr_assert_eq(spi, 113);
	cr_assert_eq(layout_place_virtio_spi(&layout, "c", &spi), 0);
	cr_assert_eq(spi, 16);
}

Test(layout, first_fit_goes_around_claims_and_fills_gaps)
{
	uint64_t base;

	cr_assert_eq(layout_claim(&layout, "fixed", 0x0c000800, 8), 0);
	cr_assert_eq(layout_claim(&layout, "fixed", 0x0c020000, 0x10000), 0);
	cr_assert_eq(layout_place_platform(&layout, "large", 0x20000, &base), 0);
	cr_assert_eq(base, 0x0c040000);
	cr_assert_eq(layout_place_platform(&layout, "small", 0x10000, &base), 0);
	cr_assert_eq(base, 0x0c010000);
	cr_assert_eq(layout_place_platform(&layout, "small", 0x10000, &base), 0);
	cr_assert_eq(base, 0x0c030000);
}

Test(layout, window_is_used_to_its_last_byte_and_no_further)
{
	uint64_t base;

	cr_assert_eq(layout_place(&layout, "x", 0x10000, 0x20000, 0x10000, &base), 0);
	cr_assert_eq(base, 0x10000);
	cr_assert_eq(layout_place(&layout, "x", 0x10000, 0x20000, 0x10000, &base), 0);
	cr_assert_eq(base, 0x20000);
	base = 7;
	cr_assert_eq(layout_place(&layout, "x", 0x10000, 0x20000, 1, &base), -ENOSPC);
	cr_assert_eq(base, 7);
	assert_logged("x: no free 0x1 bytes between 0x10000 and 0x2ffff; widen the window");
	/* It would fit, but not aligned. */
	cr_assert_eq(layout_place(&layout, "x", 0x50000, 0x20000, 0x20000, &base), -ENOSPC);
	cr_assert_eq(layout_place(&layout, "x", 0x50000, 0x1ffff, 0x10000, &base), 0);
	cr_assert_eq(layout_place(&layout, "x", 0x50000, 0x1ffff, 0x10000, &base), -ENOSPC);
}

Test(layout, absurd_windows_and_sizes_end)
{
	uint64_t base;

	cr_assert_eq(layout_place(&layout, "x", 0, 0, 1, &base), -ENOSPC);
	cr_assert_eq(layout_place(&layout, "x", 0, UINT64_MAX, 0, &base), -ENOSPC);
	cr_assert_eq(layout_place(&layout, "x", 0, UINT64_MAX, UINT64_MAX, &base), -ENOSPC);
	cr_assert_eq(layout_place(&layout, "x", UINT64_MAX, UINT64_MAX, 1, &base), -ENOSPC);
	cr_assert_eq(layout_place(&layout, "x", UINT64_MAX - 0xffff, 0x10000, 1, &base), 0);
	cr_assert_eq(base, UINT64_MAX - 0xffff);
	cr_assert_eq(
		layout_place(&layout, "x", UINT64_MAX - 0xffff, UINT64_MAX, 1, &base), -ENOSPC);
}

/* Not by 64 KiB steps: there are 2^46 of them. */
Test(layout, large_claims_are_passed_at_once)
{
	uint64_t base;

	cr_assert_eq(layout_claim(&layout, "RAM", 0x40000000, 1ull << 62), 0);
	cr_assert_eq(layout_place(&layout, "x", 0x40000000, UINT64_MAX, 0x1000, &base), 0);
	cr_assert_eq(base, 0x40000000 + (1ull << 62));
	cr_assert_eq(layout_claim(&layout, "top", UINT64_MAX / 4 * 3, UINT64_MAX / 4), 0);
	cr_assert_eq(
		layout_place(&layout, "x", UINT64_MAX / 4 * 3, UINT64_MAX / 4, 1, &base), -ENOSPC);
}

/* --- interrupts ------------------------------------------------------------------------------- */

Test(layout, interrupts_are_given_once)
{
	uint32_t spi;

	cr_assert_eq(layout_claim_spi(&layout, "a", 16), 0);
	cr_assert_eq(layout_claim_spi(&layout, "b", 16), -EEXIST);
	assert_logged("b: interrupt 16 is taken");
	cr_assert_eq(layout_place_virtio_spi(&layout, "c", &spi), 0);
	cr_assert_eq(spi, 17);
	cr_assert_eq(layout_claim_spi(&layout, "d", 17), -EEXIST);
}

Test(layout, interrupts_end_where_the_gic_ends)
{
	uint32_t spi = 7;

	cr_assert_eq(layout_claim_spi(&layout, "last", LAYOUT_MAX_SPI - 1), 0);
	cr_assert_eq(layout_claim_spi(&layout, "beyond", LAYOUT_MAX_SPI), -ERANGE);
	cr_assert_eq(layout_claim_spi(&layout, "beyond", UINT32_MAX), -ERANGE);
	assert_logged("beyond: interrupt 988 is beyond");

	layout.platform_first_spi = LAYOUT_MAX_SPI - 2;
	cr_assert_eq(layout_place_platform_spi(&layout, "a", &spi), 0);
	cr_assert_eq(spi, LAYOUT_MAX_SPI - 2);
	cr_assert_eq(layout_place_platform_spi(&layout, "b", &spi), -ENOSPC);
	assert_logged("b: no interrupt is free from 986 on");
	layout.platform_first_spi = UINT16_MAX;
	cr_assert_eq(layout_place_platform_spi(&layout, "c", &spi), -ENOSPC);
}

Test(layout, interrupts_know_whose_they_are)
{
	uint32_t spi, second;

	cr_assert_eq(layout_claim_spi(&layout, "doorbell", 40), 0);
	cr_assert_eq(layout_place_virtio_spi(&layout, "console", &spi), 0);
	cr_assert_eq(layout_place_virtio_spi(&layout, "console", &second), 0);
	cr_assert_str_eq(layout_spi_owner(&layout, 40), "doorbell");
	cr_assert_str_eq(layout_spi_owner(&layout, spi), "console");
	cr_assert_str_eq(layout_spi_owner(&layout, second), "console");
	cr_assert_eq(layout.owner_count, 2);
	cr_assert_null(layout_spi_owner(&layout, 41));
	cr_assert_null(layout_spi_owner(&layout, LAYOUT_MAX_SPI));
}

Test(layout, more_owners_than_names)
{
	char name[16];

	for (uint32_t i = 0; i < LAYOUT_MAX_OWNERS + 3; i++) {
		snprintf(name, sizeof(name), "device %u", i);
		cr_assert_eq(layout_claim_spi(&layout, name, i), 0);
	}
	cr_assert_str_eq(layout_spi_owner(&layout, LAYOUT_MAX_OWNERS - 1), "device 95");
	cr_assert_str_eq(
		layout_spi_owner(&layout, LAYOUT_MAX_OWNERS + 1), "one of too many to name");
	cr_assert_eq(layout_claim_spi(&layout, "x", LAYOUT_MAX_OWNERS + 1), -EEXIST);
}
