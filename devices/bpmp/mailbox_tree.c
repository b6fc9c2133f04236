/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox face in the guest's device tree. */
#include "devices/bpmp/ivc.h"
#include "devices/bpmp/mailbox.h"
#include "fdt/builder.h"
#include "vmm/base/util.h"

#include <inttypes.h>

#define GIC_SPI			   0
#define IRQ_EDGE_RISING		   1
#define IRQ_LEVEL_HIGH		   4

/* include/dt-bindings/mailbox/tegra186-hsp.h */
#define HSP_TYPE_DOORBELL	   0

#define STRINGS(fdt, name, values) fdt_strings(fdt, name, values, sizeof(values))

static void describe_misc(struct fdt_builder *fdt)
{
	const uint64_t reg[][2] = {
		{ BPMP_MISC_BASE, BPMP_MISC_SIZE },
		{ BPMP_MISC_BASE + BPMP_MISC_SIZE, BPMP_STRAPS_SIZE },
	};

	fdt_begin(fdt, "misc@%" PRIx64, (uint64_t)BPMP_MISC_BASE);
	fdt_str(fdt, "compatible", "nvidia,tegra234-misc");
	fdt_reg(fdt, reg, ARRAY_SIZE(reg));
	fdt_end(fdt);
}

/* An irqfd without resampling is an edge; the trapping path holds the line while PENDING is set. */
static uint32_t describe_hsp(struct fdt_builder *fdt, bool fast)
{
	const uint64_t reg[][2] = { { BPMP_HSP_BASE, BPMP_HSP_SIZE } };
	uint32_t phandle = fdt_new_phandle(fdt);

	fdt_begin(fdt, "hsp@%" PRIx64, (uint64_t)BPMP_HSP_BASE);
	STRINGS(fdt, "compatible", "nvidia,tegra234-hsp\0nvidia,tegra194-hsp");
	fdt_reg(fdt, reg, ARRAY_SIZE(reg));
	fdt_cell_list(
		fdt, "interrupts", GIC_SPI, BPMP_HSP_SPI, fast ? IRQ_EDGE_RISING : IRQ_LEVEL_HIGH);
	fdt_str(fdt, "interrupt-names", "doorbell");
	fdt_u32(fdt, "#mbox-cells", 2);
	fdt_u32(fdt, "phandle", phandle);
	fdt_end(fdt);
	return phandle;
}

static uint32_t describe_pool(struct fdt_builder *fdt, uint32_t offset, const char *label)
{
	uint32_t phandle = fdt_new_phandle(fdt);

	fdt_begin(fdt, "sram@%" PRIx32, offset);
	fdt_cell_list(fdt, "reg", offset, BPMP_IVC_AREA_SIZE);
	fdt_str(fdt, "label", label);
	fdt_empty(fdt, "pool");
	fdt_u32(fdt, "phandle", phandle);
	fdt_end(fdt);
	return phandle;
}

/* The sysram compatible makes Linux map the pools alone, `no-memory-wc` makes it Device memory. */
static void describe_sram(
	const struct bpmp_mailbox *mailbox, struct fdt_builder *fdt, uint32_t pools[2])
{
	const struct mmio_region *region = &mailbox->shared.region;
	const uint64_t reg[][2] = { { region->base, region->size } };

	fdt_begin(fdt, "sram@%" PRIx64, region->base);
	STRINGS(fdt, "compatible", "nvidia,tegra234-sysram\0mmio-sram");
	fdt_reg(fdt, reg, ARRAY_SIZE(reg));
	fdt_u32(fdt, "#address-cells", 1);
	fdt_u32(fdt, "#size-cells", 1);
	fdt_cell_list(fdt, "ranges", 0, (uint32_t)(region->base >> 32), (uint32_t)region->base,
		(uint32_t)region->size);
	fdt_empty(fdt, "no-memory-wc");
	pools[0] = describe_pool(fdt, 0, "cpu-bpmp-tx");
	pools[1] = describe_pool(fdt, BPMP_IVC_AREA_SIZE, "cpu-bpmp-rx");
	fdt_end(fdt);
}

int bpmp_mailbox_describe(struct device *device, struct fdt_builder *fdt)
{
	struct bpmp_mailbox *mailbox = container_of(device, struct bpmp_mailbox, device);
	uint32_t hsp, pools[2];

	describe_misc(fdt);
	hsp = describe_hsp(fdt, mailbox->fast);
	describe_sram(mailbox, fdt, pools);

	fdt_begin(fdt, "bpmp");
	STRINGS(fdt, "compatible", "nvidia,tegra234-bpmp\0nvidia,tegra186-bpmp");
	fdt_cell_list(fdt, "mboxes", hsp, HSP_TYPE_DOORBELL, BPMP_HSP_MASTER_BPMP);
	fdt_cells(fdt, "shmem", pools, ARRAY_SIZE(pools));
	fdt_u32(fdt, "#clock-cells", 1);
	fdt_u32(fdt, "#reset-cells", 1);
	fdt_u32(fdt, "#power-domain-cells", 1);
	fdt_u32(fdt, "phandle", device->machine->bpmp_phandle);
	fdt_end(fdt);
	return 0;
}
