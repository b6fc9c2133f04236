/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network interface of the guest: a tap, served by the kernel's vhost, which leaves it in the
 * machine's hands, or by a worker, which gets it; a worker with passt at its other end; or whatever
 * another program makes of it, over vhost-user.
 */
#include "devices/virtio/net.h"

#include "devices/virtio/net_passt.h"
#include "devices/virtio/net_tap.h"
#include "devices/virtio/net_vhost.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#define QUEUE_SIZE   256

/* The worker has nothing to put back. */
#define END_GRACE_MS 1000

struct net {
	struct virtio_device virtio;
	struct net_vhost vhost;
	struct net_tap tap;
	struct worker passt; /* pid_fd -1: not started */
	char name[16];	     /* "net0" */
};

static void net_destroy(struct device *device)
{
	struct net *net = container_of(device, struct net, virtio.device);

	virtio_device_close(&net->virtio, END_GRACE_MS);
	net_vhost_close(&net->vhost);
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
	const char *other = options->vhost_user != NULL ? options->vhost_user : net->tap.name;

	if (options->mac_given)
		memcpy(mac, options->mac, NET_MAC_SIZE);
	else if (net->tap.has_mac)
		memcpy(mac, net->tap.mac, NET_MAC_SIZE);
	else
		net_default_mac(vm_name, other, position, mac);
	log_info("%s: %s, address %02x:%02x:%02x:%02x:%02x:%02x", net->name, other, mac[0], mac[1],
		mac[2], mac[3], mac[4], mac[5]);
}

static int open_worker(
	struct net *net, struct machine *machine, const struct virtio_device_options *options)
{
	struct worker worker;
	int error = worker_start_with(
		&worker, "net", &net->tap.fd, 1, true, &net->tap, sizeof(net->tap));

	return error != 0 ? error : virtio_device_init(&net->virtio, machine, options, &worker);
}

/* The control queue's worker, greeted; its pid_fd is -1 where one pair needs none. */
static int start_control(struct net *net, struct worker *worker)
{
	int taps[NET_MAX_PAIRS], error;

	*worker = (struct worker){ .pid_fd = -1, .socket = -1 };
	if (net->tap.pair_count == 1)
		return 0;
	for (uint32_t i = 0; i < net->tap.pair_count; i++)
		taps[i] = net_tap_queue(&net->tap, i);
	error = worker_start_with(worker, "net-control", taps, net->tap.pair_count, true,
		&net->tap.pair_count, sizeof(net->tap.pair_count));
	if (error == 0)
		error = net_vhost_open_control(&net->vhost, worker->socket, net->name);
	if (error != 0)
		worker_stop(worker, END_GRACE_MS);
	return error;
}

static int open_kernel(
	struct net *net, struct machine *machine, const struct virtio_device_options *options)
{
	struct worker control;
	int error = net_vhost_open(&net->vhost, &net->tap, net->name);

	if (error != 0)
		return error;
	error = start_control(net, &control);
	if (error == 0)
		error = virtio_device_init_kernel(
			&net->virtio, machine, options, &net->vhost.front, &control);
	if (error != 0)
		net_vhost_close(&net->vhost);
	return error;
}

/*
 * One pair: more would need a control queue, which is not the back end's affair. Of its features
 * those about frames, which need neither that queue nor more of the configuration (5.1.3).
 */
static int open_foreign(struct net *net, struct machine *machine, const struct net_options *options,
	const uint8_t mac[NET_MAC_SIZE])
{
	static const uint64_t frames = BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
		BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |
		BIT(VIRTIO_NET_F_GUEST_ECN) | BIT(VIRTIO_NET_F_GUEST_UFO) |
		BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |
		BIT(VIRTIO_NET_F_HOST_ECN) | BIT(VIRTIO_NET_F_HOST_UFO) |
		BIT(VIRTIO_NET_F_MRG_RXBUF);
	const struct virtio_device_options device = {
		.name = net->name,
		.ops = &net_ops,
		.device_id = VIRTIO_ID_NET,
		.queue_count = 2,
		.queues_paired = true,
		.hidden = (BIT(24) - 1) & ~frames,
		.added = BIT(VIRTIO_NET_F_MAC),
		.queue_size_max = QUEUE_SIZE,
		.config_size = NET_MAC_SIZE,
		.config = mac,
	};
	struct worker connection;
	int error = virtio_device_connect(&connection, "--net", options->vhost_user);

	return error != 0 ? error : virtio_device_init(&net->virtio, machine, &device, &connection);
}

static int open_device(
	struct net *net, struct machine *machine, bool vhost, const uint8_t mac[NET_MAC_SIZE])
{
	/* 5.1.4: `status` comes with no feature that is offered. */
	struct virtio_net_config config = {
		.max_virtqueue_pairs = htole16((uint16_t)net->tap.pair_count),
	};
	const bool several = net->tap.pair_count > 1;
	const struct virtio_device_options options = {
		.name = net->name,
		.ops = &net_ops,
		.device_id = VIRTIO_ID_NET,
		.queue_count = net_tap_queue_count(&net->tap),
		.queue_size_max = QUEUE_SIZE,
		.config_size = several ? offsetof(struct virtio_net_config, mtu) : NET_MAC_SIZE,
		.config = &config,
	};

	memcpy(config.mac, mac, NET_MAC_SIZE);
	return vhost ? open_kernel(net, machine, &options) : open_worker(net, machine, &options);
}

int net_check(const struct net_options *options)
{
	struct net net = { .name = "net" };
	int error, second = 0;

	if (options->user)
		return net_passt_check();
	if (options->vhost_user != NULL)
		return virtio_device_check_peer("--net", options->vhost_user);
	error = net_tap_open(&net.tap, options, 1);
	net.tap.pair_count = 1;
	if (options->vhost)
		second = net_vhost_open(&net.vhost, &net.tap, net.name);
	net_vhost_close(&net.vhost);
	net_tap_close(&net.tap);
	return error != 0 ? error : second;
}

/* What the host has of it: tap or passt. */
static int open_other_end(struct net *net, const struct net_options *options)
{
	if (options->vhost_user != NULL)
		return 0;
	if (options->user)
		return net_passt_start(&net->passt, options, &net->tap);
	return net_tap_open(&net->tap, options, options->vhost ? options->pairs : 1);
}

int net_create(struct machine *machine, const struct net_options *options, const char *vm_name,
	size_t position, struct device **device)
{
	struct net *net;
	uint8_t mac[NET_MAC_SIZE];
	int error;

	*device = NULL;
	net = calloc(1, sizeof(*net));
	if (net == NULL)
		return -ENOMEM;
	snprintf(net->name, sizeof(net->name), "net%u", (unsigned int)position);
	if (machine->planning) {
		error = virtio_device_plan(machine, net->name);
		free(net);
		return error;
	}
	net->passt = (struct worker){ .pid = -1, .pid_fd = -1, .socket = -1 };
	net->tap = (struct net_tap){ .fd = -1, .pair_count = 1 };
	error = open_other_end(net, options);
	if (error == 0) {
		choose_mac(net, options, vm_name, position, mac);
		error = options->vhost_user != NULL
			? open_foreign(net, machine, options, mac)
			: open_device(net, machine, options->vhost, mac);
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
