/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that another program serves over vhost-user: what of it is not passed on. */
#include "devices/virtio/block.h"
#include "devices/virtio/virtio_device.h"
#include "tests/unit/fixture.h"
#include "tests/unit/foreign_back_end.h"
#include "tests/unit/machine_parts.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <endian.h>

#include <linux/virtio_blk.h>

static struct machine_parts parts;
static struct foreign_back_end back_end;
static struct device *device;

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

TestSuite(block_foreign, .init = begin, .fini = end, .timeout = 30);

/* The registers of a disk that `server` serves. */
static const struct virtio_mmio *open_disk(const struct vhost_user_back_device *server)
{
	const struct block_options options = { .vhost_user = fixture_path("socket") };

	foreign_back_end_start(&back_end, options.vhost_user, server);
	cr_assert_eq(block_create(&parts.machine, &options, &device), 0);
	return &container_of(device, struct virtio_device, device)->mmio;
}

static void close_disk(void)
{
	device->ops->destroy(device);
	foreign_back_end_join(&back_end);
}

/* 5.2.4: the fields of features from 15 on are behind what the back end is asked for. */
Test(block_foreign, features_without_their_fields_are_hidden)
{
	static const struct virtio_blk_config config;
	static const struct vhost_user_back_device server = {
		.features = BIT(24) - 1,
		.queue_count = 1,
		.config = &config,
		.config_size = sizeof(config),
	};
	const struct virtio_mmio *mmio = open_disk(&server);

	cr_assert_eq(mmio->features & (BIT(24) - 1),
		(BIT(VIRTIO_BLK_F_WRITE_ZEROES + 1) - 1) & ~BIT(VIRTIO_BLK_F_CONFIG_WCE));
	close_disk();
}

/* Linux takes as many queues as there are said to be, and gives the disk up where one is not. */
Test(block_foreign, says_of_no_more_queues_than_there_are)
{
	static struct virtio_blk_config config, seen;
	static const struct vhost_user_back_device server = {
		.features = BIT(VIRTIO_BLK_F_MQ),
		.queue_count = 3,
		.config = &config,
		.config_size = sizeof(config),
	};
	static const uint16_t said[] = { 3, 4, 300, 2 }, seen_as[] = { 3, 3, 3, 2 };

	for (size_t i = 0; i < ARRAY_SIZE(said); i++) {
		config.num_queues = htole16(said[i]);
		memcpy(&seen, open_disk(&server)->config,
			offsetof(struct virtio_blk_config, unused1));
		cr_assert_eq(le16toh(seen.num_queues), seen_as[i]);
		close_disk();
		machine_parts_close(&parts);
		machine_parts_open(&parts, 0x100000);
	}
}
