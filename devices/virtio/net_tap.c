/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/net_tap.h"

#include "devices/virtio/vhost_host.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

/* More than a tap's queue holds by default (1000); it goes on filling while it is emptied. */
#define DRAIN_MOST 2000

#define TAP_FLAGS  (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

/* What a driver lets the device do for it, and what it can take, by what of the tap. */
static const struct {
	unsigned int offload;
	uint64_t takes, leaves;
} offloads[] = {
	{ TUN_F_CSUM, BIT(VIRTIO_NET_F_GUEST_CSUM), BIT(VIRTIO_NET_F_CSUM) },
	{ TUN_F_TSO4, BIT(VIRTIO_NET_F_GUEST_TSO4), BIT(VIRTIO_NET_F_HOST_TSO4) },
	{ TUN_F_TSO6, BIT(VIRTIO_NET_F_GUEST_TSO6), BIT(VIRTIO_NET_F_HOST_TSO6) },
	{ TUN_F_TSO_ECN, BIT(VIRTIO_NET_F_GUEST_ECN), BIT(VIRTIO_NET_F_HOST_ECN) },
};

/* One queue of the tap. Returns a descriptor or -errno. */
static int open_queue(const char *name, short flags)
{
	struct ifreq request = { .ifr_flags = flags };
	int fd = vhost_host_open("/dev/net/tun"), error;

	if (fd < 0)
		return fd;
	memcpy(request.ifr_name, name, strlen(name) + 1);
	error = vhost_host_ioctl(fd, TUNSETIFF, &request);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

int net_tap_queue(const struct net_tap *tap, uint32_t pair)
{
	return pair == 0 ? tap->fd : tap->more[pair - 1];
}

int net_tap_attach(int queue_fd, bool attached)
{
	struct ifreq request = {
		.ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE,
	};

	return vhost_host_ioctl(queue_fd, TUNSETQUEUE, &request);
}

/* The other queues, as far as they are to be had: one is enough. */
static void open_more(struct net_tap *tap, const char *name, uint32_t pairs)
{
	while (tap->pair_count < pairs) {
		int fd = open_queue(name, TAP_FLAGS | IFF_MULTI_QUEUE);
		int error = fd < 0 ? fd : net_tap_attach(fd, false);

		if (error != 0) {
			log_warning("--net tap=%s: %u of %u queues: %s", name, tap->pair_count,
				pairs, strerror(-error));
			close_fd(&fd);
			return;
		}
		tap->more[tap->pair_count++ - 1] = fd;
	}
}

/*
 * The kernel refuses a second user's open only where the tap was made for one queue. Of one that
 * was made for several it would take frames away from the first user's VM, whose offloads we would
 * change. A tap has a carrier from its first open until its last close, but one that is down does
 * not say, and the first open may come after the look: then a queue beside ours tells.
 */
static int open_several(const char *name)
{
	int fd;

	if (vhost_host_is_tun(name) && vhost_host_has_carrier(name))
		return -EBUSY;
	fd = open_queue(name, TAP_FLAGS | IFF_MULTI_QUEUE);
	if (fd < 0 || !vhost_host_has_second_queue(name))
		return fd;
	close(fd);
	return -EBUSY;
}

static int open_by_name(struct net_tap *tap, const char *name, uint32_t pairs)
{
	int error = 0;

	/* As otherwise the kernel would make an interface, which nobody brings up. */
	if (!vhost_host_has_interface(name)) {
		log_error("--net tap=%s: the host has no such interface; make it: ip tuntap add "
			  "dev %s mode tap user USER && ip link set %s up",
			name, name, name);
		return -ENODEV;
	}
	/* The kernel tells a tap that was made for several queues from one that was not by EINVAL.
	 */
	tap->fd = open_several(name);
	if (tap->fd >= 0) {
		open_more(tap, name, pairs);
		return 0;
	}
	if (tap->fd == -EINVAL)
		tap->fd = open_queue(name, TAP_FLAGS);
	if (tap->fd >= 0) {
		if (pairs > 1)
			log_info("--net tap=%s: it was made for one queue; with one for each vCPU: "
				 "ip tuntap add dev %s mode tap multi_queue user USER",
				name, name);
		return 0;
	}
	error = tap->fd;
	if (error == -ENOENT || error == -ENODEV || error == -ENXIO || error == -EACCES)
		log_error("--net tap=%s: /dev/net/tun: %s; the host's kernel needs the module tun, "
			  "and this user permission to open the node",
			name, strerror(-error));
	else if (error == -EBUSY)
		log_error("--net tap=%s: another program has it open", name);
	else if (error == -EPERM)
		log_error("--net tap=%s: it is not this user's; make it so: ip tuntap add dev %s "
			  "mode tap user USER",
			name, name);
	else if (error == -EINVAL)
		log_error("--net tap=%s: it is no tap; make one: ip tuntap add dev NAME mode tap "
			  "user USER",
			name);
	else
		log_error("--net tap=%s: %s", name, strerror(-error));
	return error;
}

/* A macvtap takes what is set here; a tap that was opened by another has to have it already. */
static int take_over(struct net_tap *tap, int fd)
{
	struct ifreq request = { .ifr_flags = 0 };
	int error;

	if (fcntl(fd, F_GETFD) < 0 || vhost_host_ioctl(fd, TUNGETIFF, &request) != 0) {
		log_error("--net fd=%d: this is no descriptor of a tap or macvtap; open one before "
			  "bpmp-vmm is started: %d<>/dev/tapN",
			fd, fd);
		return -EBADF;
	}
	tap->fd = fd;
	request.ifr_name[IFNAMSIZ - 1] = '\0';
	if (!vhost_host_is_tun(request.ifr_name)) {
		tap->has_mac = true;
		request.ifr_flags = TAP_FLAGS;
		error = vhost_host_ioctl(fd, TUNSETIFF, &request);
		if (error != 0) {
			log_error("--net fd=%d: the macvtap takes no headers: %s", fd,
				strerror(-error));
			return error;
		}
	} else if ((request.ifr_flags & TAP_FLAGS) != TAP_FLAGS) {
		log_error("--net fd=%d: the tap must be opened with IFF_TAP, IFF_NO_PI and "
			  "IFF_VNET_HDR",
			fd);
		return -EINVAL;
	}
	return 0;
}

/* Name and address of the interface behind the descriptor. */
static int identify(struct net_tap *tap)
{
	struct ifreq request = { .ifr_flags = 0 };
	int error = vhost_host_ioctl(tap->fd, TUNGETIFF, &request);

	if (error != 0)
		return error;
	memcpy(tap->name, request.ifr_name, sizeof(tap->name));
	tap->name[sizeof(tap->name) - 1] = '\0';
	if (!tap->has_mac)
		return 0;
	error = vhost_host_ioctl(tap->fd, SIOCGIFHWADDR, &request);
	if (error == 0)
		memcpy(tap->mac, request.ifr_hwaddr.sa_data, sizeof(tap->mac));
	return error;
}

static int set_offload(const struct net_tap *tap, unsigned int offload)
{
	/* The request takes the number itself, not its address. */
	return vhost_host_ioctl_value(tap->fd, TUNSETOFFLOAD, offload);
}

static int prepare(struct net_tap *tap)
{
	int header_size = sizeof(struct virtio_net_hdr_mrg_rxbuf), flags, error;
	unsigned int all = 0;
	const char *what = "its address";

	error = identify(tap);
	if (error == 0) {
		what = "headers of 12 bytes";
		error = vhost_host_ioctl(tap->fd, TUNSETVNETHDRSZ, &header_size);
	}
	if (error == 0) {
		what = "reads that do not block";
		flags = fcntl(tap->fd, F_GETFL);
		if (flags < 0 || fcntl(tap->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
			fcntl(tap->fd, F_SETFD, FD_CLOEXEC) < 0)
			error = -errno;
	}
	if (error != 0) {
		log_error(
			"--net: %s cannot be asked for %s: %s", tap->name, what, strerror(-error));
		return error;
	}
	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++)
		all |= offloads[i].offload;
	/* Without them packets are whole and have their checksums: slower, nothing else. */
	if (set_offload(tap, all) != 0 || set_offload(tap, 0) != 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++)
		tap->features |= offloads[i].takes | offloads[i].leaves;
	return 0;
}

int net_tap_open(struct net_tap *tap, const struct net_options *options, uint32_t pairs)
{
	int error;

	*tap = (struct net_tap){ .fd = -1, .pair_count = 1 };
	error = options->tap != NULL ? open_by_name(tap, options->tap, pairs)
				     : take_over(tap, options->fd);
	if (error == 0)
		error = prepare(tap);
	if (error != 0)
		net_tap_close(tap);
	return error;
}

void net_tap_close(struct net_tap *tap)
{
	for (uint32_t i = 1; i < tap->pair_count; i++)
		close_fd(&tap->more[i - 1]);
	close_fd(&tap->fd);
}

static void drain(const struct net_tap *tap)
{
	char frame[64]; /* a read takes a whole frame, and throws away what has no room */

	for (unsigned int i = 0; i < DRAIN_MOST; i++)
		if (read(tap->fd, frame, sizeof(frame)) <= 0)
			return;
}

int net_tap_negotiated(struct net_tap *tap, uint64_t features)
{
	unsigned int offload = 0;
	int error;

	for (size_t i = 0; i < ARRAY_SIZE(offloads); i++)
		if ((features & offloads[i].takes) != 0)
			offload |= offloads[i].offload;
	/* What of a checksum's kind it may leave to the guest needs the checksum (5.1.3.1). */
	if ((offload & TUN_F_CSUM) == 0)
		offload = 0;
	/* The kernel refuses ECN without segments, which would be the end of the VM (5.1.3.1). */
	if ((offload & (TUN_F_TSO4 | TUN_F_TSO6)) == 0)
		offload &= ~(unsigned int)TUN_F_TSO_ECN;
	if (tap->features == 0)
		return 0;
	error = set_offload(tap, offload);
	if (error != 0)
		log_error("--net: %s does not take its offloads: %s", tap->name, strerror(-error));
	drain(tap);
	return error;
}
