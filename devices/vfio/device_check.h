/* SPDX-License-Identifier: Apache-2.0 */
/* What must be so on the host before a device can be given away, and what to do where it is not. */
#ifndef DEVICES_VFIO_DEVICE_CHECK_H
#define DEVICES_VFIO_DEVICE_CHECK_H

#include "devices/vfio/host.h"

#include <stdbool.h>
#include <stddef.h>

struct vfio_options;

struct vfio_location {
	char directory[512]; /* the device's, in sysfs */
	unsigned int group;  /* IOMMU group */
	bool noiommu;	     /* a group made up by vfio.enable_unsafe_noiommu_mode */
};

/*
 * The device's directory alone, whatever driver it has. Returns 0, or -EINVAL or -ENODEV (logged).
 */
int vfio_find_device(const struct vfio_host *host, const struct vfio_options *options,
	struct vfio_location *location);

/*
 * Looks at sysfs alone; opens nothing of VFIO. Returns 0 with *location, or -errno with a line
 * logged that names the cause and the commands that mend it: -EINVAL (not a name), -ENODEV (no
 * such device, or one without a device-tree node), -EBUSY (another driver has it), -ENXIO (no
 * driver, or no group), -ECONNREFUSED (VFIO's driver did not take it), -EPERM (no IOMMU, and
 * unsafe-noiommu was not asked for).
 */
int vfio_locate_device(const struct vfio_host *host, const struct vfio_options *options,
	struct vfio_location *location);

/* The same, but looks at the group of a device without its driver, too: a line for each. */
int vfio_check_device(const struct vfio_host *host, const struct vfio_options *options,
	struct vfio_location *location);

/* Writes the other devices of the group and their drivers into `text`: "a (driver x), b". */
void vfio_list_group(const struct vfio_host *host, unsigned int group, const char *except,
	char *text, size_t size);

/* Whether vfio_platform.reset_required is on (also where that cannot be read). */
bool vfio_reset_required(const struct vfio_host *host);

#endif
