/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/vhost_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

int vhost_host_open(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vhost_host_ioctl(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

int vhost_host_ioctl_value(int fd, unsigned long request, unsigned long value)
{
	return ioctl(fd, request, value) < 0 ? -errno : 0;
}

#define PATH_SIZE 64 /* a name is shorter than 16 */

static bool path_of(char path[PATH_SIZE], const char *name, const char *attribute)
{
	return (size_t)snprintf(path, PATH_SIZE, "/sys/class/net/%s%s", name, attribute) <
		PATH_SIZE;
}

static bool has_attribute(const char *name, const char *attribute)
{
	char path[PATH_SIZE];

	return path_of(path, name, attribute) && access(path, F_OK) == 0;
}

bool vhost_host_has_interface(const char *name)
{
	return has_attribute(name, "");
}

bool vhost_host_is_tun(const char *name)
{
	return has_attribute(name, "/tun_flags");
}

bool vhost_host_has_second_queue(const char *name)
{
	return has_attribute(name, "/queues/tx-1");
}

bool vhost_host_has_carrier(const char *name)
{
	char path[PATH_SIZE], value = '0';
	int fd;

	if (!path_of(path, name, "/carrier"))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &value, sizeof(value)) != (ssize_t)sizeof(value))
		value = '0';
	close(fd);
	return value == '1';
}
