/* SPDX-License-Identifier: Apache-2.0 */
/* What `layout` says of an assigned device and of BPMP ids, without VFIO. */
#include "devices/bpmp/ids.h"
#include "devices/device.h"
#include "devices/vfio/container.h"
#include "devices/vfio/vfio.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"
#include "tests/unit/vfio_fake.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"
#include "vmm/layout_ids.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

#define NODE   "sys/firmware/devicetree/base/bus@0/serial@3100000/"
#define GIC    "sys/firmware/devicetree/base/gic/"
#define DEVICE "sys/bus/platform/devices/3100000.serial/"

static struct layout layout;
static struct mmio_bus bus;
static struct machine machine = { .layout = &layout, .bus = &bus };
static struct bpmp_ids ids;
static struct vfio_options options;
static struct vfio_container *container;

static void set_up(void)
{
	vfio_fake_create();
	fake_log_capture();
	layout_init(&layout);
	fixture_cells(GIC "phandle", 1);
	fixture_cells(GIC "#interrupt-cells", 3);
	fixture_cells(NODE "interrupts", 0, 112, 4);
	options = (struct vfio_options){ .device = "3100000.serial" };
	cr_assert_eq(vfio_container_create_on(&machine, &vfio_fake.host, &container), 0);
}

static void tear_down(void)
{
	vfio_container_destroy(container);
	vfio_fake_remove();
}

TestSuite(plan, .init = set_up, .fini = tear_down);

static int plan(void)
{
	return vfio_platform_plan(&machine, container, &options, &ids);
}

static size_t interrupts(void)
{
	size_t count = 0;

	for (uint32_t spi = 0; spi < LAYOUT_MAX_SPI; spi++)
		count += layout_spi_owner(&layout, spi) != NULL;
	return count;
}

Test(plan, claims_what_creating_claims)
{
	static struct layout created;
	struct device *device;

	cr_assert_eq(plan(), 0);
	cr_assert_str_eq(fake_trace_text(), "", "nothing is asked of VFIO");
	cr_assert_eq(ids.clocks.ids[0], 155);
	cr_assert_eq(ids.resets.ids[0], 100);
	cr_assert_eq(bus.count, 0);
	created = layout;
	layout_init(&layout);
	machine.memory = &(struct guest_memory){ 0 };
	cr_assert_eq(vfio_platform_create(&machine, container, &options, &ids, &device), 0);
	cr_assert_eq(memcmp(&created, &layout, sizeof(layout)), 0);
	device->ops->destroy(device);
}

Test(plan, driver_and_group_do_not_matter)
{
	fixture_link(DEVICE "driver", "sys/bus/platform/drivers/serial-tegra");
	fixture_text("sys/bus/platform/drivers/serial-tegra/x", "");
	cr_assert_eq(plan(), 0);
	cr_assert_str_eq(layout.ranges[0].name, "3100000.serial region 0");
	cr_assert_eq(layout.ranges[0].base, 0xc000000);
	cr_assert_str_eq(layout_spi_owner(&layout, 112), "3100000.serial");
}

Test(plan, interrupts_by_their_controllers_cells)
{
	fixture_cells(NODE "interrupts", 1, 2, 3, 4);
	fixture_cells("sys/firmware/devicetree/base/interrupt-parent", 1);
	fixture_cells(GIC "#interrupt-cells", 2);
	cr_assert_eq(plan(), 0);
	cr_assert_eq(interrupts(), 2);
}

Test(plan, interrupts_of_several_controllers)
{
	fixture_cells("sys/firmware/devicetree/base/pic/phandle", 8);
	fixture_cells("sys/firmware/devicetree/base/pic/#interrupt-cells", 1);
	fixture_cells(NODE "interrupts-extended", 8, 5, 1, 0, 112, 4, 8, 6, 77, 1);
	cr_assert_eq(plan(), 0);
	cr_assert_eq(interrupts(), 3, "and the list ends at a controller that is not there");
}

Test(plan, trees_that_lie_end)
{
	fixture_cells(GIC "#interrupt-cells", 0);
	fixture_cells(NODE "interrupt-parent", 1);
	fixture_cells(NODE "interrupts", 0, 112, 4);
	cr_assert_eq(plan(), 0);
	fixture_cells(NODE "interrupts-extended", 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
		1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
	cr_assert_eq(plan(), 0);
	cr_assert_leq(interrupts(), 33);
}

Test(plan, absent_device)
{
	options.device = "3100001.serial";
	cr_assert_eq(plan(), -ENODEV);
	cr_assert(strstr(fake_log_text(), "3100001.serial"));
}

static struct json_object *row(struct json_object *described, const char *kind, uint64_t id)
{
	struct json_object *list = json_object_object_get(described, kind);

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *found = json_object_array_get_idx(list, i);

		if (json_object_get_uint64(json_object_object_get(found, "id")) == id)
			return found;
	}
	return NULL;
}

static void expect(struct json_object *found, const char *name, const char *why, const char *by)
{
	cr_assert_not_null(found);
	if (name)
		cr_assert_str_eq(
			json_object_get_string(json_object_object_get(found, "name")), name);
	else
		cr_assert_null(json_object_object_get(found, "name"));
	cr_assert_str_eq(json_object_get_string(json_object_object_get(found, "why")), why);
	cr_assert_str_eq(json_object_get_string(json_object_object_get(found, "by")), by);
}

Test(plan, ids_and_why)
{
	struct bpmp_ids uart = { .clocks = { 1, { 155 } }, .resets = { 1, { 100 } } };
	struct bpmp_ids all = uart;
	const struct layout_owner owners[] = { { "3100000.serial", &uart }, { "b.serial", &uart } };
	struct bpmp_model model;
	struct layout_ids_request request = { &all, &model.host, owners, 2 };
	struct json_object *described;

	model_init(&model);
	bpmp_id_set_add(&all.clocks, 319);
	bpmp_id_set_add(&all.power_domains, 35);
	described = layout_describe_ids(&request);
	expect(row(described, "clocks", 155), "uarta", "owned", "3100000.serial, b.serial");
	expect(row(described, "clocks", 319), "pll_a", "owned", "--bpmp");
	expect(row(described, "clocks", 102), "pllp_out0", "ancestor", "clock 155");
	expect(row(described, "clocks", 91), "osc", "ancestor", "clock 319");
	cr_assert_null(row(described, "clocks", 14));
	expect(row(described, "resets", 100), NULL, "owned", "3100000.serial, b.serial");
	expect(row(described, "power_domains", 35), NULL, "owned", "--bpmp");
	json_object_put(described);
}

/* A node may name it; that makes it nobody's. */
Test(plan, shared_roots_are_not_owned)
{
	struct bpmp_ids uart = { .clocks = { 2, { 102, 155 } } };
	const struct layout_owner owner = { "3100000.serial", &uart };
	struct layout_ids_request request = { &uart, NULL, &owner, 1 };
	struct json_object *described = layout_describe_ids(&request);

	expect(row(described, "clocks", 102), NULL, "shared root", "3100000.serial");
	expect(row(described, "clocks", 155), NULL, "owned", "3100000.serial");
	json_object_put(described);
}

Test(plan, ids_without_a_host)
{
	struct bpmp_ids all = model_ids();
	struct layout_ids_request request = { &all, NULL, NULL, 0 };
	struct json_object *described = layout_describe_ids(&request);

	expect(row(described, "clocks", 155), NULL, "owned", "--bpmp");
	cr_assert_null(row(described, "clocks", 91));
	json_object_put(described);
}
