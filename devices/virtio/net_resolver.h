/* SPDX-License-Identifier: Apache-2.0 */
/* Where the host has its names from: resolv.conf(5), as far as `--net user` needs it. */
#ifndef DEVICES_VIRTIO_NET_RESOLVER_H
#define DEVICES_VIRTIO_NET_RESOLVER_H

#include <stdbool.h>

/* Of an IPv4 address as text, with its end. */
#define NET_RESOLVER_ADDRESS_SIZE 16

struct net_resolver {
	/* The first IPv4 servers on the host's loopback and elsewhere; empty: none. */
	char loopback[NET_RESOLVER_ADDRESS_SIZE], elsewhere[NET_RESOLVER_ADDRESS_SIZE];
	bool reachable; /* one is elsewhere, over IPv4 or IPv6: a guest can be told of it */
};

/* Reads the file at `path`. No such file: no servers. */
struct net_resolver net_resolver_read(const char *path);

#endif
