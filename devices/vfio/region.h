/* SPDX-License-Identifier: Apache-2.0 */
/* One register region of an assigned device: mapped into the guest, or trapped and forwarded. */
#ifndef DEVICES_VFIO_REGION_H
#define DEVICES_VFIO_REGION_H

#include "devices/vfio/host.h"
#include "vmm/base/mmio.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct kvm_vm;
struct layout;

struct vfio_region {
	struct mmio_region mmio; /* base and size; on the bus only when the region is trapped */
	char name[96];		 /* "3100000.serial region 0" */
	int fd;			 /* the device's */
	uint64_t offset;	 /* in fd */
	uint32_t flags;		 /* VFIO_REGION_INFO_FLAG_* */
	void *mapping;		 /* NULL: trapped */
	int slot;		 /* KVM memory slot; -1: none */
	atomic_flag error_logged;
};

/*
 * Asks VFIO for region `index` of the device behind `fd`. The region is the caller's to place:
 * region->mmio.size is known afterwards. Returns 0 or -errno (logged).
 */
int vfio_region_open(struct vfio_region *region, const struct vfio_host *host, const char *device,
	int fd, uint32_t index);

/*
 * Claims guest addresses: at *address, or in the window for assigned devices when it is NULL.
 * Maps the region where the kernel allows it and its size is a multiple of the host's page size;
 * else it is trapped. Returns 0 or -errno (logged), -EINVAL for an *address at which a region that
 * could be mapped could not.
 */
int vfio_region_place(struct vfio_region *region, struct layout *layout, const uint64_t *address);

/* A trapped region joins the bus, and must then live as long. Returns 0 or -errno (logged). */
int vfio_region_publish(struct vfio_region *region, struct mmio_bus *bus);

/* A mapped region becomes guest memory of this VM. Returns 0 or -errno (logged). */
int vfio_region_attach(struct vfio_region *region, struct kvm_vm *vm);
void vfio_region_detach(struct vfio_region *region, struct kvm_vm *vm);

void vfio_region_close(struct vfio_region *region);

#endif
