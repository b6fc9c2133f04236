/* SPDX-License-Identifier: Apache-2.0 */
/* The mailbox's windows that are no doorbell, and its nodes in the guest's tree. */
#include "devices/bpmp/mailbox.h"
#include "devices/bpmp/shared_memory.h"
#include "fdt/builder.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

Test(bpmp_mailbox, shared_memory_in_every_width_and_place)
{
	_Alignas(8) unsigned char memory[64], expected[64];
	struct bpmp_shared_memory shared = { .region = { "test", 0, 64, &bpmp_shared_memory_ops },
		.memory = memory };
	uint64_t value;

	for (unsigned int width = 1; width <= 8; width *= 2) {
		for (uint64_t offset = 0; offset + width <= sizeof(memory); offset++) {
			for (size_t i = 0; i < sizeof(memory); i++)
				memory[i] = expected[i] = (unsigned char)(i + 1);
			value = 0;
			memcpy(&value, expected + offset, width);
			cr_assert_eq(shared.region.ops->read(&shared.region, offset, width), value);
			value = 0xf1e2d3c4b5a69788;
			memcpy(expected + offset, &value, width);
			shared.region.ops->write(&shared.region, offset, width, value);
			cr_assert_eq(memcmp(memory, expected, sizeof(memory)), 0, "%u bytes at %zu",
				width, (size_t)offset);
		}
	}
}

Test(bpmp_mailbox, chip_id_in_every_width_and_place)
{
	const uint64_t size = BPMP_MISC_SIZE + BPMP_STRAPS_SIZE;
	struct mmio_region misc = { "chip id", BPMP_MISC_BASE, size, &bpmp_misc_ops };

	for (unsigned int width = 1; width <= 8; width *= 2) {
		for (uint64_t offset = 0; offset + width <= size; offset++) {
			uint64_t expected = 0;

			for (uint64_t i = 0; i < width; i++)
				if (offset + i >= 4 && offset + i < 8)
					expected |= (UINT64_C(0x00012347) >> 8 * (offset + i - 4) &
							    0xff)
						<< 8 * i;
			misc.ops->write(&misc, offset, width, UINT64_MAX);
			cr_assert_eq(misc.ops->read(&misc, offset, width), expected,
				"%u bytes at %zu", width, (size_t)offset);
		}
	}
}

static const void *property(const void *blob, const char *path, const char *name, int size)
{
	int node = fdt_path_offset(blob, path), actual = 0;
	const void *value;

	cr_assert_geq(node, 0, "no node %s", path);
	value = fdt_getprop(blob, node, name, &actual);
	cr_assert_not_null(value, "%s has no %s", path, name);
	cr_assert_eq(actual, size, "%s/%s has %d bytes", path, name, actual);
	return value;
}

static uint32_t cell(const void *blob, const char *path, const char *name, int index, int count)
{
	const fdt32_t *cells = property(blob, path, name, count * 4);

	return fdt32_to_cpu(cells[index]);
}

Test(bpmp_mailbox, the_nodes_that_linux_wants)
{
	struct machine machine = { .bpmp_phandle = 77 };
	struct bpmp_mailbox mailbox = { .device = { .machine = &machine } };
	struct fdt_builder fdt;
	size_t size;
	void *blob;

	mailbox.shared.region.base = 0x03d00000;
	mailbox.shared.region.size = 0x2000;
	fdt_builder_start(&fdt);
	fdt_u32(&fdt, "#address-cells", 2);
	fdt_u32(&fdt, "#size-cells", 2);
	cr_assert_eq(bpmp_mailbox_describe(&mailbox.device, &fdt), 0);
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), 0);

	cr_assert_eq(cell(blob, "/misc@100000", "reg", 1, 8), 0x100000);
	cr_assert_eq(cell(blob, "/misc@100000", "reg", 5, 8), 0x10f000);
	cr_assert_eq(cell(blob, "/hsp@3c00000", "interrupts", 1, 3), 176);
	cr_assert_eq(cell(blob, "/hsp@3c00000", "interrupts", 2, 3), 4, "level, high");
	cr_assert_eq(cell(blob, "/hsp@3c00000", "reg", 3, 4), 0xa0000);
	cr_assert_eq(cell(blob, "/sram@3d00000", "ranges", 2, 4), 0x3d00000);
	cr_assert_eq(cell(blob, "/sram@3d00000/sram@1000", "reg", 0, 2), 0x1000);
	cr_assert_eq(cell(blob, "/sram@3d00000/sram@1000", "reg", 1, 2), 0x1000);
	property(blob, "/sram@3d00000/sram@0", "pool", 0);
	property(blob, "/sram@3d00000", "no-memory-wc", 0);

	cr_assert_eq(cell(blob, "/bpmp", "phandle", 0, 1), 77);
	cr_assert_eq(
		cell(blob, "/bpmp", "mboxes", 0, 3), cell(blob, "/hsp@3c00000", "phandle", 0, 1));
	cr_assert_eq(cell(blob, "/bpmp", "mboxes", 2, 3), 19);
	cr_assert_eq(cell(blob, "/bpmp", "shmem", 0, 2),
		cell(blob, "/sram@3d00000/sram@0", "phandle", 0, 1), "guest to BPMP first");
	cr_assert_eq(cell(blob, "/bpmp", "shmem", 1, 2),
		cell(blob, "/sram@3d00000/sram@1000", "phandle", 0, 1));
	for (int i = 0; i < 3; i++) {
		static const char *const cells[] = { "#clock-cells", "#reset-cells",
			"#power-domain-cells" };

		cr_assert_eq(cell(blob, "/bpmp", cells[i], 0, 1), 1);
	}
	cr_assert_eq(fdt_node_check_compatible(
			     blob, fdt_path_offset(blob, "/bpmp"), "nvidia,tegra186-bpmp"),
		0);
	free(blob);
}
