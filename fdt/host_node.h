/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's live device tree, as directories and files below /sys/firmware/devicetree/base. (The
 * flattened tree in /sys/firmware/fdt is for root alone, and without the overlays that were
 * applied later.)
 */
#ifndef FDT_HOST_NODE_H
#define FDT_HOST_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_property {
	char *name;
	size_t size;	     /* bytes */
	unsigned char *data; /* as in the tree: big-endian; a zero byte follows */
};

struct host_node {
	char *name; /* "serial@3100000" */
	char *path; /* in the tree: "/bus@0/serial@3100000" */
	size_t property_count;
	struct host_property *properties; /* ascending by name */
	size_t child_count;
	struct host_node **children; /* ascending by name */
};

struct host_tree;

/*
 * `base` is /sys/firmware/devicetree/base, or a fixture. Returns 0 with *tree, or -errno with a
 * line logged: -ENOENT on a host without a device tree.
 */
int host_tree_open(const char *base, struct host_tree **tree);
void host_tree_close(struct host_tree *tree);

/*
 * Reads the node at `directory` (any path that leads to it, such as a device's of_node link), with
 * its children. Returns 0 with *node, the caller's to free, or -errno with a line logged that
 * names the file: -ENOENT, -EACCES, -EXDEV (not below the tree's base), -E2BIG (deeper or larger
 * than any real device).
 */
int host_tree_read(const struct host_tree *tree, const char *directory, struct host_node **node);

/* As host_tree_read(), by the node's path in the tree ("" or "/": the root), without children. */
int host_tree_read_path(const struct host_tree *tree, const char *path, struct host_node **node);
void host_node_free(struct host_node *node);

/*
 * The node with this phandle, without its children; NULL when there is none or it cannot be read.
 * It is the tree's. The first call reads every node's phandle.
 */
const struct host_node *host_tree_by_phandle(struct host_tree *tree, uint32_t phandle);

/* NULL when the node has no such property. */
const struct host_property *host_node_property(const struct host_node *node, const char *name);

/* False when the property is absent or not one cell. */
bool host_node_u32(const struct host_node *node, const char *name, uint32_t *value);

/* Cell `index` of a property. False beyond its end. */
bool host_property_cell(const struct host_property *property, size_t index, uint32_t *value);

/* String `index` of a string list; NULL beyond its end, or when it is not terminated. */
const char *host_property_string(const struct host_property *property, size_t index);

/*
 * Where region `index` of the node's `reg` is on the host's bus, translated through the `ranges`
 * of its parents, as Linux does for the device's resources. Returns 0, or -ENXIO when there is no
 * such region or no translation.
 */
int host_node_region(const struct host_tree *tree, const struct host_node *node, size_t index,
	uint64_t *address, uint64_t *size);

#endif
