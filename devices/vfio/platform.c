/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/ids.h"
#include "devices/device.h"
#include "devices/vfio/container.h"
#include "devices/vfio/irq.h"
#include "devices/vfio/region.h"
#include "devices/vfio/vfio.h"
#include "fdt/clone.h"
#include "fdt/host_node.h"
#include "vmm/base/layout.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_IRQS    32

/* Flags that the kernel has for what this file can serve. */
#define KNOWN_KINDS (VFIO_DEVICE_FLAGS_PLATFORM | VFIO_DEVICE_FLAGS_AMBA)

struct vfio_platform {
	struct device device;
	struct vfio_container *container;
	struct vfio_options options;
	struct host_tree *tree;
	struct host_node *node;
	int fd;
	bool can_reset, attached;
	size_t region_count, irq_count;
	struct vfio_region regions[VFIO_MAX_REGIONS];
	struct vfio_irq irqs[MAX_IRQS];
};

static struct vfio_platform *platform_of(struct device *device)
{
	return container_of(device, struct vfio_platform, device);
}

static void fill_request(struct vfio_platform *platform, struct clone_request *request)
{
	*request = (struct clone_request){
		.tree = platform->tree,
		.node = platform->node,
		.device = platform->device.name,
		.compatible = platform->options.compatible,
		.bpmp_phandle = platform->device.machine->bpmp_phandle,
	};
}

static int describe(struct device *device, struct fdt_builder *fdt)
{
	struct vfio_platform *platform = platform_of(device);
	struct clone_interrupt interrupts[MAX_IRQS];
	uint64_t regions[VFIO_MAX_REGIONS][2];
	struct clone_request request;
	size_t i;

	for (i = 0; i < platform->region_count; i++) {
		regions[i][0] = platform->regions[i].mmio.base;
		regions[i][1] = platform->regions[i].mmio.size;
	}
	for (i = 0; i < platform->irq_count; i++) {
		interrupts[i].spi = platform->irqs[i].spi;
		interrupts[i].level = platform->irqs[i].level;
	}
	fill_request(platform, &request);
	request.region_count = platform->region_count;
	request.regions = regions;
	request.interrupt_count = platform->irq_count;
	request.interrupts = interrupts;
	return clone_write(fdt, &request);
}

/* On failure the machine calls quiesce(), which undoes what was done. */
static int attach(struct device *device)
{
	struct vfio_platform *platform = platform_of(device);
	struct kvm_vm *vm = device->machine->kvm;
	int error;

	platform->attached = true;
	/* Before the memory slots: the guest must own no device that cannot reach its RAM. */
	error = vfio_container_map_memory(platform->container);
	for (size_t i = 0; i < platform->region_count && error == 0; i++)
		error = vfio_region_attach(&platform->regions[i], vm);
	for (size_t i = 0; i < platform->irq_count && error == 0; i++)
		error = vfio_irq_attach(&platform->irqs[i], vm);
	return error;
}

static int arm(struct device *device)
{
	struct vfio_platform *platform = platform_of(device);
	int error = 0;

	for (size_t i = 0; i < platform->irq_count && error == 0; i++)
		error = vfio_irq_arm(&platform->irqs[i]);
	return error;
}

static void quiesce(struct device *device)
{
	struct vfio_platform *platform = platform_of(device);
	struct kvm_vm *vm = device->machine->kvm;
	int error;

	for (size_t i = 0; i < platform->irq_count; i++)
		vfio_irq_detach(&platform->irqs[i], vm);
	for (size_t i = 0; i < platform->region_count; i++)
		vfio_region_detach(&platform->regions[i], vm);
	/* Called again it stays alone: the BPMP has turned off its clock by then. */
	if (!platform->can_reset || !platform->attached)
		return;
	platform->attached = false;
	error = vfio_call(platform->container->host, platform->fd, VFIO_DEVICE_RESET, 0);
	if (error != 0)
		log_warning("%s: its reset failed: %s", device->name, strerror(-error));
}

static void destroy(struct device *device)
{
	struct vfio_platform *platform = platform_of(device);

	for (size_t i = 0; i < platform->irq_count; i++)
		vfio_irq_close(&platform->irqs[i]);
	for (size_t i = 0; i < platform->region_count; i++)
		vfio_region_close(&platform->regions[i]);
	close_fd(&platform->fd);
	host_node_free(platform->node);
	host_tree_close(platform->tree);
	free(platform);
}

static const struct device_ops platform_ops = {
	.describe = describe,
	.attach = attach,
	.arm = arm,
	.quiesce = quiesce,
	.destroy = destroy,
};

static struct vfio_platform *make(struct machine *machine, struct vfio_container *container,
	const struct vfio_options *options)
{
	struct vfio_platform *platform = calloc(1, sizeof(*platform));

	if (platform == NULL)
		return NULL;
	platform->device = (struct device){ &platform_ops, options->device, machine };
	platform->container = container;
	platform->options = *options;
	platform->fd = -1;
	return platform;
}

static int read_node(struct vfio_platform *platform, const struct vfio_location *location)
{
	char path[PATH_MAX];
	struct clone_compatible compatible;
	struct clone_request request;
	int error;

	snprintf(path, sizeof(path), "%s/firmware/devicetree/base",
		platform->container->host->sysfs);
	error = host_tree_open(path, &platform->tree);
	if (error != 0)
		return error;
	snprintf(path, sizeof(path), "%s/of_node", location->directory);
	error = host_tree_read(platform->tree, path, &platform->node);
	if (error != 0)
		return error;
	/* Here already, so that a device that no guest could drive is refused at once. */
	fill_request(platform, &request);
	return clone_find_compatible(&request, &compatible);
}

static int open_parts(struct vfio_platform *platform)
{
	const struct vfio_host *host = platform->container->host;
	const char *name = platform->device.name;
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int error = vfio_call(host, platform->fd, VFIO_DEVICE_GET_INFO, (uintptr_t)&info);

	if (error == 0 &&
		(!(info.flags & KNOWN_KINDS) || info.num_regions > VFIO_MAX_REGIONS ||
			info.num_irqs > MAX_IRQS))
		error = -ENOTSUP;
	if (error != 0) {
		log_error("%s: %u regions and %u interrupts, VFIO flags 0x%x: %s", name,
			info.num_regions, info.num_irqs, info.flags, strerror(-error));
		return error;
	}
	platform->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	while (platform->region_count < info.num_regions) {
		error = vfio_region_open(&platform->regions[platform->region_count], host, name,
			platform->fd, (uint32_t)platform->region_count);
		if (error != 0)
			return error;
		platform->region_count++;
	}
	while (platform->irq_count < info.num_irqs) {
		error = vfio_irq_open(&platform->irqs[platform->irq_count], host, name,
			platform->fd, (uint32_t)platform->irq_count);
		if (error != 0)
			return error;
		platform->irq_count++;
	}
	return 0;
}

static int place_regions(struct vfio_platform *platform)
{
	const struct vfio_options *options = &platform->options;
	uint64_t host_address, size;
	const uint64_t *wanted;
	int error;

	if (options->address_count != 0 && options->address_count != platform->region_count) {
		log_error("--passthrough %s,address=: %zu addresses for %zu regions",
			options->device, options->address_count, platform->region_count);
		return -EINVAL;
	}
	for (size_t i = 0; i < platform->region_count; i++) {
		wanted = options->address_count != 0 ? &options->addresses[i] : NULL;
		if (options->address_host) {
			wanted = &host_address;
			if (host_node_region(
				    platform->tree, platform->node, i, &host_address, &size) != 0) {
				log_error("--passthrough %s,address=host: its node does not say "
					  "where region %zu is; give the addresses",
					options->device, i);
				return -EINVAL;
			}
		}
		error = vfio_region_place(
			&platform->regions[i], platform->device.machine->layout, wanted);
		if (error != 0)
			return error;
	}
	return 0;
}

static int place_irqs(struct vfio_platform *platform)
{
	struct layout *layout = platform->device.machine->layout;
	int error = 0;

	for (size_t i = 0; i < platform->irq_count && error == 0; i++)
		error = layout_place_platform_spi(
			layout, platform->device.name, &platform->irqs[i].spi);
	return error;
}

/* Last, since the bus has no way back: the machine ends when a device cannot be created. */
static int publish_regions(struct vfio_platform *platform)
{
	int error = 0;

	for (size_t i = 0; i < platform->region_count && error == 0; i++)
		error = vfio_region_publish(&platform->regions[i], platform->device.machine->bus);
	return error;
}

static int add_id(void *context, enum clone_bpmp_kind kind, uint32_t id)
{
	struct bpmp_ids *ids = context;
	int error = -EINVAL;

	switch (kind) {
	case CLONE_BPMP_CLOCK:
		error = bpmp_id_set_add(&ids->clocks, id);
		break;
	case CLONE_BPMP_RESET:
		error = bpmp_id_set_add(&ids->resets, id);
		break;
	case CLONE_BPMP_POWER_DOMAIN:
		error = bpmp_id_set_add(&ids->power_domains, id);
		break;
	}
	if (error != 0)
		log_error("BPMP id %u: a VM can own %d clocks, resets or power domains", id,
			BPMP_MAX_IDS);
	return error;
}

/* One line: where the guest finds it. A line of the log holds them all but for odd devices. */
static void log_placement(const struct vfio_platform *platform)
{
	char text[900];
	uint64_t address, size;
	size_t used = 0;

	for (size_t i = 0; i < platform->region_count && used < sizeof(text); i++) {
		const struct vfio_region *region = &platform->regions[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used,
			", 0x%" PRIx64 "+0x%" PRIx64, region->mmio.base, region->mmio.size);
		if (used < sizeof(text) &&
			host_node_region(platform->tree, platform->node, i, &address, &size) == 0)
			used += (size_t)snprintf(
				text + used, sizeof(text) - used, " <- 0x%" PRIx64, address);
		if (used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, " (%s)",
				region->mapping != NULL ? "mapped" : "trapped");
	}
	for (size_t i = 0; i < platform->irq_count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, ", SPI %u %s",
			platform->irqs[i].spi, platform->irqs[i].level ? "level" : "edge");
	log_info("%s in the guest%s", platform->device.name, used == 0 ? "" : text);
}

static int open_device(struct vfio_platform *platform, struct bpmp_ids *ids)
{
	const struct vfio_options *options = &platform->options;
	struct vfio_location location;
	int error;

	error = vfio_locate_device(platform->container->host, options, &location);
	if (error == 0)
		error = read_node(platform, &location);
	if (error != 0)
		return error;
	platform->fd = vfio_container_open_device(platform->container, options->device, &location);
	if (platform->fd < 0)
		return platform->fd;
	if (location.noiommu)
		log_warning("%s: NO IOMMU (unsafe-noiommu): if it can do DMA, whoever controls the "
			    "guest can read and write all of the host's memory",
			options->device);
	error = open_parts(platform);
	if (error == -EINVAL)
		error = -EIO; /* the kernel's, not the user's */
	if (error == 0)
		error = place_regions(platform);
	if (error == 0)
		error = place_irqs(platform);
	if (error == 0)
		error = clone_bpmp_ids(platform->tree, platform->node, add_id, ids);
	if (error == 0)
		error = publish_regions(platform);
	if (error == 0)
		log_placement(platform);
	return error;
}

/* How many cells an interrupt has whose controller the node, or one above it, names; a GIC's 3. */
static uint32_t interrupt_cells(struct host_tree *tree, const struct host_node *node)
{
	char path[PATH_MAX];
	uint32_t phandle = 0, cells = 3;
	struct host_node *above = NULL;
	bool found = host_node_u32(node, "interrupt-parent", &phandle);
	char *end;

	snprintf(path, sizeof(path), "%s", node->path);
	while (!found && (end = strrchr(path, '/')) != NULL) {
		*end = '\0';
		if (host_tree_read_path(tree, path, &above) != 0)
			break;
		found = host_node_u32(above, "interrupt-parent", &phandle);
		host_node_free(above);
	}
	node = found ? host_tree_by_phandle(tree, phandle) : NULL;
	if (node != NULL && host_node_u32(node, "#interrupt-cells", &cells) && cells == 0)
		cells = 3;
	return cells;
}

static size_t count_irqs(struct host_tree *tree, const struct host_node *node)
{
	const struct host_property *irqs = host_node_property(node, "interrupts");
	const struct host_property *extended = host_node_property(node, "interrupts-extended");
	const struct host_node *controller;
	uint32_t phandle, cells;
	size_t count = 0;

	if (extended == NULL)
		return irqs == NULL ? 0 : irqs->size / 4 / interrupt_cells(tree, node);
	for (size_t i = 0; host_property_cell(extended, i, &phandle); i += 1 + cells) {
		controller = host_tree_by_phandle(tree, phandle);
		if (controller == NULL || !host_node_u32(controller, "#interrupt-cells", &cells))
			break;
		count++;
	}
	return count;
}

/* What open_parts() learns from VFIO, as the node has it. */
static void plan_parts(struct vfio_platform *platform)
{
	uint64_t address, size;

	while (platform->region_count < VFIO_MAX_REGIONS &&
		host_node_region(platform->tree, platform->node, platform->region_count, &address,
			&size) == 0) {
		struct vfio_region *region = &platform->regions[platform->region_count];

		snprintf(region->name, sizeof(region->name), "%s region %zu", platform->device.name,
			platform->region_count++);
		region->mmio.name = region->name;
		region->mmio.size = size;
	}
	platform->irq_count = count_irqs(platform->tree, platform->node);
	if (platform->irq_count > MAX_IRQS)
		platform->irq_count = MAX_IRQS;
	for (size_t i = 0; i < platform->irq_count; i++)
		platform->irqs[i].trigger_fd = platform->irqs[i].unmask_fd = -1;
}

int vfio_platform_plan(struct machine *machine, struct vfio_container *container,
	const struct vfio_options *options, struct bpmp_ids *ids)
{
	struct vfio_platform *platform = make(machine, container, options);
	struct vfio_location location;
	int error;

	if (platform == NULL)
		return -ENOMEM;
	error = vfio_find_device(container->host, options, &location);
	if (error == 0)
		error = read_node(platform, &location);
	if (error == 0) {
		plan_parts(platform);
		error = place_regions(platform);
	}
	if (error == 0)
		error = place_irqs(platform);
	if (error == 0)
		error = clone_bpmp_ids(platform->tree, platform->node, add_id, ids);
	destroy(&platform->device);
	return error;
}

int vfio_platform_check(struct vfio_container *container, const struct vfio_options *options)
{
	struct vfio_platform *platform;
	struct vfio_location location;
	int error = vfio_check_device(container->host, options, &location);

	if (error != 0)
		return error;
	platform = make(container->machine, container, options);
	if (platform == NULL)
		return -ENOMEM;
	platform->fd = vfio_container_open_device(container, options->device, &location);
	error = platform->fd < 0 ? platform->fd : open_parts(platform);
	destroy(&platform->device);
	return error;
}

int vfio_platform_create(struct machine *machine, struct vfio_container *container,
	const struct vfio_options *options, struct bpmp_ids *ids, struct device **device)
{
	struct vfio_platform *platform = make(machine, container, options);
	int error;

	if (platform == NULL)
		return -ENOMEM;
	error = open_device(platform, ids);
	if (error != 0) {
		destroy(&platform->device);
		return error;
	}
	*device = &platform->device;
	return 0;
}
