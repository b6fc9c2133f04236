/* SPDX-License-Identifier: Apache-2.0 */
#include "fdt/clone.h"

#include "fdt/clone_internal.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Third cell of a GIC interrupt (bindings/interrupt-controller/arm,gic.yaml). */
#define GIC_SPI		0u
#define GIC_EDGE_RISING 1u
#define GIC_LEVEL_HIGH	4u

/* Gives the copied nodes that had a phandle a new one, so that CLONE_LOCAL finds them. */
static void import_phandles(struct clone *clone, const struct host_node *node)
{
	uint32_t phandle;

	if (host_node_u32(node, "phandle", &phandle))
		fdt_builder_import(clone->fdt, phandle);
	for (size_t i = 0; i < node->child_count; i++)
		if (clone_copies_child(node, node->children[i]))
			import_phandles(clone, node->children[i]);
}

static void write_phandle(struct clone *clone, const struct host_node *node)
{
	uint32_t phandle;

	if (host_node_u32(node, "phandle", &phandle))
		fdt_u32(clone->fdt, "phandle", fdt_builder_imported(clone->fdt, phandle));
}

/* NVIDIA's drivers find their BPMP by this property instead of by a clock. */
static void write_nvidia_bpmp(struct clone *clone, const struct host_node *node)
{
	if (host_node_property(node, "nvidia,bpmp") == NULL)
		return;
	if (clone->request->bpmp_phandle != 0)
		fdt_u32(clone->fdt, "nvidia,bpmp", clone->request->bpmp_phandle);
	else
		log_warning("%s: nvidia,bpmp of %s dropped: the guest has no BPMP; --bpmp mailbox "
			    "gives it one",
			clone->request->device, node->name);
}

static void drop(const struct clone *clone, const struct host_node *node,
	const struct host_property *property)
{
	log_info("%s: %s of %s dropped: it points at parts of the host that the guest has not",
		clone->request->device, property->name, node->name);
}

static void write_local(
	struct clone *clone, const struct host_node *node, const struct host_property *property)
{
	uint32_t phandle, guest = 0;

	if (host_node_u32(node, property->name, &phandle))
		guest = fdt_builder_imported(clone->fdt, phandle);
	if (guest != 0)
		fdt_u32(clone->fdt, property->name, guest);
	else
		drop(clone, node, property);
}

static void copy_properties(struct clone *clone, const struct host_node *node, bool child)
{
	for (size_t i = 0; i < node->property_count; i++) {
		const struct host_property *property = &node->properties[i];

		switch (clone_rule_of(property->name, child)) {
		case CLONE_COPY:
			fdt_bytes(clone->fdt, property->name, property->data, property->size);
			break;
		case CLONE_LOCAL:
			write_local(clone, node, property);
			break;
		case CLONE_DROP:
			drop(clone, node, property);
			break;
		case CLONE_REWRITE:
			break;
		}
	}
}

static void write_children(struct clone *clone, const struct host_node *node)
{
	for (size_t i = 0; i < node->child_count; i++) {
		const struct host_node *child = node->children[i];

		if (!clone_copies_child(node, child)) {
			log_info("%s: node %s dropped: it is a device of its own; a --passthrough "
				 "for it gives it to the guest",
				clone->request->device, child->name);
			continue;
		}
		fdt_begin(clone->fdt, "%s", child->name);
		clone_write_providers(clone, child);
		write_nvidia_bpmp(clone, child);
		copy_properties(clone, child, true);
		write_phandle(clone, child);
		write_children(clone, child);
		fdt_end(clone->fdt);
	}
}

static int write_interrupts(struct clone *clone)
{
	const struct clone_request *request = clone->request;
	const struct host_property *names = host_node_property(request->node, "interrupt-names");
	uint32_t *cells;
	size_t i;

	if (request->interrupt_count == 0)
		return 0;
	cells = calloc(request->interrupt_count, 3 * sizeof(*cells));
	if (cells == NULL)
		return -ENOMEM;
	for (i = 0; i < request->interrupt_count; i++) {
		cells[3 * i] = GIC_SPI;
		cells[3 * i + 1] = request->interrupts[i].spi;
		cells[3 * i + 2] = request->interrupts[i].level ? GIC_LEVEL_HIGH : GIC_EDGE_RISING;
	}
	fdt_cells(clone->fdt, "interrupts", cells, 3 * request->interrupt_count);
	free(cells);
	if (names != NULL)
		fdt_bytes(clone->fdt, "interrupt-names", names->data, names->size);
	return 0;
}

/* "serial@c000000": the host's generic name at the guest's address. */
static void node_name(const struct clone_request *request, char *name, size_t size)
{
	int base = (int)strcspn(request->node->name, "@");

	if (request->region_count > 0)
		snprintf(name, size, "%.*s@%" PRIx64, base, request->node->name,
			request->regions[0][0]);
	else
		snprintf(name, size, "%.*s", base, request->node->name);
}

static bool is_serial_port(
	const struct clone_request *request, const struct clone_compatible *compatible)
{
	return strncmp(request->node->name, "serial@", strlen("serial@")) == 0 ||
		strstr(compatible->strings, "uart") != NULL ||
		strcmp(compatible->strings, "arm,pl011") == 0;
}

int clone_write(struct fdt_builder *fdt, const struct clone_request *request)
{
	struct clone clone = { .fdt = fdt, .request = request };
	struct clone_compatible compatible;
	char name[96], path[sizeof(name) + 1];
	int error;

	error = clone_find_compatible(request, &compatible);
	if (error != 0)
		return error;
	clone_write_fixed_clocks(&clone);
	import_phandles(&clone, request->node);

	node_name(request, name, sizeof(name));
	fdt_begin(fdt, "%s", name);
	fdt_bytes(fdt, "compatible", compatible.strings, compatible.size);
	if (request->region_count > 0)
		fdt_reg(fdt, request->regions, request->region_count);
	error = write_interrupts(&clone);
	clone_write_providers(&clone, request->node);
	write_nvidia_bpmp(&clone, request->node);
	copy_properties(&clone, request->node, false);
	write_phandle(&clone, request->node);
	write_children(&clone, request->node);
	fdt_end(fdt);

	if (is_serial_port(request, &compatible)) {
		snprintf(path, sizeof(path), "/%s", name);
		fdt_builder_alias(fdt, "serial", path);
	}
	return error;
}
