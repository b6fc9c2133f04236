/* SPDX-License-Identifier: Apache-2.0 */
/* The VM's VFIO container: its IOMMU groups and the guest RAM that their devices may reach. */
#ifndef DEVICES_VFIO_CONTAINER_H
#define DEVICES_VFIO_CONTAINER_H

#include "devices/vfio/device_check.h"
#include "devices/vfio/host.h"

#include <stdbool.h>
#include <stddef.h>

#define VFIO_MAX_DEVICES 32

struct machine;

struct vfio_group {
	unsigned int number;
	int fd;
};

struct vfio_container {
	struct machine *machine;
	const struct vfio_host *host;
	int fd; /* -1 until the first device is opened */
	bool noiommu;
	size_t group_count, device_count;
	size_t mapped; /* regions of guest memory, the first ones, that the IOMMU maps */
	struct vfio_group groups[VFIO_MAX_DEVICES];
	const char *devices[VFIO_MAX_DEVICES]; /* the command line's */
};

/* vfio_container_create() on another host than the real one. */
int vfio_container_create_on(
	struct machine *machine, const struct vfio_host *host, struct vfio_container **container);

/*
 * Opens the device that vfio_locate_device() found, with its group and, for the first, the
 * container. Returns its descriptor, the caller's to close, or -errno with a line logged that
 * names cause and remedy.
 */
int vfio_container_open_device(
	struct vfio_container *container, const char *device, const struct vfio_location *location);

/*
 * Lets the devices reach guest RAM, at the addresses the guest knows it by. Does nothing once that
 * is done (RAM outlives guest resets), nor without an IOMMU. Returns 0 or -errno (logged).
 */
int vfio_container_map_memory(struct vfio_container *container);

#endif
