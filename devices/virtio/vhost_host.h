/* SPDX-License-Identifier: Apache-2.0 */
/* The calls by which the kernel's vhost devices, and taps, are reached; tests put theirs here. */
#ifndef DEVICES_VIRTIO_VHOST_HOST_H
#define DEVICES_VIRTIO_VHOST_HOST_H

#include <stdbool.h>

/* Opens a device node for reading and writing. Returns the descriptor or -errno. */
int vhost_host_open(const char *path);

/* Returns 0 or -errno. */
int vhost_host_ioctl(int fd, unsigned long request, void *argument);
/* For a request that takes a number in place of an address. */
int vhost_host_ioctl_value(int fd, unsigned long request, unsigned long value);

/* Whether the host has a network interface of this name, and whether it is tun's, not macvtap's. */
bool vhost_host_has_interface(const char *name);
bool vhost_host_is_tun(const char *name);
/* Whether it has a carrier, which is not known, and false, while it is down. */
bool vhost_host_has_carrier(const char *name);
/* Whether more than one queue of it is in use: of a tap, whether that many are open and attached.
 */
bool vhost_host_has_second_queue(const char *name);

#endif
