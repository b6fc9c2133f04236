/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's node of an assigned device, made from the host's: `compatible` and every property
 * that means the same there is copied; addresses, interrupts and the BPMP's clocks, resets and
 * power domains get their guest values; what points at parts of the host that the guest has not
 * is dropped, with one log line each.
 */
#ifndef FDT_CLONE_H
#define FDT_CLONE_H

#include "fdt/host_node.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fdt_builder;

struct clone_interrupt {
	uint32_t spi;
	bool level; /* high; else a rising edge */
};

struct clone_request {
	struct host_tree *tree;
	const struct host_node *node; /* with its children */
	const char *device;	      /* as the log and the command line call it */
	const char *compatible;	      /* replaces the host node's; NULL: the table's or its own */
	size_t region_count;
	const uint64_t (*regions)[2]; /* guest-physical address and size, in `reg` order */
	size_t interrupt_count;
	const struct clone_interrupt *interrupts; /* in `interrupts` order */
	uint32_t bpmp_phandle;			  /* the guest's BPMP; 0: it has none */
};

enum clone_bpmp_kind { CLONE_BPMP_CLOCK, CLONE_BPMP_RESET, CLONE_BPMP_POWER_DOMAIN };

/*
 * Calls found() for every id of the host's BPMP that the node or a copied child names in `clocks`,
 * `resets` or `power-domains`. The host's BPMP is the provider with a compatible string that ends
 * in "-bpmp". A list that cannot be parsed gives no id (clone_write() drops it, too).
 * Stops at and returns the first result of found() that is not 0.
 */
int clone_bpmp_ids(struct host_tree *tree, const struct host_node *node,
	int (*found)(void *context, enum clone_bpmp_kind kind, uint32_t id), void *context);

/* The `compatible` of the guest's node: strings, each with its NUL. */
struct clone_compatible {
	size_t size;
	char strings[512];
};

/*
 * Returns 0, or -EINVAL with a line logged when the host's node was given a dummy and neither
 * request->compatible nor the table of known devices says what it really is.
 */
int clone_find_compatible(const struct clone_request *request, struct clone_compatible *compatible);

/*
 * Writes the node below the root (the fixed clocks that it uses before it, once each), and an
 * alias for a serial port. Returns 0 or -errno (logged); the builder's own errors stay latched
 * there.
 */
int clone_write(struct fdt_builder *fdt, const struct clone_request *request);

#endif
