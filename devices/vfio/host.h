/* SPDX-License-Identifier: Apache-2.0 */
/* Where the host's side of VFIO is: the real one, or a unit test's. */
#ifndef DEVICES_VFIO_HOST_H
#define DEVICES_VFIO_HOST_H

#include <stdint.h>

struct vfio_host {
	const char *sysfs; /* "/sys" */
	const char *dev;   /* "/dev/vfio" */
	/* ioctl(2); -1 with errno on error. */
	int (*ioctl)(int fd, unsigned long request, uintptr_t argument);
};

extern const struct vfio_host vfio_host_real;

/* Returns ioctl's result, or -errno. */
int vfio_call(const struct vfio_host *host, int fd, unsigned long request, uintptr_t argument);

#endif
