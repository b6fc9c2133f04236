/* SPDX-License-Identifier: Apache-2.0 */
/* What sysfs says about a device, and the remedy that the log names. */
#include "devices/vfio/device_check.h"
#include "devices/vfio/vfio.h"
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"
#include "tests/unit/vfio_fake.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define DEVICE "sys/bus/platform/devices/3100000.serial/"

static void set_up(void)
{
	vfio_fake_create();
	fake_log_capture();
}

TestSuite(vfio_check, .init = set_up, .fini = vfio_fake_remove);

static int locate(const char *device, bool unsafe_noiommu, struct vfio_location *location)
{
	struct vfio_options options = { .device = device, .unsafe_noiommu = unsafe_noiommu };

	return vfio_locate_device(&vfio_fake.host, &options, location);
}

/* The error, and that the one line of the log has all of the texts. */
static void expect(const char *device, int error, const char *first, const char *second)
{
	struct vfio_location location;

	cr_assert_eq(locate(device, false, &location), error);
	cr_assert_not_null(strstr(fake_log_text(), first), "%s", fake_log_text());
	cr_assert_not_null(strstr(fake_log_text(), second), "%s", fake_log_text());
	cr_assert_eq(strchr(fake_log_text(), '\n')[1], '\0', "more than one line");
}

Test(vfio_check, a_device_that_is_ready)
{
	struct vfio_location location;

	cr_assert_eq(locate("3100000.serial", false, &location), 0);
	cr_assert_eq(location.group, 5);
	cr_assert_not(location.noiommu);
	cr_assert_str_eq(
		location.directory, fixture_path("sys/bus/platform/devices/3100000.serial"));
	cr_assert_str_eq(fake_log_text(), "");
}

Test(vfio_check, an_amba_device_wants_the_amba_driver)
{
	struct vfio_location location;

	fixture_link("sys/bus/amba/devices/9010000.pl031/of_node", "sys/firmware");
	fixture_link("sys/bus/amba/devices/9010000.pl031/driver", "sys/bus/amba/drivers/vfio-amba");
	fixture_link("sys/bus/amba/devices/9010000.pl031/iommu_group", "sys/kernel/iommu_groups/7");
	cr_assert_eq(locate("9010000.pl031", false, &location), 0);
	cr_assert_eq(location.group, 7);
}

Test(vfio_check, a_misspelt_name_gets_a_suggestion)
{
	expect("3100000.seral", -ENODEV, "no such device", "did you mean 3100000.serial?");
}

Test(vfio_check, the_node_name_is_turned_around)
{
	expect("serial@3100000", -ENODEV, "no such device", "did you mean 3100000.serial?");
}

Test(vfio_check, a_far_name_gets_none)
{
	expect("6800000.ethernet", -ENODEV, "no such device in", "bus/amba/devices");
}

Test(vfio_check, names_that_are_paths_are_refused)
{
	static const char *const names[] = { "", ".", "..", "../3100000.serial",
		"3100000.serial/driver", "/sys/bus/platform/devices/3100000.serial" };
	struct vfio_location location;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_assert_eq(locate(names[i], false, &location), -EINVAL, "'%s'", names[i]);
}

Test(vfio_check, bound_elsewhere_names_the_commands)
{
	struct vfio_location location;

	fixture_link(DEVICE "driver", "sys/bus/platform/drivers/serial-tegra");
	cr_assert_eq(locate("3100000.serial", false, &location), -EBUSY);
	cr_assert_not_null(strstr(fake_log_text(), "driver serial-tegra"));
	cr_assert_not_null(strstr(fake_log_text(), "echo vfio-platform > "));
	cr_assert_not_null(strstr(fake_log_text(),
		"3100000.serial/driver_override; echo "
		"3100000.serial > "));
	cr_assert_not_null(strstr(fake_log_text(), "3100000.serial/driver/unbind; echo "));
	cr_assert_not_null(strstr(fake_log_text(), "platform/drivers_probe\n"));
	cr_assert_null(strstr(fake_log_text(), "modprobe"));
}

Test(vfio_check, unbound_without_the_module_loads_it_first)
{
	unlink(fixture_path(DEVICE "driver"));
	rmdir(fixture_path("sys/bus/platform/drivers/vfio-platform"));
	expect("3100000.serial", -ENXIO, "modprobe vfio-platform; echo", "bound to no driver");
	cr_assert_null(strstr(fake_log_text(), "unbind"));
}

Test(vfio_check, a_refused_binding_for_want_of_a_group)
{
	unlink(fixture_path(DEVICE "driver"));
	unlink(fixture_path(DEVICE "iommu_group"));
	fixture_text(DEVICE "driver_override", "vfio-platform\n");
	expect("3100000.serial", -ECONNREFUSED, "no IOMMU group", "`iommus`");
}

Test(vfio_check, a_refused_binding_for_want_of_a_reset_driver)
{
	unlink(fixture_path(DEVICE "driver"));
	fixture_text(DEVICE "driver_override", "vfio-platform\n");
	fixture_text("sys/module/vfio_platform/parameters/reset_required", "Y\n");
	expect("3100000.serial", -ECONNREFUSED, "vfio_platform.reset_required=0", "refused");
}

Test(vfio_check, a_refused_binding_for_another_reason)
{
	unlink(fixture_path(DEVICE "driver"));
	fixture_text(DEVICE "driver_override", "vfio-platform\n");
	expect("3100000.serial", -ECONNREFUSED, "fw_devlink=off", "host's kernel log");
}

Test(vfio_check, no_group)
{
	unlink(fixture_path(DEVICE "iommu_group"));
	expect("3100000.serial", -ENXIO, "no IOMMU group", "`iommus`");
}

/* A start says the first of them, a check both. */
Test(vfio_check, no_driver_and_no_group)
{
	const struct vfio_options options = { .device = "3100000.serial" };
	struct vfio_location location;

	fixture_link(DEVICE "driver", "sys/bus/platform/drivers/serial-tegra");
	unlink(fixture_path(DEVICE "iommu_group"));
	expect("3100000.serial", -EBUSY, "driver serial-tegra", "driver_override");
	fake_log_capture();
	cr_assert_eq(vfio_check_device(&vfio_fake.host, &options, &location), -EBUSY);
	cr_assert_not_null(strstr(fake_log_text(), "driver serial-tegra"));
	cr_assert_not_null(strstr(fake_log_text(), "is in no IOMMU group"));
}

Test(vfio_check, a_refusal_that_named_the_group_is_said_once)
{
	const struct vfio_options options = { .device = "3100000.serial" };
	struct vfio_location location;

	unlink(fixture_path(DEVICE "driver"));
	unlink(fixture_path(DEVICE "iommu_group"));
	fixture_text(DEVICE "driver_override", "vfio-platform\n");
	cr_assert_eq(vfio_check_device(&vfio_fake.host, &options, &location), -ECONNREFUSED);
	cr_assert_eq(strchr(fake_log_text(), '\n')[1], '\0', "%s", fake_log_text());
}

Test(vfio_check, no_node)
{
	unlink(fixture_path(DEVICE "of_node"));
	expect("3100000.serial", -ENODEV, "device-tree node", "of_node");
}

Test(vfio_check, no_iommu_only_when_asked_for)
{
	struct vfio_location location;

	fixture_text("sys/kernel/iommu_groups/5/name", "vfio-noiommu\n");
	cr_assert_eq(locate("3100000.serial", true, &location), 0);
	cr_assert(location.noiommu);
	expect("3100000.serial", -EPERM, "behind no IOMMU", "unsafe-noiommu");
}

Test(vfio_check, a_group_with_an_iommu_is_used_even_if_unsafe_is_asked_for)
{
	struct vfio_location location;

	cr_assert_eq(locate("3100000.serial", true, &location), 0);
	cr_assert_not(location.noiommu);
}

Test(vfio_check, the_rest_of_a_group_is_listed_with_its_drivers)
{
	char text[256];

	fixture_link("sys/kernel/iommu_groups/5/devices/3110000.serial/driver",
		"sys/bus/platform/drivers/serial-tegra");
	vfio_list_group(&vfio_fake.host, 5, "3100000.serial", text, sizeof(text));
	cr_assert_str_eq(text, "3110000.serial (driver serial-tegra)");
	vfio_list_group(&vfio_fake.host, 6, "3100000.serial", text, sizeof(text));
	cr_assert_str_eq(text, "none that sysfs shows");
	vfio_list_group(&vfio_fake.host, 5, "3100000.serial", text, 8); /* cut, not overrun */
	cr_assert_eq(strlen(text), 7);
}
