/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network interface of the guest: a tap, served by the kernel's vhost, which leaves it in the
 * machine's hands, or by a worker, which gets it; or a worker with passt at its other end.
 */
#include "devices/virtio/net.h"

#include "devices/virtio/net_passt.h"
#include "devices/virtio/net_tap.h"
#include "devices/virtio/vhost_kernel.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vhost.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

/* Receive and transmit, without VIRTIO_NET_F_MQ or VIRTIO_NET_F_CTRL_VQ (5.1.2). */
#define QUEUE_COUNT  2
#define QUEUE_SIZE   256

/* The worker has nothing to put back. */
#define END_GRACE_MS 1000

#define BIT(n)	     (UINT64_C(1) << (n))

struct net {
	struct virtio_device virtio;
	struct vhost_kernel kernel;
	struct net_tap tap;
	struct worker passt; /* pid_fd -1: not started */
	char name[16];	     /* "net0" */
};

static struct net *to_net(struct vhost_kernel *kernel)
{
	return container_of(kernel, struct net, kernel);
}

static int negotiated(struct vhost_kernel *kernel, uint64_t features)
{
	return net_tap_negotiated(&to_net(kernel)->tap, features);
}

static int set_backend(struct vhost_kernel *kernel, uint32_t index, int fd)
{
	struct vhost_vring_file file = { .index = index, .fd = fd };

	return vhost_kernel_request(kernel, VHOST_NET_SET_BACKEND, &file, "VHOST_NET_SET_BACKEND");
}

static int start(struct vhost_kernel *kernel, uint32_t index)
{
	return set_backend(kernel, index, to_net(kernel)->tap.fd);
}

/* It returns when the kernel is done with what it had taken from the queue. */
static int stop(struct vhost_kernel *kernel, uint32_t index)
{
	return set_backend(kernel, index, -1);
}

static const struct vhost_kernel_kind net_kind = {
	.node = "/dev/vhost-net",
	.module = "vhost_net",
	.queue_count = QUEUE_COUNT,
	.negotiated = negotiated,
	.start = start,
	.stop = stop,
};

static void net_destroy(struct device *device)
{
	struct net *net = container_of(device, struct net, virtio.device);

	virtio_device_close(&net->virtio, END_GRACE_MS);
	vhost_kernel_close(&net->kernel);
	net_tap_close(&net->tap);
	worker_stop(&net->passt, END_GRACE_MS);
	free(net);
}

static const struct device_ops net_ops = {
	.describe = virtio_device_describe,
	.attach = virtio_device_attach,
	.quiesce = virtio_device_quiesce,
	.destroy = net_destroy,
};

/* 64 bits of FNV-1a. */
static uint64_t hash(uint64_t seed, const void *data, size_t size)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < size; i++)
		seed = (seed ^ bytes[i]) * UINT64_C(0x100000001b3);
	return seed;
}

void net_default_mac(
	const char *vm_name, const char *interface, size_t position, uint8_t mac[NET_MAC_SIZE])
{
	const char *name = vm_name != NULL ? vm_name : "";
	uint8_t number = (uint8_t)position;
	uint64_t value = UINT64_C(0xcbf29ce484222325);

	/* With their ends, so that no two lists of names run together into one. */
	value = hash(value, name, strlen(name) + 1);
	value = hash(value, interface, strlen(interface) + 1);
	value = hash(value, &number, sizeof(number));
	for (size_t i = 0; i < NET_MAC_SIZE; i++)
		mac[i] = (uint8_t)(value >> (8 * i));
	/* IEEE 802, 8.2.2: bit 0 is a group's address, bit 1 a locally administered one. */
	mac[0] = (uint8_t)((mac[0] & ~1u) | 2u);
}

static void choose_mac(const struct net *net, const struct net_options *options,
	const char *vm_name, size_t position, uint8_t mac[NET_MAC_SIZE])
{
	if (options->mac_given)
		memcpy(mac, options->mac, NET_MAC_SIZE);
	else if (net->tap.has_mac)
		memcpy(mac, net->tap.mac, NET_MAC_SIZE);
	else
		net_default_mac(vm_name, net->tap.name, position, mac);
	log_info("%s: %s, address %02x:%02x:%02x:%02x:%02x:%02x", net->name, net->tap.name, mac[0],
		mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static int start_worker(struct net *net, struct worker *worker)
{
	int error = worker_start(worker, "net", SOCK_STREAM, &net->tap.fd, 1, true);

	if (error != 0)
		return error;
	if (send(worker->socket, &net->tap, sizeof(net->tap), MSG_NOSIGNAL) ==
		(ssize_t)sizeof(net->tap))
		return 0;
	error = -errno;
	log_error("%s: its worker ended at once: %s", net->name, strerror(-error));
	worker_stop(worker, 0);
	return error;
}

static int open_worker(
	struct net *net, struct machine *machine, const struct virtio_device_options *options)
{
	struct worker worker;
	int error = start_worker(net, &worker);

	return error != 0 ? error : virtio_device_init(&net->virtio, machine, options, &worker);
}

static int open_kernel(
	struct net *net, struct machine *machine, const struct virtio_device_options *options)
{
	int error = vhost_kernel_open(&net->kernel, &net_kind, net->name);

	if (error != 0)
		return error;
	net->kernel.front.features |= net->tap.features | BIT(VIRTIO_NET_F_MAC);
	error = virtio_device_init_kernel(&net->virtio, machine, options, &net->kernel.front);
	if (error != 0)
		vhost_kernel_close(&net->kernel);
	return error;
}

static int open_device(
	struct net *net, struct machine *machine, bool vhost, const uint8_t mac[NET_MAC_SIZE])
{
	/* 5.1.4: of the configuration's fields the address alone, as no feature brings more. */
	const struct virtio_device_options options = {
		.name = net->name,
		.ops = &net_ops,
		.device_id = VIRTIO_ID_NET,
		.queue_count = QUEUE_COUNT,
		.queue_size_max = QUEUE_SIZE,
		.config_size = NET_MAC_SIZE,
		.config = mac,
	};

	return vhost ? open_kernel(net, machine, &options) : open_worker(net, machine, &options);
}

int net_check(const struct net_options *options)
{
	struct net net = { .kernel.fd = -1, .name = "net" };
	int error, second = 0;

	if (options->user)
		return net_passt_check();
	error = net_tap_open(&net.tap, options);
	if (options->vhost)
		second = vhost_kernel_open(&net.kernel, &net_kind, net.name);
	vhost_kernel_close(&net.kernel);
	net_tap_close(&net.tap);
	return error != 0 ? error : second;
}

int net_create(struct machine *machine, const struct net_options *options, const char *vm_name,
	size_t position, struct device **device)
{
	struct net *net = calloc(1, sizeof(*net));
	uint8_t mac[NET_MAC_SIZE];
	int error;

	*device = NULL;
	if (net == NULL)
		return -ENOMEM;
	net->kernel.fd = -1;
	net->passt = (struct worker){ .pid = -1, .pid_fd = -1, .socket = -1 };
	snprintf(net->name, sizeof(net->name), "net%u", (unsigned int)position);
	error = options->user ? net_passt_start(&net->passt, options, &net->tap)
			      : net_tap_open(&net->tap, options);
	if (error == 0) {
		choose_mac(net, options, vm_name, position, mac);
		error = open_device(net, machine, options->vhost, mac);
	}
	if (error != 0) {
		net_tap_close(&net->tap);
		worker_stop(&net->passt, END_GRACE_MS);
		free(net);
		return error;
	}
	*device = &net->virtio.device;
	return 0;
}
