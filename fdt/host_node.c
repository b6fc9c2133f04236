/* SPDX-License-Identifier: Apache-2.0 */
#include "fdt/host_node.h"

#include "fdt/host_limits.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

const struct host_property *host_node_property(const struct host_node *node, const char *name)
{
	size_t i;

	for (i = 0; i < node->property_count; i++)
		if (strcmp(node->properties[i].name, name) == 0)
			return &node->properties[i];
	return NULL;
}

bool host_property_cell(const struct host_property *property, size_t index, uint32_t *value)
{
	uint32_t big_endian;

	if (index >= property->size / sizeof(big_endian))
		return false;
	memcpy(&big_endian, property->data + index * sizeof(big_endian), sizeof(big_endian));
	*value = be32toh(big_endian);
	return true;
}

bool host_node_u32(const struct host_node *node, const char *name, uint32_t *value)
{
	const struct host_property *property = host_node_property(node, name);

	return property != NULL && property->size == sizeof(*value) &&
		host_property_cell(property, 0, value);
}

const char *host_property_string(const struct host_property *property, size_t index)
{
	size_t offset = 0, length;

	while (offset < property->size) {
		length = strnlen((const char *)property->data + offset, property->size - offset);
		if (length == property->size - offset)
			return NULL;
		if (index-- == 0)
			return (const char *)property->data + offset;
		offset += length + 1;
	}
	return NULL;
}

/* Reads `cells` (0 to 2) cells from cell `first` as one number. */
static bool read_number(
	const struct host_property *property, size_t first, uint32_t cells, uint64_t *value)
{
	uint32_t cell;

	*value = 0;
	if (cells > 2)
		return false;
	for (; cells > 0; cells--) {
		if (!host_property_cell(property, first++, &cell))
			return false;
		*value = *value << 32 | cell;
	}
	return true;
}

/* The cell counts that a bus prescribes for its children; DTSpec 2.3.5 gives the defaults. */
static void bus_cells(const struct host_node *bus, uint32_t *address_cells, uint32_t *size_cells)
{
	*address_cells = 2;
	*size_cells = 1;
	host_node_u32(bus, "#address-cells", address_cells);
	host_node_u32(bus, "#size-cells", size_cells);
}

/* Moves *address from the address space below `bus` to that of the bus's parent. */
static bool translate(const struct host_node *bus, uint32_t parent_cells, uint64_t *address)
{
	const struct host_property *ranges = host_node_property(bus, "ranges");
	uint64_t child_base, parent_base, length;
	uint32_t child_cells, size_cells;
	size_t i, step;

	if (ranges == NULL)
		return false;
	if (ranges->size == 0)
		return true;
	bus_cells(bus, &child_cells, &size_cells);
	if (child_cells > 2 || parent_cells > 2 || size_cells > 2)
		return false;
	step = child_cells + parent_cells + size_cells;
	for (i = 0; step != 0 && i + step <= ranges->size / 4; i += step) {
		if (!read_number(ranges, i, child_cells, &child_base) ||
			!read_number(ranges, i + child_cells, parent_cells, &parent_base) ||
			!read_number(ranges, i + child_cells + parent_cells, size_cells, &length))
			return false;
		if (*address >= child_base && *address - child_base < length) {
			*address = *address - child_base + parent_base;
			return true;
		}
	}
	return false;
}

/* Cuts the last component off: "/bus@0/serial@1" becomes "/bus@0", that becomes "". */
static void cut_to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash != NULL)
		*slash = '\0';
}

int host_node_region(const struct host_tree *tree, const struct host_node *node, size_t index,
	uint64_t *address, uint64_t *size)
{
	const struct host_property *reg = host_node_property(node, "reg");
	struct host_node *bus, *parent;
	uint32_t address_cells, size_cells, unused;
	char path[HOST_PATH_MAX];
	size_t first;
	bool found;

	if (reg == NULL || strlen(node->path) >= sizeof(path))
		return -ENXIO;
	memcpy(path, node->path, strlen(node->path) + 1);
	cut_to_parent(path);
	if (host_tree_read_path(tree, path, &bus) != 0)
		return -ENXIO;
	bus_cells(bus, &address_cells, &size_cells);
	found = index < reg->size && address_cells <= 2 && size_cells <= 2;
	first = index * (address_cells + size_cells);
	found = found && address_cells > 0 && read_number(reg, first, address_cells, address) &&
		read_number(reg, first + address_cells, size_cells, size);
	while (found && path[0] != '\0') {
		cut_to_parent(path);
		found = host_tree_read_path(tree, path, &parent) == 0;
		if (!found)
			break;
		bus_cells(parent, &address_cells, &unused);
		found = translate(bus, address_cells, address);
		host_node_free(bus);
		bus = parent;
	}
	host_node_free(bus);
	return found ? 0 : -ENXIO;
}
