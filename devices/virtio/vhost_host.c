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

struct path {
	char text[64]; /* a name is shorter than 16 */
};

static bool path_of(struct path *path, const char *name, const char *attribute)
{
	return (size_t)snprintf(path->text, sizeof(path->text), "/sys/class/net/%s%s", name,
		       attribute) < sizeof(path->text);
}

static bool has_attribute(const char *name, const char *attribute)
{
	struct path path;

	return path_of(&path, name, attribute) && access(path.text, F_OK) == 0;
}

bool vhost_host_has_interface(const char *name)
{
	return has_attribute(name, "");
}

bool vhost_host_is_tun(const char *name)
{
	return has_attribute(name, "/tun_flags");
}

bool vhost_host_has_carrier(const char *name)
{
	struct path path;
	char value = '0';
	int fd;

	if (!path_of(&path, name, "/carrier"))
		return false;
	fd = open(path.text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &value, sizeof(value)) != (ssize_t)sizeof(value))
		value = '0';
	close(fd);
	return value == '1';
}
