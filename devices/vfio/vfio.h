/* SPDX-License-Identifier: Apache-2.0 */
/* Platform and amba devices of the host, given to the guest through VFIO. */
#ifndef DEVICES_VFIO_VFIO_H
#define DEVICES_VFIO_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpmp_ids;
struct device;
struct machine;
struct vfio_container;

#define VFIO_MAX_REGIONS 16

/* `--passthrough`. Strings are the command line's. */
struct vfio_options {
	const char *device;	/* name under /sys/bus/platform/devices or /sys/bus/amba/devices */
	const char *compatible; /* replaces the host node's; NULL: the table's or the node's own */
	bool address_host;	/* address=host: regions where the host has them */
	size_t address_count;	/* else explicit guest-physical addresses, region by region */
	uint64_t addresses[VFIO_MAX_REGIONS];
	bool unsafe_noiommu;
};

/* One container serves all devices of a VM. */
int vfio_container_create(struct machine *machine, struct vfio_container **container);
void vfio_container_destroy(struct vfio_container *container);

/*
 * Opens the device, reads its node in the host's tree, claims its guest addresses and
 * interrupts, and adds the BPMP ids that its node names to `ids`.
 * Returns 0 with *device, or -errno with a line logged that names cause and remedy.
 */
int vfio_platform_create(struct machine *machine, struct vfio_container *container,
	const struct vfio_options *options, struct bpmp_ids *ids, struct device **device);

/*
 * Claims what vfio_platform_create() would, and opens nothing of VFIO, so that it serves a device
 * that another driver has: registers and interrupts are counted in its node. Adds the ids to `ids`.
 * Returns 0 or -errno (logged).
 */
int vfio_platform_plan(struct machine *machine, struct vfio_container *container,
	const struct vfio_options *options, struct bpmp_ids *ids);

/*
 * Whether VFIO gives the device away: opens its group, which stays with the container, and the
 * device, which it closes again. Returns 0, or -errno with a line logged for each cause found, with
 * its remedy.
 */
int vfio_platform_check(struct vfio_container *container, const struct vfio_options *options);

/* Whether this process may lock `size` bytes of guest RAM for the IOMMU. Returns 0 or -ENOMEM
 * (logged). */
int vfio_container_check_memory(const struct vfio_container *container, uint64_t size);

#endif
