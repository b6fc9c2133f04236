/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties that are lists of references: a phandle, then as many cells as the node it names
 * says in a property of its own (`clocks` and `#clock-cells`, ...).
 */
#ifndef FDT_REFERENCES_H
#define FDT_REFERENCES_H

#include "fdt/host_node.h"

#define REFERENCE_MAX_CELLS 8

struct reference {
	uint32_t phandle;	      /* of the host's tree; 0: an empty place in the list */
	const struct host_node *node; /* NULL for an empty place */
	size_t cell_count;
	uint32_t cells[REFERENCE_MAX_CELLS];
};

struct reference_list {
	struct host_tree *tree;
	const struct host_property *property;
	const char *cells_name; /* "#clock-cells" */
	size_t next;		/* cell */
};

/*
 * Returns 1 with *reference, 0 at the end of the list, -EINVAL when the list is cut short or asks
 * for too many cells, -ENOENT when there is no such node or it lacks `cells_name`.
 */
int reference_next(struct reference_list *list, struct reference *reference);

#endif
