/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/fs.h"

#include "devices/virtio/virtio_device.h"
#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>

/* 5.11.2: hiprio and one for requests, as VIRTIO_FS_F_NOTIFICATION is not offered. */
#define QUEUE_COUNT 2
#define QUEUE_SIZE  1024
#define NAME_SIZE   48

struct fs {
	struct virtio_device virtio;
	char name[NAME_SIZE];
};

static void fs_destroy(struct device *device)
{
	struct fs *fs = container_of(device, struct fs, virtio.device);

	virtio_device_close(&fs->virtio, 0);
	free(fs);
}

static const struct device_ops fs_ops = {
	.describe = virtio_device_describe,
	.attach = virtio_device_attach,
	.quiesce = virtio_device_quiesce,
	.destroy = fs_destroy,
};

static int open_device(struct fs *fs, struct machine *machine, const struct fs_options *options)
{
	struct virtio_fs_config config = { .num_request_queues = htole32(QUEUE_COUNT - 1) };
	const struct virtio_device_options device = {
		.name = fs->name,
		.ops = &fs_ops,
		.device_id = VIRTIO_ID_FS,
		.queue_count = QUEUE_COUNT,
		/* 5.11.3: the one feature is a queue that is not here. */
		.hidden = UINT64_C(0xffffff),
		.uses_all = true,
		.queue_size_max = QUEUE_SIZE,
		.config_size = sizeof(config),
		.config = &config,
	};
	struct worker connection;
	int error = virtio_device_connect(&connection, "--fs", options->vhost_user);

	if (error != 0)
		return error;
	memcpy(config.tag, options->tag, strnlen(options->tag, FS_TAG_SIZE));
	return virtio_device_init(&fs->virtio, machine, &device, &connection);
}

int fs_create(struct machine *machine, const struct fs_options *options, struct device **device)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	int error;

	*device = NULL;
	if (fs == NULL)
		return -ENOMEM;
	snprintf(fs->name, sizeof(fs->name), "fs %s", options->tag);
	error = machine->planning ? virtio_device_plan(machine, fs->name)
				  : open_device(fs, machine, options);
	if (error != 0 || machine->planning) {
		free(fs);
		return error;
	}
	*device = &fs->virtio.device;
	return 0;
}
