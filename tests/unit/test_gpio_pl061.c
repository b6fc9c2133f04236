/* SPDX-License-Identifier: Apache-2.0 */
/* The power key's GPIO block, by the rules of Arm DDI 0190B, and as Linux' gpio-pl061 works it. */
#include "devices/device.h"
#include "devices/gpio_pl061.h"
#include "fdt/builder.h"
#include "tests/unit/fakes.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#define BASE	0x09030000ull
#define KEY	8u /* line 3 */
#define DATA	0x3fcull
#define DIR	0x400ull
#define IS	0x404ull
#define IBE	0x408ull
#define IEV	0x40cull
#define IE	0x410ull
#define RIS	0x414ull
#define MIS	0x418ull
#define IC	0x41cull
#define AFSEL	0x420ull

#define RAISED	"kvm spi 7 1\n"
#define LOWERED "kvm spi 7 0\n"

static struct layout layout;
static struct mmio_bus bus;
static struct event_loop loop;
static struct kvm_vm kvm;
static struct machine machine = { .layout = &layout, .bus = &bus, .loop = &loop, .kvm = &kvm };
static struct device *gpio;

static void begin(void)
{
	fake_log_capture();
	layout_init(&layout);
	cr_assert_eq(event_loop_open(&loop), 0);
	cr_assert_eq(gpio_create(&machine, &gpio), 0);
}

static void end(void)
{
	if (gpio)
		gpio->ops->destroy(gpio);
	event_loop_close(&loop);
}

TestSuite(gpio_pl061, .init = begin, .fini = end, .timeout = 60);

static void wr(uint64_t offset, uint32_t value)
{
	uint8_t data[8] = { (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
		(uint8_t)(value >> 24) };

	cr_assert(mmio_bus_access(&bus, BASE + offset, data, 1, true));
}

static uint32_t rd(uint64_t offset)
{
	uint8_t data[8];

	cr_assert(mmio_bus_access(&bus, BASE + offset, data, 4, false));
	cr_assert_eq(data[1] | data[2] | data[3], 0, "registers have 8 bits");
	return data[0];
}

/* Table 3-1: power-on values. */
Test(gpio_pl061, power_on_state_and_id_registers)
{
	static const uint8_t ids[] = { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

	for (uint64_t offset = 0; offset < 0xfe0; offset += 4)
		cr_assert_eq(rd(offset), 0, "0x%llx", (unsigned long long)offset);
	for (uint64_t i = 0; i < 8; i++)
		cr_assert_eq(rd(0xfe0 + i * 4), ids[i]);
	wr(0xfe0, 0);
	cr_assert_eq(rd(0xfe0), 0x61, "they cannot be written");
}

/* 3.3.1: address bits 9:2 choose the lines of an access; only outputs show what was written. */
Test(gpio_pl061, data_is_masked_by_its_address)
{
	wr(DIR, 0xf0);
	wr(DATA, 0xff);
	cr_assert_eq(rd(DATA), 0xf0, "inputs show their pins");
	wr(0x10 << 2, 0);
	cr_assert_eq(rd(DATA), 0xe0);
	wr(0, 0xff);
	cr_assert_eq(rd(DATA), 0xe0, "no line chosen");
	cr_assert_eq(rd(0x60 << 2), 0x60);
	cr_assert_eq(rd(0), 0);
	wr(DIR, 0xff);
	cr_assert_eq(rd(DATA), 0xef, "what was written to inputs is kept for later");
}

/* 3.3.3 to 3.3.5, 3.3.9: one edge or both, latched until cleared. */
Test(gpio_pl061, edges_are_latched_and_cleared)
{
	wr(IBE, KEY);
	wr(IE, KEY);
	gpio_press_power_key(gpio);
	cr_assert_str_eq(fake_trace_text(), RAISED);
	cr_assert_eq(rd(RIS), KEY);
	cr_assert_eq(rd(MIS), KEY);
	wr(IC, (uint8_t)~KEY);
	cr_assert_eq(rd(RIS), KEY, "another line's bit");
	wr(IC, KEY);
	cr_assert_eq(rd(RIS), 0);
	cr_assert_str_eq(fake_trace_text(), RAISED LOWERED);
	cr_assert_eq(rd(KEY << 2), KEY, "and the key is still down");
}

Test(gpio_pl061, rising_edge_only_with_its_event_bit)
{
	wr(IE, KEY);
	gpio_press_power_key(gpio);
	cr_assert_eq(rd(RIS), 0, "GPIOIEV 0: falling edges");
	cr_assert_eq(rd(DATA), KEY);
	cr_assert_eq(event_loop_run_once(&loop, 30000), 0);
	cr_assert_eq(rd(DATA), 0);
	cr_assert_eq(rd(RIS), KEY, "that was one");
	wr(IC, KEY);
	wr(IEV, KEY);
	gpio_press_power_key(gpio);
	cr_assert_eq(rd(RIS), KEY);
}

/* 3.3.3, 3.3.7: a level is there as long as it lasts, GPIOIC does not touch it. */
Test(gpio_pl061, levels_follow_the_line)
{
	wr(IS, KEY);
	wr(IEV, KEY);
	wr(IE, KEY);
	cr_assert_eq(rd(RIS) & KEY, 0);
	gpio_press_power_key(gpio);
	wr(IC, KEY);
	cr_assert_eq(rd(MIS), KEY);
	wr(IEV, 0);
	cr_assert_eq(rd(MIS), 0, "GPIOIEV 0: low level");
	cr_assert_str_eq(fake_trace_text(), RAISED LOWERED);
}

/* 3.3.6, 3.3.8 */
Test(gpio_pl061, the_mask_keeps_the_line_down)
{
	wr(IBE, KEY);
	gpio_press_power_key(gpio);
	cr_assert_eq(rd(RIS), KEY);
	cr_assert_eq(rd(MIS), 0);
	cr_assert_str_empty(fake_trace_text());
	wr(IE, 0xff);
	cr_assert_str_eq(fake_trace_text(), RAISED);
	wr(IE, (uint8_t)~KEY);
	cr_assert_str_eq(fake_trace_text(), RAISED LOWERED);
}

Test(gpio_pl061, outputs_make_no_interrupts)
{
	wr(DIR, KEY);
	wr(IBE, KEY);
	wr(IE, KEY);
	gpio_press_power_key(gpio);
	cr_assert_eq(rd(RIS), 0);
	cr_assert_eq(rd(DATA), 0);
	wr(AFSEL, 0x5a);
	cr_assert_eq(rd(AFSEL), 0x5a);
}

/* A byte is a whole register here; what starts inside one is nothing. */
Test(gpio_pl061, widths)
{
	uint8_t data[8] = { 0x11, 0, 0, 0, 0x22, 0, 0, 0 };

	mmio_bus_access(&bus, BASE + IS, data, 8, true);
	cr_assert_eq(rd(IS), 0x11);
	cr_assert_eq(rd(IBE), 0x22);
	mmio_bus_access(&bus, BASE + IS + 1, data, 1, true);
	cr_assert_eq(rd(IS), 0x11);
	mmio_bus_access(&bus, BASE + IS, data, 8, false);
	cr_assert_eq(data[0], 0x11);
	cr_assert_eq(data[4], 0x22);
	mmio_bus_access(&bus, BASE + IS + 1, data, 1, false);
	cr_assert_eq(data[0], 0);
}

/* Table 3-1: what a store at each register leaves there. */
static uint8_t writable(uint64_t offset)
{
	static const uint64_t places[] = { DIR, IS, IBE, IEV, IE, AFSEL };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (offset == places[i])
			return 0xff;
	return 0;
}

static void store_changes_what_it_covers(uint64_t offset, unsigned int width)
{
	uint8_t data[8] = { 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88 };

	gpio->ops->quiesce(gpio);
	cr_assert(mmio_bus_access(&bus, BASE + offset, data, width, true));
	for (uint64_t at = DIR; at <= AFSEL; at += 4) {
		uint8_t expected = 0;

		if (at == RIS || at == MIS)
			continue; /* they follow from the others */
		if (offset % 4 == 0 && at >= offset && at < offset + width)
			expected = data[at - offset] & writable(at);
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
		uint8_t expected = i < width && at % 4 == 0 ? (uint8_t)rd(at) : 0;

		cr_assert_eq(data[i], expected, "byte %u of %u at 0x%x", (unsigned int)i, width,
			(unsigned int)offset);
	}
}

Test(gpio_pl061, every_offset_and_width)
{
	for (unsigned int width = 1; width <= 8; width *= 2)
		for (uint64_t offset = 0; offset + width <= 0x1000; offset++)
			store_changes_what_it_covers(offset, width);
	for (uint64_t at = DIR; at <= AFSEL; at += 4)
		wr(at, (uint32_t)(at >> 2 | 0x80));
	wr(DATA, 0xff);
	for (unsigned int width = 1; width <= 8; width *= 2)
		for (uint64_t offset = 0; offset + width <= 0x1000; offset++)
			load_is_made_of_words(offset, width);
}

Test(gpio_pl061, key_stays_down_until_the_guest_has_looked)
{
	gpio_press_power_key(gpio);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(event_loop_run_once(&loop, 30000), 0);
	cr_assert_eq(rd((uint8_t)~KEY << 2), 0, "it looks at other lines");
	cr_assert_eq(event_loop_run_once(&loop, 30000), 0);
	cr_assert_eq(rd(DATA), KEY);
	cr_assert_eq(event_loop_run_once(&loop, 30000), 0);
	cr_assert_eq(rd(DATA), 0);
	cr_assert_eq(event_loop_run_once(&loop, 300), 0);
	cr_assert_eq(rd(DATA), 0);
}

Test(gpio_pl061, reset_lets_the_key_go_and_clears_registers)
{
	wr(IBE, KEY);
	wr(IE, 0xff);
	wr(DIR, 0xf0);
	wr(DATA, 0xf0);
	gpio_press_power_key(gpio);
	gpio->ops->quiesce(gpio);
	cr_assert_str_eq(fake_trace_text(), RAISED LOWERED);
	for (uint64_t offset = DATA; offset <= AFSEL; offset += 4)
		cr_assert_eq(rd(offset), 0);
	wr(DIR, 0xff);
	cr_assert_eq(rd(DATA), 0);
}

Test(gpio_pl061, node_of_a_stock_guest)
{
	struct fdt_builder fdt;
	void *blob;
	size_t size;
	int controller, key;
	const fdt32_t *cells;
	int length;

	machine.clock_phandle = 77;
	fdt_builder_start(&fdt);
	cr_assert_eq(gpio->ops->describe(gpio, &fdt), 0);
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), 0);
	controller = fdt_path_offset(blob, "/gpio@9030000");
	cr_assert_eq(fdt_node_check_compatible(blob, controller, "arm,primecell"), 0);
	cr_assert_not_null(fdt_getprop(blob, controller, "gpio-controller", NULL));
	cells = fdt_getprop(blob, controller, "interrupts", &length);
	cr_assert(length == 12 && fdt32_to_cpu(cells[1]) == 7 && fdt32_to_cpu(cells[2]) == 4);
	key = fdt_path_offset(blob, "/gpio-keys/poweroff");
	cells = fdt_getprop(blob, key, "gpios", &length);
	cr_assert_eq(length, 12);
	cr_assert_eq(fdt32_to_cpu(cells[0]), fdt_get_phandle(blob, controller));
	cr_assert_eq(fdt32_to_cpu(cells[1]), 3);
	cr_assert_eq(fdt32_to_cpu(cells[2]), 0);
	cells = fdt_getprop(blob, key, "linux,code", NULL);
	cr_assert_eq(fdt32_to_cpu(cells[0]), 116);
	free(blob);
}

/* An assigned device at the host's address is first: ours makes way. */
Test(gpio_pl061, makes_way)
{
	struct device *second;

	cr_assert_eq(gpio_create(&machine, &second), 0);
	cr_assert_eq(layout.ranges[1].base, BASE + 0x10000);
	cr_assert(layout.spi_used[7] && layout.spi_used[8]);
	second->ops->destroy(second);
}
