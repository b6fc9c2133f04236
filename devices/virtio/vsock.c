/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/vsock.h"

#include "devices/virtio/vhost_host.h"
#include "devices/virtio/vhost_kernel.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vhost.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_vsock.h>

/*
 * Receive, transmit, events (5.10.2). The kernel serves the first two. An event tells a guest that
 * it was moved to another host, which never happens here: that queue's buffers stay available.
 */
#define QUEUE_COUNT	   3
#define KERNEL_QUEUE_COUNT 2
#define KERNEL_QUEUES	   ((1u << KERNEL_QUEUE_COUNT) - 1)
#define QUEUE_SIZE	   128

struct vsock {
	struct virtio_device virtio;
	struct vhost_kernel kernel;
	bool running;
};

static struct vsock *to_vsock(struct vhost_kernel *kernel)
{
	return container_of(kernel, struct vsock, kernel);
}

static int set_running(struct vsock *vsock, int running)
{
	int error = vhost_kernel_request(
		&vsock->kernel, VHOST_VSOCK_SET_RUNNING, &running, "VHOST_VSOCK_SET_RUNNING");

	if (error == 0)
		vsock->running = running != 0;
	return error;
}

/* The kernel starts and stops both queues in one; a driver that uses one of them gets nothing. */
static int start(struct vhost_kernel *kernel, uint32_t index)
{
	(void)index;
	return kernel->set_up == KERNEL_QUEUES ? set_running(to_vsock(kernel), 1) : 0;
}

static int stop(struct vhost_kernel *kernel, uint32_t index)
{
	(void)index;
	return to_vsock(kernel)->running ? set_running(to_vsock(kernel), 0) : 0;
}

static const struct vhost_kernel_kind vsock_kind = {
	.node = "/dev/vhost-vsock",
	.module = "vhost_vsock",
	.queue_count = KERNEL_QUEUE_COUNT,
	.start = start,
	.stop = stop,
};

static void vsock_destroy(struct device *device)
{
	struct vsock *vsock = container_of(device, struct vsock, virtio.device);

	virtio_device_close(&vsock->virtio, 0);
	vhost_kernel_close(&vsock->kernel);
	free(vsock);
}

static const struct device_ops vsock_ops = {
	.describe = virtio_device_describe,
	.attach = virtio_device_attach,
	.quiesce = virtio_device_quiesce,
	.destroy = vsock_destroy,
};

static int take_cid(struct vsock *vsock, uint32_t cid)
{
	uint64_t value = cid;
	int error = vhost_host_ioctl(vsock->kernel.fd, VHOST_VSOCK_SET_GUEST_CID, &value);

	if (error == -EADDRINUSE)
		log_error("--vsock %u: another VM of this host has this CID; give another", cid);
	else if (error != 0)
		log_error("--vsock %u: %s refuses it: %s; give a CID from %u on", cid,
			vsock_kind.node, strerror(-error), VSOCK_CID_MIN);
	return error;
}

int vsock_check(uint32_t cid)
{
	struct vsock vsock = { .running = false };
	int error = vhost_kernel_open(&vsock.kernel, &vsock_kind, "vsock");

	if (error == 0)
		error = take_cid(&vsock, cid);
	vhost_kernel_close(&vsock.kernel);
	return error;
}

int vsock_create(struct machine *machine, uint32_t cid, struct device **device)
{
	const struct virtio_vsock_config config = { .guest_cid = htole64(cid) };
	const struct virtio_device_options options = {
		.name = "vsock",
		.ops = &vsock_ops,
		.device_id = VIRTIO_ID_VSOCK,
		.queue_count = QUEUE_COUNT,
		.queue_size_max = QUEUE_SIZE,
		.config_size = sizeof(config),
		.config = &config,
	};
	struct vsock *vsock;
	int error;

	*device = NULL;
	if (machine->planning)
		return virtio_device_plan(machine, options.name);
	vsock = calloc(1, sizeof(*vsock));
	if (vsock == NULL)
		return -ENOMEM;
	error = vhost_kernel_open(&vsock->kernel, &vsock_kind, options.name);
	if (error == 0)
		error = take_cid(vsock, cid);
	if (error == 0)
		error = virtio_device_init_kernel(
			&vsock->virtio, machine, &options, &vsock->kernel.front, NULL);
	if (error != 0) {
		vhost_kernel_close(&vsock->kernel);
		free(vsock);
		return error;
	}
	*device = &vsock->virtio.device;
	return 0;
}
