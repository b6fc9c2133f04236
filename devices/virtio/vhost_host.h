/* SPDX-License-Identifier: Apache-2.0 */
/* The calls by which the kernel's vhost devices, and taps, are reached; tests put theirs here. */
#ifndef DEVICES_VIRTIO_VHOST_HOST_H
#define DEVICES_VIRTIO_VHOST_HOST_H

/* Opens a device node for reading and writing. Returns the descriptor or -errno. */
int vhost_host_open(const char *path);

/* Returns 0 or -errno. */
int vhost_host_ioctl(int fd, unsigned long request, void *argument);

#endif
