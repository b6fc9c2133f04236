/* SPDX-License-Identifier: Apache-2.0 */
/* The MMIO bus: which register file answers, and what it is told. */
#include "tests/unit/fakes.h"
#include "vmm/base/mmio.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static uint64_t answer;

static uint64_t traced_read(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	fake_trace("%s read %" PRIx64 " %u", region->name, offset, width);
	return answer;
}

static void traced_write(
	struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value)
{
	fake_trace("%s write %" PRIx64 " %u %" PRIx64, region->name, offset, width, value);
}

static const struct mmio_ops traced = { traced_read, traced_write };
static struct mmio_region low = { "low", 0x1000, 0x100, &traced };
static struct mmio_region high = { "high", 0x1100, 0x10, &traced };
static struct mmio_region top = { "top", UINT64_MAX - 7, 8, &traced };
static struct mmio_bus bus;

static void begin(void)
{
	fake_log_capture();
	/* Not in order of addresses. */
	cr_assert_eq(mmio_bus_add(&bus, &high), 0);
	cr_assert_eq(mmio_bus_add(&bus, &top), 0);
	cr_assert_eq(mmio_bus_add(&bus, &low), 0);
}

TestSuite(mmio, .init = begin, .timeout = 20);

static bool access_bus(uint64_t gpa, unsigned int width, bool is_write)
{
	uint8_t data[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

	return mmio_bus_access(&bus, gpa, data, width, is_write);
}

Test(mmio, reaches_the_region_with_its_offset)
{
	cr_assert(access_bus(0x1000, 4, false));
	cr_assert(access_bus(0x10fc, 4, false));
	cr_assert(access_bus(0x1100, 1, false));
	cr_assert(access_bus(0x110f, 1, false));
	cr_assert(access_bus(UINT64_MAX - 7, 8, false));
	cr_assert(access_bus(UINT64_MAX, 1, false));
	cr_assert(access_bus(0x1001, 8, false), "unaligned");
	cr_assert_str_eq(fake_trace_text(),
		"low read 0 4\n"
		"low read fc 4\n"
		"high read 0 1\n"
		"high read f 1\n"
		"top read 0 8\n"
		"top read 7 1\n"
		"low read 1 8\n");
}

Test(mmio, writes_are_little_endian_and_of_their_width)
{
	cr_assert(access_bus(0x1008, 1, true));
	cr_assert(access_bus(0x1008, 2, true));
	cr_assert(access_bus(0x1008, 4, true));
	cr_assert(access_bus(0x1008, 8, true));
	cr_assert_str_eq(fake_trace_text(),
		"low write 8 1 1\n"
		"low write 8 2 201\n"
		"low write 8 4 4030201\n"
		"low write 8 8 807060504030201\n");
}

Test(mmio, reads_fill_their_width_and_clear_the_rest)
{
	static const uint8_t of_2[8] = { 0x88, 0x77 };
	static const uint8_t of_8[8] = { 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11 };
	uint8_t data[8];

	answer = 0x1122334455667788;
	memset(data, 0xff, sizeof(data));
	cr_assert(mmio_bus_access(&bus, 0x1000, data, 2, false));
	cr_assert_arr_eq(data, of_2, 8);
	cr_assert(mmio_bus_access(&bus, 0x1000, data, 8, false));
	cr_assert_arr_eq(data, of_8, 8);
}

Test(mmio, what_no_region_holds_reads_as_zero_and_is_not_written)
{
	static const struct {
		uint64_t gpa;
		unsigned int width;
	} nowhere[] = {
		{ 0, 1 },
		{ 0xfff, 1 },
		{ 0xfff, 2 },	   /* from below into it */
		{ 0x10fd, 4 },	   /* across two neighbours */
		{ 0x110f, 2 },	   /* over the end */
		{ 0x1110, 1 },	   /* past the end */
		{ UINT64_MAX, 2 }, /* wraps */
		{ UINT64_MAX - 8, 8 },
	};
	static const uint8_t zeroes[8];
	uint8_t data[8];

	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		memset(data, 0xff, sizeof(data));
		cr_assert_not(mmio_bus_access(&bus, nowhere[i].gpa, data, nowhere[i].width, true));
		cr_assert_not(mmio_bus_access(&bus, nowhere[i].gpa, data, nowhere[i].width, false));
		cr_assert_arr_eq(data, zeroes, 8, "%zu", i);
	}
	cr_assert_str_eq(fake_trace_text(), "");
}

Test(mmio, other_widths_are_refused)
{
	static const unsigned int widths[] = { 0, 3, 5, 6, 7, 9, 16, 0x80000000 };

	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		cr_assert_not(access_bus(0x1000, widths[i], false));
		cr_assert_not(access_bus(0x1000, widths[i], true));
	}
	cr_assert_str_eq(fake_trace_text(), "");
}

Test(mmio, empty_bus_answers_nothing)
{
	bus.count = 0;
	cr_assert_not(access_bus(0x1000, 4, false));
}

Test(mmio, overlaps_are_refused_with_both_names)
{
	struct mmio_region wrong[] = {
		{ "onto", 0x1000, 0x100, &traced },
		{ "below", 0xfff, 2, &traced },
		{ "above", 0x110f, 1, &traced },
		{ "around", 0, 0x10000, &traced },
		{ "inside", 0x1010, 1, &traced },
		{ "at the top", UINT64_MAX, 1, &traced },
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(mmio_bus_add(&bus, &wrong[i]), -EEXIST, "%s", wrong[i].name);
	cr_assert_eq(bus.count, 3);
	cr_assert_not_null(strstr(fake_log_text(), "below at 0xfff overlaps low"));
	cr_assert_not_null(strstr(fake_log_text(), "above at 0x110f overlaps high"));
}

Test(mmio, empty_and_wrapping_regions_are_refused)
{
	struct mmio_region empty = { "empty", 0x5000, 0, &traced };
	struct mmio_region wraps = { "wraps", UINT64_MAX - 0xf, 0x11, &traced };

	cr_assert_eq(mmio_bus_add(&bus, &empty), -EINVAL);
	cr_assert_eq(mmio_bus_add(&bus, &wraps), -EINVAL);
}

Test(mmio, bus_has_an_end)
{
	static struct mmio_region many[MMIO_BUS_MAX_REGIONS];
	size_t i;

	for (i = 0; i + 3 < MMIO_BUS_MAX_REGIONS; i++) {
		many[i] = (struct mmio_region){ "x", 0x100000 - i * 16, 16, &traced };
		cr_assert_eq(mmio_bus_add(&bus, &many[i]), 0);
	}
	many[i] = (struct mmio_region){ "x", 0x200000, 16, &traced };
	cr_assert_eq(mmio_bus_add(&bus, &many[i]), -ENOSPC);
	for (size_t j = 1; j < bus.count; j++)
		cr_assert_lt(bus.regions[j - 1]->base, bus.regions[j]->base);
}

static unsigned int words_read;

static uint32_t read_word(struct mmio_region *region, uint64_t offset)
{
	(void)region;
	words_read++;
	return 0x03020100u + (uint32_t)offset * 0x01010101u;
}

/* Byte n of this register file is n. A word is read once, however many of its bytes are wanted. */
Test(mmio, words_give_bytes_of_any_width_and_place)
{
	static const unsigned int widths[] = { 1, 2, 4, 8 };

	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		for (uint64_t offset = 0; offset < 16; offset++) {
			uint64_t expected = 0, last = offset + widths[i] - 1;

			for (unsigned int j = 0; j < widths[i]; j++)
				expected |= (offset + j) << j * 8;
			words_read = 0;
			cr_assert_eq(mmio_read_words(&low, offset, widths[i], read_word), expected,
				"%u bytes at %" PRIu64, widths[i], offset);
			cr_assert_eq(words_read, last / 4 - offset / 4 + 1);
		}
	}
}
