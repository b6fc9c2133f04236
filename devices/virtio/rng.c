/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's side of the entropy device: its worker, its place in the machine. */
#include "devices/virtio/rng.h"

#include "devices/virtio/virtio_device.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <linux/virtio_ids.h>

/* One queue (5.4.2). Linux has one request in it at a time. */
#define QUEUE_COUNT  1
#define QUEUE_SIZE   8

#define END_GRACE_MS 1000

static void rng_destroy(struct device *device)
{
	struct virtio_device *virtio = container_of(device, struct virtio_device, device);

	virtio_device_close(virtio, END_GRACE_MS);
	free(virtio);
}

static const struct device_ops rng_ops = {
	.describe = virtio_device_describe,
	.attach = virtio_device_attach,
	.quiesce = virtio_device_quiesce,
	.destroy = rng_destroy,
};

int rng_create(struct machine *machine, struct device **device)
{
	const struct virtio_device_options options = {
		.name = "rng",
		.ops = &rng_ops,
		.device_id = VIRTIO_ID_RNG,
		.queue_count = QUEUE_COUNT,
		.queue_size_max = QUEUE_SIZE,
	};
	struct virtio_device *virtio;
	struct worker worker;
	int error;

	*device = NULL;
	if (machine->planning)
		return virtio_device_plan(machine, options.name);
	virtio = calloc(1, sizeof(*virtio));
	if (virtio == NULL)
		return -ENOMEM;
	error = worker_start(&worker, "rng", SOCK_STREAM, NULL, 0, true);
	if (error == 0)
		error = virtio_device_init(virtio, machine, &options, &worker);
	if (error != 0) {
		free(virtio);
		return error;
	}
	*device = &virtio->device;
	return 0;
}
