/* SPDX-License-Identifier: Apache-2.0 */
/* The clock chip, by the rules of Arm DDI 0224B. */
#include "devices/device.h"
#include "devices/rtc_pl031.h"
#include "fdt/builder.h"
#include "tests/unit/fakes.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"

#include <criterion/criterion.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BASE	0x09010000ull
#define DR	0x00ull
#define MR	0x04ull
#define LR	0x08ull
#define CR	0x0cull
#define IMSC	0x10ull
#define RIS	0x14ull
#define MIS	0x18ull
#define ICR	0x1cull

#define RAISED	"kvm spi 2 1\n"
#define LOWERED "kvm spi 2 0\n"

static struct layout layout;
static struct mmio_bus bus;
static struct event_loop loop;
static struct kvm_vm kvm;
static struct machine machine = { .layout = &layout, .bus = &bus, .loop = &loop, .kvm = &kvm };
static struct device *rtc;

static void begin(void)
{
	fake_log_capture();
	layout_init(&layout);
	cr_assert_eq(event_loop_open(&loop), 0);
	cr_assert_eq(rtc_create(&machine, &rtc), 0);
}

static void end(void)
{
	if (rtc)
		rtc->ops->destroy(rtc);
	event_loop_close(&loop);
}

TestSuite(rtc_pl031, .init = begin, .fini = end, .timeout = 120);

static void wr(uint64_t offset, uint32_t value)
{
	uint8_t data[8];

	memcpy(data, &value, sizeof(value));
	cr_assert(mmio_bus_access(&bus, BASE + offset, data, 4, true));
}

static uint32_t rd(uint64_t offset)
{
	uint8_t data[8];
	uint32_t value;

	cr_assert(mmio_bus_access(&bus, BASE + offset, data, 4, false));
	memcpy(&value, data, sizeof(value));
	return value;
}

/* Seconds between `time` and now; nobody promises more than that they are few. */
static void assert_is_now(uint32_t seconds, uint32_t ahead)
{
	uint32_t late = (uint32_t)time(NULL) + ahead - seconds;

	cr_assert_lt(late, 60, "%u s late", late);
}

/* 3.3.1 */
Test(rtc_pl031, shows_the_hosts_time)
{
	uint32_t first = rd(DR);

	assert_is_now(first, 0);
	wr(DR, 5);
	assert_is_now(rd(DR), 0);
	while (rd(DR) == first)
		;
	cr_assert_gt(rd(DR), first, "and it goes on");
}

/* Table 3-1, 3.3.9, 3.3.10 */
Test(rtc_pl031, power_on_state_and_id_registers)
{
	static const uint8_t ids[] = { 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	for (uint64_t offset = MR; offset < 0xfe0; offset += 4)
		if (offset != CR)
			cr_assert_eq(rd(offset), 0, "0x%llx", (unsigned long long)offset);
	for (uint64_t i = 0; i < 8; i++)
		cr_assert_eq(rd(0xfe0 + i * 4), ids[i]);
}

/* 3.3.3: a load moves the time, and is read back as it was written. */
Test(rtc_pl031, the_guest_sets_its_own_time)
{
	wr(LR, 1000);
	cr_assert_eq(rd(LR), 1000);
	cr_assert_lt(rd(DR) - 1000, 60);
	wr(LR, 0xfffffff0);
	cr_assert_lt(rd(DR) - 0xfffffff0, 60, "a counter of 32 bits");
	rtc->ops->quiesce(rtc);
	assert_is_now(rd(DR), 0);
	cr_assert_eq(rd(LR), 0);
}

/* 3.3.4: running, and a running one cannot be stopped. */
Test(rtc_pl031, it_cannot_be_stopped)
{
	cr_assert_eq(rd(CR), 1);
	wr(CR, 0);
	cr_assert_eq(rd(CR), 1);
}

/* 3.3.2, 3.3.5 to 3.3.8 */
Test(rtc_pl031, a_match_interrupts_until_it_is_cleared)
{
	wr(IMSC, 1);
	wr(MR, rd(DR) + 1);
	cr_assert_eq(event_loop_run_once(&loop, 60000), 0);
	cr_assert_eq(rd(RIS), 1);
	cr_assert_eq(rd(MIS), 1);
	cr_assert_str_eq(fake_trace_text(), RAISED);
	wr(ICR, 0);
	wr(ICR, 0xfe);
	cr_assert_eq(rd(RIS), 1);
	wr(ICR, 1);
	cr_assert_eq(rd(RIS), 0);
	cr_assert_str_eq(fake_trace_text(), RAISED LOWERED);
}

Test(rtc_pl031, a_masked_match_is_only_seen)
{
	wr(MR, rd(DR) + 1);
	cr_assert_eq(event_loop_run_once(&loop, 60000), 0);
	cr_assert_eq(rd(RIS), 1);
	cr_assert_eq(rd(MIS), 0);
	cr_assert_str_empty(fake_trace_text());
	wr(IMSC, 0xffffffff);
	cr_assert_eq(rd(IMSC), 1, "one bit");
	cr_assert_eq(rd(MIS), 1);
	wr(IMSC, 0);
	cr_assert_str_eq(fake_trace_text(), RAISED LOWERED);
}

/* The counter is equal now, or becomes so by a load. */
Test(rtc_pl031, a_match_at_once)
{
	wr(IMSC, 1);
	wr(MR, 5000);
	cr_assert_eq(rd(RIS), 0);
	wr(LR, 5000);
	cr_assert_eq(rd(RIS), 1);
	wr(ICR, 1);
	wr(LR, 4999);
	cr_assert_eq(event_loop_run_once(&loop, 60000), 0);
	cr_assert_eq(rd(RIS), 1);
}

/* A time that has passed comes again after 2^32 seconds. */
Test(rtc_pl031, a_match_in_the_past_is_far_away)
{
	wr(IMSC, 1);
	wr(MR, rd(DR) - 100);
	cr_assert_eq(event_loop_run_once(&loop, 200), 0);
	cr_assert_eq(rd(RIS), 0);
}

Test(rtc_pl031, reset_forgets_the_alarm)
{
	wr(IMSC, 1);
	wr(MR, rd(DR) + 1);
	rtc->ops->quiesce(rtc);
	cr_assert_eq(event_loop_run_once(&loop, 2500), 0);
	cr_assert_eq(rd(RIS), 0);
	cr_assert_eq(rd(IMSC), 0);
	wr(IMSC, 1);
	wr(MR, rd(DR));
	cr_assert_eq(rd(MIS), 1);
	rtc->ops->quiesce(rtc);
	cr_assert_str_eq(fake_trace_text(), RAISED LOWERED);
}

/* Half a register means nothing. */
Test(rtc_pl031, narrow_stores_change_nothing)
{
	uint8_t data[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

	mmio_bus_access(&bus, BASE + IMSC, data, 1, true);
	mmio_bus_access(&bus, BASE + IMSC, data, 2, true);
	mmio_bus_access(&bus, BASE + IMSC - 2, data, 4, true);
	cr_assert_eq(rd(IMSC), 0);
	mmio_bus_access(&bus, BASE + MR, data, 8, true);
	cr_assert_eq(rd(MR), 0x01010101);
	cr_assert_eq(rd(LR), 0x01010101);
}

static void store_changes_what_it_covers(uint64_t offset, unsigned int width)
{
	static const struct {
		uint64_t offset;
		uint32_t writable, power_on;
	} table[] = { { MR, UINT32_MAX, 0 }, { LR, UINT32_MAX, 0 }, { CR, 0, 1 }, { IMSC, 1, 0 },
		{ ICR, 0, 0 }, { 0x20, 0, 0 }, { 0xfe0, 0, 0x31 } };
	uint8_t data[8] = { 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78 };

	rtc->ops->quiesce(rtc);
	cr_assert(mmio_bus_access(&bus, BASE + offset, data, width, true));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		uint64_t at = table[i].offset;
		uint32_t expected = table[i].power_on, stored = 0;
		bool covers = width >= 4 && offset % 4 == 0 && at >= offset && at < offset + width;

		if (covers)
			memcpy(&stored, data + (at - offset), sizeof(stored));
		expected |= stored & table[i].writable;
		cr_assert_eq(rd(at), expected, "0x%x after %u bytes at 0x%x", (unsigned int)at,
			width, (unsigned int)offset);
	}
}

static void load_is_made_of_words(uint64_t offset, unsigned int width)
{
	uint8_t data[8];

	cr_assert(mmio_bus_access(&bus, BASE + offset, data, width, false));
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t at = offset + i;

		if (at < 4 && i < width)
			continue; /* the time goes on */
		cr_assert_eq(data[i], i < width ? (uint8_t)(rd(at & ~3ull) >> 8 * (at & 3)) : 0,
			"byte %u of %u at 0x%x", (unsigned int)i, width, (unsigned int)offset);
	}
}

Test(rtc_pl031, every_offset_and_width)
{
	for (unsigned int width = 1; width <= 8; width *= 2)
		for (uint64_t offset = 0; offset + width <= 0x1000; offset++)
			store_changes_what_it_covers(offset, width);
	wr(MR, 0x87654321);
	wr(LR, 0x12345678);
	wr(IMSC, 1);
	for (unsigned int width = 1; width <= 8; width *= 2)
		for (uint64_t offset = 0; offset + width <= 0x1000; offset++)
			load_is_made_of_words(offset, width);
}

Test(rtc_pl031, node_of_a_stock_guest)
{
	struct fdt_builder fdt;
	void *blob;
	size_t size;
	int node, length;
	const fdt32_t *cells;

	machine.clock_phandle = 77;
	fdt_builder_start(&fdt);
	cr_assert_eq(rtc->ops->describe(rtc, &fdt), 0);
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), 0);
	node = fdt_path_offset(blob, "/rtc@9010000");
	cr_assert_eq(fdt_node_check_compatible(blob, node, "arm,pl031"), 0);
	cr_assert_eq(fdt_node_check_compatible(blob, node, "arm,primecell"), 0);
	cells = fdt_getprop(blob, node, "interrupts", &length);
	cr_assert(length == 12 && fdt32_to_cpu(cells[1]) == 2 && fdt32_to_cpu(cells[2]) == 4);
	cells = fdt_getprop(blob, node, "clocks", &length);
	cr_assert(length == 4 && fdt32_to_cpu(cells[0]) == 77);
	cr_assert_str_eq(fdt_getprop(blob, node, "clock-names", NULL), "apb_pclk");
	free(blob);
}
