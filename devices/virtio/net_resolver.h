/* SPDX-License-Identifier: Apache-2.0 */
/* Where the host has its names from: /etc/resolv.conf, as far as `--net user` needs it. */
#ifndef DEVICES_VIRTIO_NET_RESOLVER_H
#define DEVICES_VIRTIO_NET_RESOLVER_H

#include <stdbool.h>

/* Of an IPv4 address as text, with its end. */
#define NET_RESOLVER_ADDRESS_SIZE 16

/*
 * Whether the file at `path` (resolv.conf(5)) names IPv4 servers on the host's loopback and no
 * others, as systemd-resolved has it written; *address is the first. No such file: false.
 */
bool net_resolver_is_on_loopback(const char *path, char address[NET_RESOLVER_ADDRESS_SIZE]);

#endif
