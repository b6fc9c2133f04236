/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/vhost_host.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

int vhost_host_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vhost_host_ioctl(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}
