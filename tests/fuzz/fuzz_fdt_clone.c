/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cloning of a host node whose properties are the fuzzer's: reference lists cut anywhere,
 * unknown phandles, name lists without ends. The tree of providers stays the same.
 *
 * Input: nodes and properties, one after the other: which name, how many bytes, the bytes.
 */
#include "fdt/builder.h"
#include "fdt/clone.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const property_names[] = { "clocks", "clock-names", "resets", "reset-names",
	"power-domains", "power-domain-names", "assigned-clocks", "assigned-clock-parents",
	"assigned-clock-rates", "compatible", "reg", "interrupts", "interrupt-names", "phandle",
	"phy-handle", "nvidia,bpmp", "clock-frequency", "ranges", "dma-coherent", "x-supply" };

#define MAX_PROPERTIES ARRAY_SIZE(property_names)
#define MAX_CHILDREN   4

static void write_file(const char *directory, const char *name, const void *data, size_t size)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0)
		abort();
}

/* A provider; its phandle and its cell count, both below 256. */
static void make_provider(const char *base, const char *compatible, char phandle, char cells)
{
	static const char *const names[] = {
		"#clock-cells",
		"#reset-cells",
		"#power-domain-cells",
	};
	const char phandle_cell[4] = { 0, 0, 0, phandle }, cells_cell[4] = { 0, 0, 0, cells };
	char path[128];

	snprintf(path, sizeof(path), "%s/provider@%d", base, phandle);
	if (mkdir(path, 0755) < 0)
		abort();
	write_file(path, "compatible", compatible, strlen(compatible) + 1);
	write_file(path, "phandle", phandle_cell, 4);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		write_file(path, names[i], cells_cell, 4);
}

/* Reads the providers into the tree's cache, after which the directory can go. */
static struct host_tree *make_tree(void)
{
	char base[] = "/tmp/fuzz-fdt-clone-XXXXXX", command[64];
	struct host_tree *tree;

	log_set_level(LOG_ERROR);
	if (mkdtemp(base) == NULL)
		abort();
	make_provider(base, "nvidia,tegra234-bpmp", 1, 1);
	make_provider(base, "fixed-clock", 2, 0);
	make_provider(base, "vendor,pll", 3, 8);
	make_provider(base, "vendor,too-many", 4, 9);
	make_provider(base, "fake-bpmp", 5, 2);
	if (host_tree_open(base, &tree) != 0)
		abort();
	for (uint32_t phandle = 1; phandle <= 5; phandle++)
		if (host_tree_by_phandle(tree, phandle) == NULL)
			abort();
	snprintf(command, sizeof(command), "rm -r %s", base);
	if (system(command) != 0)
		abort();
	return tree;
}

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t take(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

static void take_property(struct input *input, struct host_node *node)
{
	const char *name = property_names[take(input) % ARRAY_SIZE(property_names)];
	struct host_property *property = &node->properties[node->property_count];
	size_t size = take(input);

	if (host_node_property(node, name) != NULL)
		return;
	if (size > input->size)
		size = input->size;
	property->name = strdup(name);
	property->data = calloc(1, size + 1);
	if (property->name == NULL || property->data == NULL)
		abort();
	memcpy(property->data, input->data, size);
	property->size = size;
	input->data += size;
	input->size -= size;
	node->property_count++;
}

static struct host_node *take_node(struct input *input, unsigned int depth)
{
	struct host_node *node = calloc(1, sizeof(*node));
	uint8_t choice;

	if (node == NULL)
		abort();
	node->name = strdup(depth == 0 ? "serial@3100000" : "child@1");
	node->path = strdup("/serial@3100000");
	node->properties = calloc(MAX_PROPERTIES, sizeof(*node->properties));
	node->children = calloc(MAX_CHILDREN, sizeof(struct host_node *));
	while (input->size > 0) {
		choice = take(input) % 16;
		if (choice == 0)
			break;
		if (choice == 1 && depth < 3 && node->child_count < MAX_CHILDREN)
			node->children[node->child_count++] = take_node(input, depth + 1);
		else if (node->property_count < MAX_PROPERTIES)
			take_property(input, node);
	}
	return node;
}

static int count_id(void *context, enum clone_bpmp_kind kind, uint32_t id)
{
	(void)kind;
	(void)id;
	++*(size_t *)context;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t regions[][2] = { { 0xc000000, 0x10000 } };
	static const struct clone_interrupt interrupts[] = { { 112, true } };
	static struct host_tree *tree;
	struct input input = { data, size };
	struct clone_request request = {
		.device = "3100000.serial",
		.region_count = 1,
		.regions = regions,
		.interrupt_count = 1,
		.interrupts = interrupts,
		.compatible = "vendor,device",
	};
	struct fdt_builder fdt;
	struct host_node *node;
	size_t blob_size, ids = 0;
	void *blob;

	if (tree == NULL)
		tree = make_tree();
	request.tree = tree;
	request.bpmp_phandle = take(&input) % 2;
	node = take_node(&input, 0);
	request.node = node;
	clone_bpmp_ids(tree, node, count_id, &ids);
	fdt_builder_start(&fdt);
	clone_write(&fdt, &request);
	if (fdt_builder_finish(&fdt, &blob, &blob_size) == 0) {
		if (fdt_check_full(blob, blob_size) != 0)
			abort();
		free(blob);
	}
	host_node_free(node);
	return 0;
}
