/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the cloning share with each other. */
#ifndef FDT_CLONE_INTERNAL_H
#define FDT_CLONE_INTERNAL_H

#include "fdt/builder.h"
#include "fdt/clone.h"

/* One clone being written. */
struct clone {
	struct fdt_builder *fdt;
	const struct clone_request *request;
	uint32_t fixed_clock; /* stands for the device's first BPMP clock; 0: none */
};

/* What becomes of a property. */
enum clone_rule {
	CLONE_COPY,
	CLONE_REWRITE, /* written by other means, or meaningless in itself: no log line */
	CLONE_LOCAL,   /* one phandle: kept when that node is copied as well */
	CLONE_DROP,
};

/* `child`: of a child node, where `reg`, `status` and `compatible` mean the same. */
enum clone_rule clone_rule_of(const char *property, bool child);

/* A child that is a device of its own, on a bus that the node bridges, is not copied. */
bool clone_copies_child(const struct host_node *node, const struct host_node *child);

/*
 * Writes the fixed clocks that the node and its copied children use, and that are not in the tree
 * yet, and one for the device's own `clock-frequency` when its clock is a BPMP's and the guest has
 * no BPMP. At the root's depth.
 */
void clone_write_fixed_clocks(struct clone *clone);

/* Writes clocks, resets and power-domains with their names, and assigned-clocks. */
void clone_write_providers(struct clone *clone, const struct host_node *node);

#endif
