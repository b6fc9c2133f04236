/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/primecell.h"

#include "fdt/builder.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/util.h"

#include <inttypes.h>
#include <stddef.h>

/* Below the virtio devices: where a peripheral goes whose own address is taken. */
#define WINDOW_END     0x0a000000ull

#define GIC_SPI	       0
#define IRQ_LEVEL_HIGH 4

/* PrimeCell id 0 to 3, the same for all (DDI 0190B 3.3.13, DDI 0224B 3.3.10). */
static const uint8_t primecell_id[4] = { 0x0d, 0xf0, 0x05, 0xb1 };

static uint32_t read_word(struct mmio_region *region, uint64_t offset)
{
	struct primecell *cell = container_of(region, struct primecell, region);
	uint64_t id = (offset - PRIMECELL_FIRST_ID) / 4;

	if (offset < PRIMECELL_FIRST_ID)
		return cell->type->read(cell, offset);
	return id < 4 ? cell->type->peripheral_id[id] : primecell_id[id - 4];
}

static uint64_t primecell_read(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	struct primecell *cell = container_of(region, struct primecell, region);
	uint64_t value;

	pthread_mutex_lock(&cell->lock);
	value = mmio_read_words(region, offset, width, read_word);
	pthread_mutex_unlock(&cell->lock);
	return value;
}

/* A store that starts inside a register, or covers only part of one, changes nothing. */
static void primecell_write(
	struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value)
{
	struct primecell *cell = container_of(region, struct primecell, region);

	if (offset & 3 || width < cell->type->register_width)
		return;
	pthread_mutex_lock(&cell->lock);
	for (unsigned int at = 0; at < width; at += 4)
		if (offset + at < PRIMECELL_FIRST_ID)
			cell->type->write(cell, offset + at, (uint32_t)(value >> at * 8));
	pthread_mutex_unlock(&cell->lock);
}

static const struct mmio_ops primecell_registers = { primecell_read, primecell_write };

int primecell_init(struct primecell *cell, struct machine *machine,
	const struct primecell_type *type, const struct device_ops *ops)
{
	uint64_t base;
	int error;

	error = layout_place(machine->layout, type->name, type->base, WINDOW_END - type->base,
		PRIMECELL_SIZE, &base);
	if (!error)
		error = layout_place_spi(machine->layout, type->name, type->spi, &cell->spi);
	if (error)
		return error;
	cell->device = (struct device){ ops, type->name, machine };
	cell->region =
		(struct mmio_region){ type->name, base, PRIMECELL_SIZE, &primecell_registers };
	cell->type = type;
	cell->line = false;
	error = mmio_bus_add(machine->bus, &cell->region);
	if (!error)
		pthread_mutex_init(&cell->lock, NULL);
	return error;
}

void primecell_destroy(struct primecell *cell)
{
	pthread_mutex_destroy(&cell->lock);
}

void primecell_begin_node(const struct primecell *cell, struct fdt_builder *fdt)
{
	const uint64_t reg[][2] = { { cell->region.base, cell->region.size } };

	fdt_begin(fdt, "%s@%" PRIx64, cell->type->name, cell->region.base);
	fdt_strings(fdt, "compatible", cell->type->compatible, cell->type->compatible_size);
	fdt_reg(fdt, reg, 1);
	fdt_cell_list(fdt, "interrupts", GIC_SPI, cell->spi, IRQ_LEVEL_HIGH);
	fdt_u32(fdt, "clocks", cell->device.machine->clock_phandle);
	fdt_str(fdt, "clock-names", "apb_pclk");
}

void primecell_set_line(struct primecell *cell, bool level)
{
	if (level == cell->line)
		return;
	cell->line = level;
	/* Fails only when there is no VM, and then there is nobody to interrupt. */
	(void)kvm_vm_set_spi(cell->device.machine->kvm, cell->spi, level);
}
