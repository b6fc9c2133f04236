/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's side of the balloon: its worker, its place in the machine, what it is asked for. */
#include "devices/virtio/balloon.h"

#include "devices/virtio/balloon_loop.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>

#define QUEUE_SIZE   128
#define END_GRACE_MS 1000

/* 5.5.4: num_pages and actual; what follows belongs to features that are not offered. */
#define CONFIG_SIZE  8u

struct balloon {
	struct virtio_device virtio;
	uint32_t asked; /* num_pages */
};

static struct balloon *to_balloon(struct device *device)
{
	return container_of(device, struct balloon, virtio.device);
}

static void balloon_destroy(struct device *device)
{
	struct balloon *balloon = to_balloon(device);

	virtio_device_close(&balloon->virtio, END_GRACE_MS);
	free(balloon);
}

static const struct device_ops balloon_ops = {
	.describe = virtio_device_describe,
	.attach = virtio_device_attach,
	.quiesce = virtio_device_quiesce,
	.destroy = balloon_destroy,
};

int balloon_create_on(struct machine *machine, struct worker *worker, struct device **device)
{
	static const uint8_t config[CONFIG_SIZE];
	const struct virtio_device_options options = {
		.name = "balloon",
		.ops = &balloon_ops,
		.device_id = VIRTIO_ID_BALLOON,
		.queue_count = BALLOON_QUEUES,
		.queue_size_max = QUEUE_SIZE,
		.config_size = CONFIG_SIZE,
		.config = config,
		.config_writable = { .offset = offsetof(struct virtio_balloon_config, actual),
			.size = sizeof(uint32_t) },
	};
	struct balloon *balloon = calloc(1, sizeof(*balloon));
	int error;

	*device = NULL;
	if (balloon == NULL) {
		worker_stop(worker, 0);
		return -ENOMEM;
	}
	error = virtio_device_init(&balloon->virtio, machine, &options, worker);
	if (error != 0) {
		free(balloon);
		return error;
	}
	*device = &balloon->virtio.device;
	return 0;
}

int balloon_create(struct machine *machine, struct device **device)
{
	struct worker worker;
	int error;

	*device = NULL;
	if (machine->planning)
		return virtio_device_plan(machine, "balloon");
	error = worker_start(&worker, "balloon", SOCK_STREAM, NULL, 0, true);
	return error != 0 ? error : balloon_create_on(machine, &worker, device);
}

static uint64_t all_pages(const struct device *device)
{
	const struct guest_memory *memory = device->machine->memory;
	uint64_t bytes = 0;

	for (size_t i = 0; i < memory->count; i++)
		bytes += memory->regions[i].size;
	return bytes / BALLOON_PAGE_SIZE;
}

void balloon_set_target(struct device *device, uint64_t bytes)
{
	struct balloon *balloon = to_balloon(device);
	uint64_t keep = (bytes + BALLOON_PAGE_SIZE - 1) / BALLOON_PAGE_SIZE;
	uint64_t all = all_pages(device), away = keep < all ? all - keep : 0;
	uint8_t config[CONFIG_SIZE] = { 0 };
	uint32_t num_pages;

	/* A field of 32 bits ends at 16 TiB. */
	balloon->asked = away < UINT32_MAX ? (uint32_t)away : UINT32_MAX;
	num_pages = htole32(balloon->asked);
	memcpy(config, &num_pages, sizeof(num_pages));
	virtio_device_change_config(&balloon->virtio, config);
}

struct balloon_status balloon_status(struct device *device)
{
	struct balloon *balloon = to_balloon(device);
	const uint64_t all = all_pages(device);
	uint32_t actual;

	virtio_mmio_driver_config(&balloon->virtio.mmio, &actual);
	/* The driver may write anything. */
	actual = le32toh(actual);
	return (struct balloon_status){
		.target = (all - balloon->asked) * BALLOON_PAGE_SIZE,
		.actual = (actual < all ? all - actual : 0) * BALLOON_PAGE_SIZE,
	};
}
