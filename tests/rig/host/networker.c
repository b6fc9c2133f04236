/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives a front end that is not ours bpmp-vmm's own network worker, told what the machine tells it:
 *
 *   rig-networker SOCKET TAP
 *
 * Listens at SOCKET for one front end. Ends with the worker's status.
 */
#include "devices/virtio/net_tap.h"
#include "tests/rig/host/outside.h"

#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <sys/ioctl.h>

#define BIT(n) (UINT64_C(1) << (n))

int main(int argc, char **argv)
{
	struct net_tap tap = {
		.pair_count = 1,
		/* As net_tap_open() finds with a kernel that has TUNSETOFFLOAD. */
		.features = BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) |
			BIT(VIRTIO_NET_F_GUEST_TSO4) | BIT(VIRTIO_NET_F_GUEST_TSO6) |
			BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6),
	};
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = sizeof(struct virtio_net_hdr_mrg_rxbuf), front, worker;
	pid_t pid;

	if (argc != 3) {
		fprintf(stderr, "usage: rig-networker SOCKET TAP\n");
		return 2;
	}
	snprintf(tap.name, sizeof(tap.name), "%s", argv[2]);
	memcpy(request.ifr_name, tap.name, sizeof(tap.name));
	tap.fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	need(tap.fd >= 0 && ioctl(tap.fd, TUNSETIFF, &request) == 0 &&
			ioctl(tap.fd, TUNSETVNETHDRSZ, &header) == 0,
		argv[2]);
	front = outside_accept(argv[1]);
	pid = outside_start("net", tap.fd, &tap, sizeof(tap), &worker);
	close(tap.fd);
	return outside_relay(front, worker, pid);
}
