/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/vfio/container.h"

#include "devices/device.h"
#include "devices/vfio/vfio.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int vfio_container_create_on(
	struct machine *machine, const struct vfio_host *host, struct vfio_container **container)
{
	struct vfio_container *created = calloc(1, sizeof(*created));

	if (created == NULL)
		return -ENOMEM;
	created->machine = machine;
	created->host = host;
	created->fd = -1;
	*container = created;
	return 0;
}

int vfio_container_create(struct machine *machine, struct vfio_container **container)
{
	return vfio_container_create_on(machine, &vfio_host_real, container);
}

static int call(const struct vfio_container *container, unsigned long request, uintptr_t argument)
{
	return vfio_call(container->host, container->fd, request, argument);
}

void vfio_container_destroy(struct vfio_container *container)
{
	if (container == NULL)
		return;
	while (container->mapped > 0) {
		const struct guest_memory_region *region =
			&container->machine->memory->regions[--container->mapped];
		struct vfio_iommu_type1_dma_unmap unmap = {
			.argsz = sizeof(unmap),
			.iova = region->gpa,
			.size = region->size,
		};
		int error = call(container, VFIO_IOMMU_UNMAP_DMA, (uintptr_t)&unmap);

		if (error != 0)
			log_error("guest RAM at 0x%" PRIx64 " stays mapped in the IOMMU: %s",
				region->gpa, strerror(-error));
	}
	while (container->group_count > 0)
		close_fd(&container->groups[--container->group_count].fd);
	close_fd(&container->fd);
	free(container);
}

/* Opens a node below /dev/vfio; -errno (logged). */
static int open_node(const struct vfio_container *container, const char *device, const char *node)
{
	char path[PATH_MAX];
	int fd, error;

	snprintf(path, sizeof(path), "%s/%s", container->host->dev, node);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	error = -errno;
	if (error == -EBUSY)
		log_error("%s: %s is in use; another VM has a device of the same IOMMU group",
			device, path);
	else if (error == -ENOENT || error == -ENODEV)
		log_error("%s: there is no %s; run as root: modprobe vfio-platform", device, path);
	else if (error == -EPERM)
		log_error("%s: %s: a group without an IOMMU is for processes with CAP_SYS_RAWIO "
			  "alone: run as root",
			device, path);
	else if (error == -EACCES)
		log_error("%s: %s: permission denied; a udev rule gives it to a group of users: "
			  "SUBSYSTEM==\"vfio\", GROUP=\"kvm\", MODE=\"0660\"",
			device, path);
	else
		log_error("%s: %s: %s", device, path, strerror(-error));
	return error;
}

static int open_container(struct vfio_container *container, const char *device)
{
	int version;

	if (container->fd >= 0)
		return 0;
	container->fd = open_node(container, device, "vfio");
	if (container->fd < 0)
		return container->fd;
	version = call(container, VFIO_GET_API_VERSION, 0);
	if (version == VFIO_API_VERSION)
		return 0;
	log_error("%s/vfio: its interface has version %d, not %d; the host's kernel does not fit",
		container->host->dev, version, VFIO_API_VERSION);
	close_fd(&container->fd);
	return -EPROTO;
}

static int choose_iommu(struct vfio_container *container, const char *device)
{
	unsigned long type = VFIO_TYPE1_IOMMU;
	int error;

	if (container->noiommu)
		type = VFIO_NOIOMMU_IOMMU;
	else if (call(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) == 1)
		type = VFIO_TYPE1v2_IOMMU;
	error = call(container, VFIO_SET_IOMMU, type);
	if (error == -EPERM)
		log_error("%s: the host's kernel takes its interrupts for unsafe (it knows no "
			  "isolation of message interrupts); set "
			  "vfio_iommu_type1.allow_unsafe_interrupts=1 on its command line or in "
			  "/etc/modprobe.d",
			device);
	else if (error == -ENODEV)
		log_error("%s: the host's kernel has no VFIO back end for its IOMMU; run as root: "
			  "modprobe vfio_iommu_type1",
			device);
	else if (error != 0)
		log_error("%s: its IOMMU cannot be used: %s", device, strerror(-error));
	return error;
}

static int join_container(
	struct vfio_container *container, const char *device, const struct vfio_group *group)
{
	int error = vfio_call(
		container->host, group->fd, VFIO_GROUP_SET_CONTAINER, (uintptr_t)&container->fd);

	if (error == -EPERM && container->group_count > 0)
		log_error("%s: devices with and without an IOMMU cannot be in one VM", device);
	else if (error != 0)
		log_error("%s: IOMMU group %u cannot be used: %s", device, group->number,
			strerror(-error));
	if (error == 0 && container->group_count == 0)
		error = choose_iommu(container, device);
	return error;
}

static int check_viable(
	const struct vfio_container *container, const char *device, const struct vfio_group *group)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char others[512];
	int error =
		vfio_call(container->host, group->fd, VFIO_GROUP_GET_STATUS, (uintptr_t)&status);

	if (error != 0) {
		log_error("%s: IOMMU group %u: %s", device, group->number, strerror(-error));
		return error;
	}
	if (status.flags & VFIO_GROUP_FLAGS_VIABLE)
		return 0;
	vfio_list_group(container->host, group->number, device, others, sizeof(others));
	log_error("%s shares IOMMU group %u with devices that the host's drivers use; bind them to "
		  "vfio-platform or to no driver: %s",
		device, group->number, others);
	return -EBUSY;
}

static int open_group(struct vfio_container *container, const char *device,
	const struct vfio_location *location, struct vfio_group **found)
{
	struct vfio_group *group;
	char node[32];
	int error;

	for (size_t i = 0; i < container->group_count; i++) {
		*found = &container->groups[i];
		if ((*found)->number == location->group)
			return 0;
	}
	/* Devices are no fewer than groups, and were counted. */
	group = &container->groups[container->group_count];
	group->number = location->group;
	snprintf(node, sizeof(node), "%s%u", location->noiommu ? "noiommu-" : "", location->group);
	group->fd = open_node(container, device, node);
	if (group->fd < 0)
		return group->fd;
	if (container->group_count == 0)
		container->noiommu = location->noiommu;
	error = open_container(container, device);
	if (error == 0)
		error = check_viable(container, device, group);
	if (error == 0)
		error = join_container(container, device, group);
	if (error != 0) {
		close_fd(&group->fd);
		return error;
	}
	container->group_count++;
	*found = group;
	return 0;
}

static int get_device(
	const struct vfio_container *container, const char *device, const struct vfio_group *group)
{
	int fd = vfio_call(container->host, group->fd, VFIO_GROUP_GET_DEVICE_FD, (uintptr_t)device);

	if (fd >= 0)
		return fd;
	if ((fd == -EINVAL || fd == -ENOENT) && vfio_reset_required(container->host))
		log_error("%s: the host's kernel has no reset driver for it, and "
			  "vfio_platform.reset_required is on; set vfio_platform.reset_required=0 "
			  "on the host's command line or in /etc/modprobe.d",
			device);
	else if (fd == -EBUSY)
		log_error("%s is in use by another program", device);
	else
		log_error("%s: VFIO does not give it away: %s", device, strerror(-fd));
	return fd;
}

int vfio_container_open_device(
	struct vfio_container *container, const char *device, const struct vfio_location *location)
{
	struct vfio_group *group;
	int result;

	for (size_t i = 0; i < container->device_count; i++) {
		if (strcmp(container->devices[i], device) == 0) {
			log_error("--passthrough %s is given twice", device);
			return -EEXIST;
		}
	}
	if (container->device_count == VFIO_MAX_DEVICES) {
		log_error("--passthrough %s: at most %d devices", device, VFIO_MAX_DEVICES);
		return -ENOSPC;
	}
	result = open_group(container, device, location, &group);
	if (result == 0)
		result = get_device(container, device, group);
	if (result >= 0)
		container->devices[container->device_count++] = device;
	/* The kernel's -EINVAL is the host's fault, ours would be the user's. */
	return result == -EINVAL ? -EIO : result;
}

static void log_map_error(const struct guest_memory_region *region, int error)
{
	if (error == -ENOMEM)
		log_error(
			"the IOMMU must pin the guest's RAM, 0x%" PRIx64
			" bytes, and RLIMIT_MEMLOCK is less: set LimitMEMLOCK=infinity in the "
			"service; a user needs the line USER - memlock unlimited in "
			"/etc/security/limits.conf and a new login, a shell sudo prlimit --pid $$ "
			"--memlock=unlimited",
			region->size);
	else if (error == -EINVAL)
		log_error("the IOMMU cannot map guest RAM at 0x%" PRIx64 "+0x%" PRIx64
			  ": the address is reserved or beyond its reach; move it with --memory "
			  "base=",
			region->gpa, region->size);
	else
		log_error("the IOMMU cannot map guest RAM at 0x%" PRIx64 "+0x%" PRIx64 ": %s",
			region->gpa, region->size, strerror(-error));
}

/* As the kernel's vfio_lock_acct(): the limit does not bind who has CAP_IPC_LOCK. */
int vfio_container_check_memory(const struct vfio_container *container, uint64_t size)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };
	const struct guest_memory_region region = { .size = size };
	struct rlimit limit;

	if (syscall(SYS_capget, &header, sets) == 0 && sets[0].effective & 1u << CAP_IPC_LOCK)
		return 0;
	if (container->noiommu || getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur >= size)
		return 0;
	log_map_error(&region, -ENOMEM);
	return -ENOMEM;
}

int vfio_container_map_memory(struct vfio_container *container)
{
	const struct guest_memory *memory = container->machine->memory;

	if (container->noiommu)
		return 0;
	while (container->mapped < memory->count) {
		const struct guest_memory_region *region = &memory->regions[container->mapped];
		struct vfio_iommu_type1_dma_map map = {
			.argsz = sizeof(map),
			.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
			.vaddr = (uintptr_t)region->host,
			.iova = region->gpa,
			.size = region->size,
		};
		int error = call(container, VFIO_IOMMU_MAP_DMA, (uintptr_t)&map);

		if (error != 0) {
			log_map_error(region, error);
			return error;
		}
		container->mapped++;
	}
	return 0;
}
