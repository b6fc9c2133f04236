/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network interfaces: virtio net on a tap or macvtap of the host. */
#ifndef DEVICES_VIRTIO_NET_H
#define DEVICES_VIRTIO_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;
struct machine;

#define NET_MAC_SIZE	 6

#define NET_MAX_FORWARDS 16

/* Of a receive and a transmit queue each (virtio 1.2, 5.1.2), with a control queue behind several.
 */
#define NET_MAX_PAIRS	 7

/* Bytes of an IPv4 address as text, with its end. */
#define NET_ADDRESS_SIZE 16

/* A port of the host's that leads to one of the guest's. */
struct net_forward {
	bool udp;
	char address[NET_ADDRESS_SIZE]; /* of the host's, IPv4; empty: all */
	uint16_t host_port, guest_port;
};

/*
 * `--net`: a tap by its name, or by a descriptor that the VMM was started with; or a network that
 * passt makes of the host's, in user space; or one that another program serves over vhost-user.
 */
struct net_options {
	const char *tap; /* NULL: `fd` */
	int fd;
	bool user;		/* none of these two */
	const char *vhost_user; /* the socket's path, in place of these three; NULL: not so */
	struct net_forward forwards[NET_MAX_FORWARDS];
	size_t forward_count;
	bool vhost;	/* served by the kernel; otherwise by a jailed worker */
	uint32_t pairs; /* of queues, at most, with vhost: a worker has one thread, and one pair */
	bool mac_given;
	uint8_t mac[NET_MAC_SIZE];
};

/*
 * Opens the tap, starts passt or connects to the back end, and claims a register file and an
 * interrupt, for the interface number `position`, from 0, of the VM called `vm_name` (NULL: it has
 * no name). Returns 0 with *device, or -errno with a line logged that names cause and remedy.
 */
int net_create(struct machine *machine, const struct net_options *options, const char *vm_name,
	size_t position, struct device **device);

/* Whether its tap and the kernel's vhost can be had, which it opens and closes, or passt, or a back
 * end at its socket. Returns 0 or -errno, with a line logged for each. */
int net_check(const struct net_options *options);

/*
 * The address of an interface for which none was given: the same for the same VM's name, host
 * interface and position, and with the bits of a locally administered, individual address.
 */
void net_default_mac(
	const char *vm_name, const char *interface, size_t position, uint8_t mac[NET_MAC_SIZE]);

/* The worker's main; returns its exit status. */
int net_worker_main(int argc, char **argv);

#endif
