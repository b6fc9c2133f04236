/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/pvpanic.h"

#include "devices/device.h"
#include "fdt/builder.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#define PVPANIC_BASE   0x09070000ull
#define PVPANIC_SIZE   2ull
#define EVENT_PANICKED 1u

struct pvpanic {
	struct device device;
	struct mmio_region region;
};

/* Every byte reads as the events that the device understands. */
static uint64_t pvpanic_read(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	(void)region, (void)offset, (void)width;
	return EVENT_PANICKED;
}

static void pvpanic_write(
	struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value)
{
	struct pvpanic *pvpanic = container_of(region, struct pvpanic, region);

	(void)width;
	if (offset == 0 && value & EVENT_PANICKED)
		machine_end(pvpanic->device.machine, MACHINE_PANIC, NULL, NULL);
}

static const struct mmio_ops pvpanic_registers = { pvpanic_read, pvpanic_write };

static int pvpanic_describe(struct device *device, struct fdt_builder *fdt)
{
	const uint64_t reg[][2] = { { PVPANIC_BASE, PVPANIC_SIZE } };

	(void)device;
	fdt_begin(fdt, "pvpanic@%" PRIx64, (uint64_t)PVPANIC_BASE);
	fdt_str(fdt, "compatible", "qemu,pvpanic-mmio");
	fdt_reg(fdt, reg, 1);
	fdt_end(fdt);
	return 0;
}

static void pvpanic_destroy(struct device *device)
{
	free(container_of(device, struct pvpanic, device));
}

static const struct device_ops pvpanic_ops = {
	.describe = pvpanic_describe,
	.destroy = pvpanic_destroy,
};

int pvpanic_create(struct machine *machine, struct device **device)
{
	struct pvpanic *pvpanic = calloc(1, sizeof(*pvpanic));
	int error;

	if (!pvpanic)
		return -ENOMEM;
	pvpanic->device = (struct device){ &pvpanic_ops, "pvpanic", machine };
	pvpanic->region =
		(struct mmio_region){ "pvpanic", PVPANIC_BASE, PVPANIC_SIZE, &pvpanic_registers };
	error = layout_claim(machine->layout, "pvpanic", PVPANIC_BASE, PVPANIC_SIZE);
	if (!error)
		error = mmio_bus_add(machine->bus, &pvpanic->region);
	if (error) {
		free(pvpanic);
		return error;
	}
	*device = &pvpanic->device;
	return 0;
}
