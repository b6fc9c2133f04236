/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/vfio_fake.h"

#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEVICE "sys/bus/platform/devices/3100000.serial/"
#define NODE   "sys/firmware/devicetree/base/bus@0/serial@3100000/"

struct vfio_fake vfio_fake;

static void device_info(struct vfio_device_info *info)
{
	info->flags = vfio_fake.device_flags;
	info->num_regions = vfio_fake.region_count;
	info->num_irqs = vfio_fake.irq_count;
}

static int region_info(struct vfio_region_info *info)
{
	if (info->index >= vfio_fake.region_count)
		return EINVAL;
	info->flags = vfio_fake.region_flags[info->index];
	info->size = vfio_fake.region_size[info->index];
	info->offset = (uint64_t)info->index << 40;
	return 0;
}

static int irq_info(struct vfio_irq_info *info)
{
	if (info->index >= vfio_fake.irq_count)
		return EINVAL;
	info->flags = vfio_fake.irq_flags[info->index];
	info->count = 1;
	return 0;
}

/* Accepts what drivers/vfio/platform/vfio_platform_irq.c accepts. */
static int set_irqs(const struct vfio_irq_set *set)
{
	const char *action = "?";
	int32_t fd = -2;

	if (set->index >= vfio_fake.irq_count || set->start != 0)
		return EINVAL;
	if (set->flags & VFIO_IRQ_SET_ACTION_TRIGGER)
		action = "trigger";
	else if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK)
		action = "unmask";
	if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
		if (set->argsz < sizeof(*set) + sizeof(fd) || set->count != 1)
			return EINVAL;
		memcpy(&fd, set->data, sizeof(fd));
		fake_trace("vfio irq %u %s eventfd %s", set->index, action, fd >= 0 ? "on" : "off");
	} else if (set->count == 0) {
		fake_trace("vfio irq %u %s off", set->index, action);
	} else {
		fake_trace("vfio irq %u %s now", set->index, action);
	}
	return 0;
}

static int device_call(unsigned long request, uintptr_t argument)
{
	switch (request) {
	case VFIO_DEVICE_GET_INFO:
		device_info((struct vfio_device_info *)argument);
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO:
		return region_info((struct vfio_region_info *)argument);
	case VFIO_DEVICE_GET_IRQ_INFO:
		return irq_info((struct vfio_irq_info *)argument);
	case VFIO_DEVICE_SET_IRQS:
		return set_irqs((const struct vfio_irq_set *)argument);
	case VFIO_DEVICE_RESET:
		fake_trace("vfio reset");
		return 0;
	default:
		return ENOTTY;
	}
}

static int container_call(unsigned long request, uintptr_t argument)
{
	const struct vfio_iommu_type1_dma_map *map;
	const struct vfio_iommu_type1_dma_unmap *unmap;

	switch (request) {
	case VFIO_SET_IOMMU:
		fake_trace("vfio iommu type %" PRIuPTR, argument);
		return 0;
	case VFIO_IOMMU_MAP_DMA:
		map = (const struct vfio_iommu_type1_dma_map *)argument;
		fake_trace("vfio map dma 0x%llx 0x%llx flags %u", (unsigned long long)map->iova,
			(unsigned long long)map->size, map->flags);
		return 0;
	case VFIO_IOMMU_UNMAP_DMA:
		unmap = (const struct vfio_iommu_type1_dma_unmap *)argument;
		fake_trace("vfio unmap dma 0x%llx 0x%llx", (unsigned long long)unmap->iova,
			(unsigned long long)unmap->size);
		return 0;
	default:
		return device_call(request, argument);
	}
}

static int fake_ioctl(int fd, unsigned long request, uintptr_t argument)
{
	(void)fd;
	if (request == vfio_fake.failing_request) {
		errno = vfio_fake.failure;
		return -1;
	}
	switch (request) {
	case VFIO_GET_API_VERSION:
		return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION:
		return vfio_fake.type1v2 && argument == VFIO_TYPE1v2_IOMMU;
	case VFIO_GROUP_GET_STATUS:
		((struct vfio_group_status *)argument)->flags =
			vfio_fake.viable ? VFIO_GROUP_FLAGS_VIABLE : 0;
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		fake_trace("vfio group joins");
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		fake_trace("vfio device %s", (const char *)argument);
		return dup(vfio_fake.device_fd);
	default:
		errno = container_call(request, argument);
		return errno == 0 ? 0 : -1;
	}
}

static void make_tree(void)
{
	fixture_cells("sys/firmware/devicetree/base/#address-cells", 2);
	fixture_cells("sys/firmware/devicetree/base/#size-cells", 2);
	fixture_cells("sys/firmware/devicetree/base/bpmp/phandle", 3);
	fixture_strings("sys/firmware/devicetree/base/bpmp/compatible", "nvidia,tegra234-bpmp");
	fixture_cells("sys/firmware/devicetree/base/bpmp/#clock-cells", 1);
	fixture_cells("sys/firmware/devicetree/base/bpmp/#reset-cells", 1);
	fixture_cells("sys/firmware/devicetree/base/bus@0/#address-cells", 2);
	fixture_cells("sys/firmware/devicetree/base/bus@0/#size-cells", 2);
	fixture_bytes("sys/firmware/devicetree/base/bus@0/ranges", "", 0);
	fixture_strings(NODE "compatible", "nvidia,tegra194-hsuart");
	fixture_cells(NODE "reg", 0, 0x3100000, 0, 0x10000);
	fixture_cells(NODE "clocks", 3, 155);
	fixture_cells(NODE "resets", 3, 100);
}

void vfio_fake_create(void)
{
	fixture_create();
	make_tree();
	fixture_link(DEVICE "of_node", "sys/firmware/devicetree/base/bus@0/serial@3100000");
	fixture_link(DEVICE "driver", "sys/bus/platform/drivers/vfio-platform");
	fixture_link(DEVICE "iommu_group", "sys/kernel/iommu_groups/5");
	fixture_directory("sys/bus/platform/drivers/vfio-platform");
	fixture_directory("sys/kernel/iommu_groups/5/devices/3100000.serial");
	fixture_directory("sys/bus/amba/devices");
	fixture_text("sys/module/vfio_platform/parameters/reset_required", "N\n");
	fixture_text("dev/vfio/vfio", "");
	fixture_text("dev/vfio/5", "");
	vfio_fake = (struct vfio_fake){
		.host = { .ioctl = fake_ioctl },
		.device_fd = memfd_create("device", MFD_CLOEXEC),
		.device_flags = VFIO_DEVICE_FLAGS_PLATFORM,
		.region_count = 1,
		.irq_count = 1,
		.region_size = { 0x10000 },
		.region_flags = { VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
			VFIO_REGION_INFO_FLAG_MMAP },
		.irq_flags = { VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE |
			VFIO_IRQ_INFO_AUTOMASKED },
		.viable = true,
		.type1v2 = true,
	};
	vfio_fake.host.sysfs = strdup(fixture_path("sys"));
	vfio_fake.host.dev = strdup(fixture_path("dev/vfio"));
	if (vfio_fake.device_fd < 0 || ftruncate(vfio_fake.device_fd, (off_t)4 << 40) < 0)
		abort();
}

void vfio_fake_remove(void)
{
	free((char *)(uintptr_t)vfio_fake.host.sysfs);
	free((char *)(uintptr_t)vfio_fake.host.dev);
	close(vfio_fake.device_fd);
	fixture_remove();
}
