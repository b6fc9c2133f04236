/* SPDX-License-Identifier: Apache-2.0 */
/* A shared directory's device: what of it is the machine's (virtio 1.2, section 5.11). */
#include "devices/virtio/fs.h"
#include "devices/virtio/virtio_device.h"
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"
#include "tests/unit/foreign_back_end.h"
#include "tests/unit/machine_parts.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <string.h>

static struct machine_parts parts;
static struct foreign_back_end back_end;

/* One that has the notification queue's feature, and a bit that nobody knows. */
static const struct vhost_user_back_device server = { .features = 3, .queue_count = 2 };

static void begin(void)
{
	fixture_create();
	machine_parts_open(&parts, 0x100000);
}

static void end(void)
{
	machine_parts_close(&parts);
	fixture_remove();
}

TestSuite(fs, .init = begin, .fini = end, .timeout = 30);

static struct device *create(const char *tag)
{
	const struct fs_options options = { .vhost_user = fixture_path("socket"), .tag = tag };
	struct device *device;

	foreign_back_end_start(&back_end, options.vhost_user, &server);
	cr_assert_eq(fs_create(&parts.machine, &options, &device), 0);
	return device;
}

static void destroy(struct device *device)
{
	device->ops->destroy(device);
	foreign_back_end_join(&back_end);
}

static const struct virtio_mmio *registers(struct device *device)
{
	return &container_of(device, struct virtio_device, device)->mmio;
}

/* 5.11.4: the tag fills its field with zeroes, and how many queues there are for requests. */
Test(fs, configuration_is_tag_and_queues_5_11_4)
{
	static const uint8_t expected[40] = "docs\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
					    "\0\0\0\0\0\0\0\1\0\0";
	struct device *device = create("docs");
	const struct virtio_mmio *mmio = registers(device);

	cr_assert_eq(mmio->device_id, 26);
	cr_assert_eq(mmio->config_size, sizeof(expected));
	cr_assert_arr_eq(mmio->config, expected, sizeof(expected));
	cr_assert_eq(mmio->config_writable.size, 0, "the driver cannot write to it (5.11.4.1)");
	destroy(device);
}

/* 5.11.4: one of 36 bytes ends without a zero. */
Test(fs, longest_tag_5_11_4)
{
	const char *tag = "0123456789abcdefghijklmnopqrstuvwxyz";
	struct device *device = create(tag);

	cr_assert_arr_eq(registers(device)->config, tag, FS_TAG_SIZE);
	cr_assert_eq(registers(device)->config[FS_TAG_SIZE], 1);
	destroy(device);
}

/* 5.11.2, 5.11.3: hiprio and one for requests; without the feature there is no third. */
Test(fs, offers_no_notification_queue_5_11_3)
{
	struct device *device = create("docs");

	cr_assert_eq(registers(device)->features & 0xffffff, 0);
	cr_assert_eq(registers(device)->queue_count, 2);
	destroy(device);
}
