/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, resets and power domains: the host's providers become the guest's, or are dropped. */
#include "fdt/clone_internal.h"
#include "fdt/references.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <string.h>

#define MAX_REFERENCES 64 /* in one list */

static const struct provider_list {
	enum clone_bpmp_kind kind;
	const char *list, *names, *cells;
} lists[] = {
	{ CLONE_BPMP_CLOCK, "clocks", "clock-names", "#clock-cells" },
	{ CLONE_BPMP_RESET, "resets", "reset-names", "#reset-cells" },
	{ CLONE_BPMP_POWER_DOMAIN, "power-domains", "power-domain-names", "#power-domain-cells" },
};

/* A list as it is in the host's tree. */
struct references {
	size_t count;
	struct reference at[MAX_REFERENCES];
};

/* The list for the guest. */
struct guest_list {
	size_t cell_count, names_size;
	bool names_complete; /* every entry so far has a name */
	uint32_t cells[MAX_REFERENCES * (REFERENCE_MAX_CELLS + 1)];
	char names[4096];
};

static bool is_compatible_end(const struct host_node *node, const char *end)
{
	const struct host_property *property = host_node_property(node, "compatible");
	const char *string;
	size_t i, length;

	for (i = 0; property != NULL; i++) {
		string = host_property_string(property, i);
		if (string == NULL)
			break;
		length = strlen(string);
		if (length >= strlen(end) && strcmp(string + length - strlen(end), end) == 0)
			return true;
	}
	return false;
}

static bool is_bpmp(const struct reference *reference)
{
	return reference->node != NULL && reference->cell_count == 1 &&
		is_compatible_end(reference->node, "-bpmp");
}

/* Returns 0 (also where the node has no such list) or -errno as reference_next(), -E2BIG. */
static int collect(struct host_tree *tree, const struct host_node *node, const char *list_name,
	const char *cells_name, struct references *references)
{
	struct reference_list list = {
		.tree = tree,
		.property = host_node_property(node, list_name),
		.cells_name = cells_name,
	};
	int result;

	references->count = 0;
	if (list.property == NULL)
		return 0;
	for (;;) {
		struct reference reference;

		result = reference_next(&list, &reference);
		if (result == 1 && references->count == MAX_REFERENCES)
			result = -E2BIG;
		if (result != 1)
			break;
		references->at[references->count++] = reference;
	}
	if (result < 0)
		references->count = 0;
	return result;
}

int clone_bpmp_ids(struct host_tree *tree, const struct host_node *node,
	int (*found)(void *context, enum clone_bpmp_kind kind, uint32_t id), void *context)
{
	struct references references;
	int result = 0;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(lists); i++) {
		if (collect(tree, node, lists[i].list, lists[i].cells, &references) != 0)
			continue;
		for (j = 0; j < references.count && result == 0; j++)
			if (is_bpmp(&references.at[j]))
				result = found(context, lists[i].kind, references.at[j].cells[0]);
	}
	for (i = 0; i < node->child_count && result == 0; i++)
		if (clone_copies_child(node, node->children[i]))
			result = clone_bpmp_ids(tree, node->children[i], found, context);
	return result;
}

static void copy_property(struct fdt_builder *fdt, const struct host_node *node, const char *name)
{
	const struct host_property *property = host_node_property(node, name);

	if (property != NULL)
		fdt_bytes(fdt, name, property->data, property->size);
}

/* A name that cannot clash: no two nodes of the host have the same phandle. */
static void write_fixed_clock(struct fdt_builder *fdt, const struct reference *reference)
{
	if (fdt_builder_imported(fdt, reference->phandle) != 0)
		return;
	fdt_begin(fdt, "host-clock-%x", reference->phandle);
	fdt_str(fdt, "compatible", "fixed-clock");
	fdt_u32(fdt, "#clock-cells", 0);
	copy_property(fdt, reference->node, "clock-frequency");
	copy_property(fdt, reference->node, "clock-accuracy");
	copy_property(fdt, reference->node, "clock-output-names");
	fdt_u32(fdt, "phandle", fdt_builder_import(fdt, reference->phandle));
	fdt_end(fdt);
}

static void write_fixed_clocks_of(struct clone *clone, const struct host_node *node)
{
	struct references references;
	size_t i;

	/* A list that cannot be parsed is reported when the node itself is written. */
	collect(clone->request->tree, node, "clocks", "#clock-cells", &references);
	for (i = 0; i < references.count; i++)
		if (references.at[i].node != NULL && references.at[i].cell_count == 0 &&
			is_compatible_end(references.at[i].node, "fixed-clock"))
			write_fixed_clock(clone->fdt, &references.at[i]);
	for (i = 0; i < node->child_count; i++)
		if (clone_copies_child(node, node->children[i]))
			write_fixed_clocks_of(clone, node->children[i]);
}

/* Without a BPMP, the rate that the host's node states stands for its first clock. */
static void write_substitute(struct clone *clone)
{
	const struct clone_request *request = clone->request;
	struct references references;
	uint32_t rate;

	if (request->bpmp_phandle != 0 || !host_node_u32(request->node, "clock-frequency", &rate))
		return;
	collect(request->tree, request->node, "clocks", "#clock-cells", &references);
	if (references.count == 0 || !is_bpmp(&references.at[0]))
		return;
	clone->fixed_clock = fdt_new_phandle(clone->fdt);
	fdt_begin(clone->fdt, "clock-of-%s", request->device);
	fdt_str(clone->fdt, "compatible", "fixed-clock");
	fdt_u32(clone->fdt, "#clock-cells", 0);
	fdt_u32(clone->fdt, "clock-frequency", rate);
	fdt_u32(clone->fdt, "phandle", clone->fixed_clock);
	fdt_end(clone->fdt);
	log_info("%s: its first clock is a fixed one of %u Hz, the host node's clock-frequency",
		request->device, rate);
}

void clone_write_fixed_clocks(struct clone *clone)
{
	write_fixed_clocks_of(clone, clone->request->node);
	write_substitute(clone);
}

/*
 * The provider in the guest's tree for entry `index` of a list of `node`, with its cells; 0 when
 * the guest has none.
 */
static uint32_t guest_provider(const struct clone *clone, const struct host_node *node,
	const struct provider_list *kind, const struct reference *reference, size_t index,
	size_t *cell_count)
{
	*cell_count = reference->cell_count;
	if (reference->node == NULL)
		return 0;
	if (!is_bpmp(reference))
		return fdt_builder_imported(clone->fdt, reference->phandle);
	if (clone->request->bpmp_phandle != 0)
		return clone->request->bpmp_phandle;
	*cell_count = 0;
	if (kind->kind == CLONE_BPMP_CLOCK && node == clone->request->node && index == 0)
		return clone->fixed_clock;
	return 0;
}

static void append(struct guest_list *list, uint32_t provider, const uint32_t *cells,
	size_t cell_count, const char *name)
{
	size_t size = name == NULL ? 0 : strlen(name) + 1;

	list->cells[list->cell_count++] = provider;
	memcpy(&list->cells[list->cell_count], cells, cell_count * sizeof(*cells));
	list->cell_count += cell_count;
	if (name == NULL || size > sizeof(list->names) - list->names_size) {
		list->names_complete = false;
		return;
	}
	memcpy(list->names + list->names_size, name, size);
	list->names_size += size;
}

static void log_dropped(const struct clone *clone, const struct host_node *node,
	const struct provider_list *kind, const struct reference *reference, size_t index,
	const char *name)
{
	const char *device = clone->request->device;

	if (reference->node == NULL)
		return; /* an empty place: nothing was there */
	if (is_bpmp(reference))
		log_warning("%s: %s %u (%s) of %s dropped: the guest has no BPMP; --bpmp mailbox "
			    "gives it one",
			device, kind->list, reference->cells[0], name == NULL ? "no name" : name,
			node->name);
	else
		log_info("%s: entry %zu (%s) of %s in %s dropped: the guest has no %s", device,
			index, name == NULL ? "no name" : name, kind->list, node->name,
			reference->node->path);
}

static void write_list(
	struct clone *clone, const struct host_node *node, const struct provider_list *kind)
{
	const struct host_property *names = host_node_property(node, kind->names);
	struct guest_list list = { .names_complete = names != NULL };
	struct references references;
	size_t i, cell_count;
	uint32_t provider;
	const char *name;
	int error;

	error = collect(clone->request->tree, node, kind->list, kind->cells, &references);
	if (error != 0) {
		log_warning("%s: %s of %s dropped: %s", clone->request->device, kind->list,
			node->name,
			error == -ENOENT ? "it names a node that is not in the host's tree"
					 : "it cannot be parsed");
		return;
	}
	for (i = 0; i < references.count; i++) {
		name = names == NULL ? NULL : host_property_string(names, i);
		provider = guest_provider(clone, node, kind, &references.at[i], i, &cell_count);
		if (provider == 0)
			log_dropped(clone, node, kind, &references.at[i], i, name);
		else
			append(&list, provider, references.at[i].cells, cell_count, name);
	}
	if (list.cell_count == 0)
		return;
	fdt_cells(clone->fdt, kind->list, list.cells, list.cell_count);
	if (list.names_complete)
		fdt_strings(clone->fdt, kind->names, list.names, list.names_size);
}

/* Whether every entry of `wanted` is a BPMP clock that `own` has as well. */
static bool all_owned(const struct references *wanted, const struct references *own)
{
	size_t i, j;

	for (i = 0; i < wanted->count; i++) {
		if (wanted->at[i].node == NULL)
			continue;
		if (!is_bpmp(&wanted->at[i]))
			return false;
		for (j = 0; j < own->count; j++)
			if (is_bpmp(&own->at[j]) && own->at[j].cells[0] == wanted->at[i].cells[0])
				break;
		if (j == own->count)
			return false;
	}
	return true;
}

static void write_assigned(
	const struct clone *clone, const char *name, const struct references *references)
{
	uint32_t cells[2 * MAX_REFERENCES];
	size_t i, count = 0;

	for (i = 0; i < references->count; i++) {
		if (references->at[i].node == NULL) {
			cells[count++] = 0;
			continue;
		}
		cells[count++] = clone->request->bpmp_phandle;
		cells[count++] = references->at[i].cells[0];
	}
	if (count > 0)
		fdt_cells(clone->fdt, name, cells, count);
}

/*
 * The three lists belong together by position, so they are kept or dropped as one: kept when they
 * ask nothing of the BPMP that is not the device's own.
 */
static void write_assigned_clocks(struct clone *clone, const struct host_node *node)
{
	struct host_tree *tree = clone->request->tree;
	struct references own, clocks, parents;

	if (host_node_property(node, "assigned-clocks") == NULL)
		return;
	if (clone->request->bpmp_phandle == 0 ||
		collect(tree, node, "clocks", "#clock-cells", &own) != 0 ||
		collect(tree, node, "assigned-clocks", "#clock-cells", &clocks) != 0 ||
		collect(tree, node, "assigned-clock-parents", "#clock-cells", &parents) != 0 ||
		!all_owned(&clocks, &own) || !all_owned(&parents, &own)) {
		log_info("%s: assigned-clocks of %s dropped: they are not all BPMP clocks of the "
			 "device's own",
			clone->request->device, node->name);
		return;
	}
	write_assigned(clone, "assigned-clocks", &clocks);
	write_assigned(clone, "assigned-clock-parents", &parents);
	copy_property(clone->fdt, node, "assigned-clock-rates");
}

void clone_write_providers(struct clone *clone, const struct host_node *node)
{
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		write_list(clone, node, &lists[i]);
	write_assigned_clocks(clone, node);
}
