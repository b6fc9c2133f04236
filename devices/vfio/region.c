/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/vfio/region.h"

#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int vfio_region_open(struct vfio_region *region, const struct vfio_host *host, const char *device,
	int fd, uint32_t index)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = index };
	int error = vfio_call(host, fd, VFIO_DEVICE_GET_REGION_INFO, (uintptr_t)&info);

	memset(region, 0, sizeof(*region));
	region->slot = -1;
	snprintf(region->name, sizeof(region->name), "%s region %u", device, index);
	if (error == 0 && (info.size == 0 || info.offset > INT64_MAX - info.size))
		error = -EINVAL;
	if (error != 0) {
		log_error("%s: VFIO does not describe it: %s", region->name, strerror(-error));
		return error;
	}
	region->fd = fd;
	region->offset = info.offset;
	region->flags = info.flags;
	region->mmio.name = region->name;
	region->mmio.size = info.size;
	atomic_flag_clear(&region->error_logged);
	return 0;
}

/* A guest that provokes errors gets one log line for all of them. */
static void log_access_error(
	struct vfio_region *region, const char *what, uint64_t offset, ssize_t result)
{
	int error = result < 0 ? errno : EIO; /* a short access sets none */

	if (!atomic_flag_test_and_set(&region->error_logged))
		log_warning("%s: a %s at 0x%" PRIx64 " failed: %s; more such are not reported",
			region->name, what, offset, strerror(error));
}

/*
 * The kernel makes bus accesses of at most four bytes, and of `width` bytes only at a multiple of
 * it (drivers/vfio/platform/vfio_platform_common.c). A guest's Device memory faults on others.
 */
static bool forwardable(uint64_t offset, unsigned int width)
{
	return width >= 1 && width <= 8 && offset % width == 0;
}

static unsigned int step_of(unsigned int width)
{
	return width > 4 ? 4 : width;
}

static uint64_t region_read(struct mmio_region *mmio, uint64_t offset, unsigned int width)
{
	struct vfio_region *region = container_of(mmio, struct vfio_region, mmio);
	unsigned int step = step_of(width);
	uint64_t value = 0;

	if (!(region->flags & VFIO_REGION_INFO_FLAG_READ) || !forwardable(offset, width))
		return 0;
	for (unsigned int done = 0; done < width; done += step) {
		uint64_t part = 0;
		ssize_t result =
			pread(region->fd, &part, step, (off_t)(region->offset + offset + done));

		if (result != (ssize_t)step) {
			log_access_error(region, "read", offset + done, result);
			return 0;
		}
		value |= le64toh(part) << (8 * done);
	}
	return value;
}

static void region_write(
	struct mmio_region *mmio, uint64_t offset, unsigned int width, uint64_t value)
{
	struct vfio_region *region = container_of(mmio, struct vfio_region, mmio);
	unsigned int step = step_of(width);

	if (!(region->flags & VFIO_REGION_INFO_FLAG_WRITE) || !forwardable(offset, width))
		return;
	for (unsigned int done = 0; done < width; done += step) {
		uint64_t part = htole64(value >> (8 * done));
		ssize_t result =
			pwrite(region->fd, &part, step, (off_t)(region->offset + offset + done));

		if (result != (ssize_t)step) {
			log_access_error(region, "write", offset + done, result);
			return;
		}
	}
}

static const struct mmio_ops region_ops = { .read = region_read, .write = region_write };

static bool mappable(const struct vfio_region *region)
{
	/* A slot that the guest must not read cannot be made. */
	const uint32_t needed = VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_READ;

	return (region->flags & needed) == needed &&
		region->mmio.size % (uint64_t)sysconf(_SC_PAGESIZE) == 0;
}

static void try_to_map(struct vfio_region *region)
{
	int protection = PROT_READ;
	void *mapping;

	if (region->flags & VFIO_REGION_INFO_FLAG_WRITE)
		protection |= PROT_WRITE;
	mapping = mmap(
		NULL, region->mmio.size, protection, MAP_SHARED, region->fd, (off_t)region->offset);
	if (mapping == MAP_FAILED)
		log_info("%s cannot be mapped (%s): every access will trap", region->name,
			strerror(errno));
	else
		region->mapping = mapping;
}

/* An address that would make every access of a mappable region trap is hardly meant. */
static int claim(const struct vfio_region *region, struct layout *layout, uint64_t address)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	if (mappable(region) && address % page != 0) {
		log_error("%s: address 0x%" PRIx64 " is not a multiple of the host's page size, "
			  "0x%" PRIx64,
			region->name, address, page);
		return -EINVAL;
	}
	return layout_claim(layout, region->name, address, region->mmio.size);
}

int vfio_region_place(struct vfio_region *region, struct layout *layout, const uint64_t *address)
{
	int error;

	if (address == NULL) {
		error = layout_place_platform(
			layout, region->name, region->mmio.size, &region->mmio.base);
	} else {
		region->mmio.base = *address;
		error = claim(region, layout, *address);
	}
	if (error == 0 && mappable(region))
		try_to_map(region);
	return error;
}

int vfio_region_publish(struct vfio_region *region, struct mmio_bus *bus)
{
	int error;

	if (region->mapping != NULL)
		return 0;
	region->mmio.ops = &region_ops;
	error = mmio_bus_add(bus, &region->mmio);
	if (error != 0)
		log_error("%s: no place on the MMIO bus: %s", region->name, strerror(-error));
	return error;
}

int vfio_region_attach(struct vfio_region *region, struct kvm_vm *vm)
{
	bool read_only = !(region->flags & VFIO_REGION_INFO_FLAG_WRITE);

	if (region->mapping == NULL || region->slot >= 0)
		return 0;
	region->slot =
		kvm_vm_map(vm, region->mmio.base, region->mapping, region->mmio.size, read_only);
	if (region->slot >= 0)
		return 0;
	log_error("%s: the guest's address 0x%" PRIx64 " cannot be mapped: %s", region->name,
		region->mmio.base, strerror(-region->slot));
	return region->slot;
}

void vfio_region_detach(struct vfio_region *region, struct kvm_vm *vm)
{
	if (region->slot >= 0)
		kvm_vm_unmap(vm, region->slot);
	region->slot = -1;
}

void vfio_region_close(struct vfio_region *region)
{
	if (region->mapping != NULL)
		munmap(region->mapping, region->mmio.size);
	region->mapping = NULL;
}
