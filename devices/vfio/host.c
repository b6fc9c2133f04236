/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/vfio/host.h"

#include <errno.h>
#include <sys/ioctl.h>

static int real_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	return ioctl(fd, request, argument);
}

const struct vfio_host vfio_host_real = {
	.sysfs = "/sys",
	.dev = "/dev/vfio",
	.ioctl = real_ioctl,
};

int vfio_call(const struct vfio_host *host, int fd, unsigned long request, uintptr_t argument)
{
	int result = host->ioctl(fd, request, argument);

	return result < 0 ? -errno : result;
}
