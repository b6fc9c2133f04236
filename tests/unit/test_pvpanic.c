/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's panic report. */
#include "devices/device.h"
#include "devices/pvpanic.h"
#include "fdt/builder.h"
#include "tests/unit/fakes.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BASE 0x09070000ull

static struct layout layout;
static struct mmio_bus bus;
static struct machine machine = { .layout = &layout, .bus = &bus };
static struct device *device;

static void begin(void)
{
	fake_log_capture();
	layout_init(&layout);
	cr_assert_eq(pvpanic_create(&machine, &device), 0);
}

static void end(void)
{
	if (device)
		device->ops->destroy(device);
}

TestSuite(pvpanic, .init = begin, .fini = end, .timeout = 20);

static void write_at(uint64_t gpa, uint64_t value, unsigned int width)
{
	uint8_t data[8];

	memcpy(data, &value, sizeof(data));
	mmio_bus_access(&bus, gpa, data, width, true);
}

Test(pvpanic, panic_ends_the_machine)
{
	write_at(BASE, 1, 1);
	cr_assert_str_eq(fake_trace_text(), "machine ends 2: -: -\n");
	cr_assert_eq(MACHINE_PANIC, 2);
}

Test(pvpanic, panic_is_one_bit_among_others_and_may_be_wider)
{
	write_at(BASE, 0xff, 1);
	write_at(BASE, 0x0001, 2);
	cr_assert_str_eq(fake_trace_text(), "machine ends 2: -: -\nmachine ends 2: -: -\n");
}

Test(pvpanic, other_events_and_bytes_are_ignored)
{
	write_at(BASE, 0, 1);
	write_at(BASE, 2, 1); /* crash loaded: kdump takes over; not offered */
	write_at(BASE, 4, 1);
	write_at(BASE, 0x100, 2);
	write_at(BASE + 1, 1, 1);
	write_at(BASE, 1, 4); /* reaches over its end */
	write_at(BASE + 2, 1, 1);
	cr_assert_str_eq(fake_trace_text(), "");
}

Test(pvpanic, offers_panics_only)
{
	uint8_t data[8];

	cr_assert(mmio_bus_access(&bus, BASE, data, 1, false));
	cr_assert_eq(data[0], 1);
}

Test(pvpanic, claims_its_address)
{
	struct device *second = NULL;

	cr_assert_eq(pvpanic_create(&machine, &second), -EEXIST);
	cr_assert_null(second);
	cr_assert_eq(bus.count, 1);
	cr_assert_eq(layout.count, 1);
	cr_assert_eq(layout.ranges[0].base, BASE);
}
