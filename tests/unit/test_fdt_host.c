/* SPDX-License-Identifier: Apache-2.0 */
#include "fdt/host_limits.h"
#include "fdt/host_node.h"
#include "fdt/references.h"
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(fdt_host, .init = fixture_create, .fini = fixture_remove);

static struct host_tree *open_tree(void)
{
	struct host_tree *tree;

	cr_assert_eq(host_tree_open(fixture_path("base"), &tree), 0);
	return tree;
}

/* A bus with `#address-cells` and `#size-cells`. */
static void make_bus(const char *path, uint32_t address_cells, uint32_t size_cells)
{
	char name[256];

	snprintf(name, sizeof(name), "%s/#address-cells", path);
	fixture_cells(name, address_cells);
	snprintf(name, sizeof(name), "%s/#size-cells", path);
	fixture_cells(name, size_cells);
}

Test(fdt_host, reads_properties_and_children_through_a_link)
{
	struct host_tree *tree;
	struct host_node *node;
	uint32_t value;

	fixture_cells("base/bus@0/serial@3100000/reg-shift", 2);
	fixture_strings("base/bus@0/serial@3100000/nvidia,odd", "a\0b");
	fixture_cells("base/bus@0/serial@3100000/child@1/reg", 1);
	fixture_directory("base/bus@0/serial@3100000/a-child");
	fixture_bytes("base/bus@0/serial@3100000/dma-coherent", "", 0);
	fixture_link("device/of_node", "base/bus@0/serial@3100000");
	tree = open_tree();
	cr_assert_eq(host_tree_read(tree, fixture_path("device/of_node"), &node), 0);

	cr_assert_str_eq(node->name, "serial@3100000");
	cr_assert_str_eq(node->path, "/bus@0/serial@3100000");
	cr_assert_eq(node->property_count, 3);
	cr_assert_str_eq(node->properties[0].name, "dma-coherent");
	cr_assert(host_node_u32(node, "reg-shift", &value) && value == 2);
	cr_assert_str_eq(host_property_string(host_node_property(node, "nvidia,odd"), 1), "b");
	cr_assert_null(host_property_string(host_node_property(node, "nvidia,odd"), 2));
	cr_assert_eq(node->child_count, 2);
	cr_assert_str_eq(node->children[1]->path, "/bus@0/serial@3100000/child@1");
	cr_assert(host_node_u32(node->children[1], "reg", &value) && value == 1);
	cr_assert_not(host_node_u32(node, "dma-coherent", &value));
	cr_assert_null(host_node_property(node, "none"));
	host_node_free(node);
	host_tree_close(tree);
}

Test(fdt_host, a_string_without_its_end_is_no_string)
{
	struct host_property property = { "x", 3, (unsigned char *)strdup("abc") };

	cr_assert_null(host_property_string(&property, 0));
	free(property.data);
}

Test(fdt_host, missing_base_names_the_need)
{
	struct host_tree *tree;

	fake_log_capture();
	cr_assert_eq(host_tree_open(fixture_path("none"), &tree), -ENOENT);
	cr_assert_not_null(strstr(fake_log_text(), "device tree"));
}

Test(fdt_host, a_node_elsewhere_is_refused)
{
	struct host_tree *tree;
	struct host_node *node;

	fake_log_capture();
	fixture_cells("base/x", 1);
	fixture_cells("base-too/node/x", 1);
	tree = open_tree();
	cr_assert_eq(host_tree_read(tree, fixture_path("base-too/node"), &node), -EXDEV);
	cr_assert_eq(host_tree_read(tree, fixture_path("base/none"), &node), -ENOENT);
	cr_assert_not_null(strstr(fake_log_text(), "base/none"));
	host_tree_close(tree);
}

/* In a process of its own, since root, as which tests may run, can read everything. */
static int read_as_nobody(void)
{
	struct host_tree *tree;
	struct host_node *node;

	fake_log_capture();
	if (host_tree_open(fixture_path("base"), &tree) != 0)
		return 1;
	if (geteuid() == 0 && seteuid(65534) != 0)
		return 2;
	if (host_tree_read(tree, fixture_path("base/node"), &node) != -EACCES)
		return 3;
	return strstr(fake_log_text(), "/node/secret: Permission denied") == NULL ? 4 : 0;
}

Test(fdt_host, an_unreadable_property_is_named)
{
	int status;
	pid_t pid;

	fixture_cells("base/node/secret", 1);
	cr_assert_eq(chmod(fixture_path(""), 0755), 0);
	cr_assert_eq(chmod(fixture_path("base/node/secret"), 0), 0);
	pid = fork();
	if (pid == 0)
		_exit(read_as_nobody());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 0);
}

Test(fdt_host, bounds_depth_and_property_size)
{
	static char large[HOST_PROPERTY_MAX + 1];
	char path[512] = "base/node";
	struct host_tree *tree;
	struct host_node *node;

	fixture_bytes("base/node/fits", large, HOST_PROPERTY_MAX);
	tree = open_tree();
	cr_assert_eq(host_tree_read(tree, fixture_path("base/node"), &node), 0);
	host_node_free(node);

	fake_log_capture();
	fixture_bytes("base/node/large", large, sizeof(large));
	cr_assert_eq(host_tree_read(tree, fixture_path("base/node"), &node), -E2BIG);
	unlink(fixture_path("base/node/large"));

	for (int i = 0; i < HOST_TREE_MAX_DEPTH; i++)
		strcat(path, "/n");
	fixture_directory(path);
	cr_assert_eq(host_tree_read(tree, fixture_path("base/node"), &node), -E2BIG);
	host_tree_close(tree);
}

Test(fdt_host, finds_nodes_by_phandle)
{
	struct host_tree *tree;

	fixture_cells("base/bpmp/phandle", 3);
	fixture_strings("base/bpmp/compatible", "nvidia,tegra234-bpmp");
	fixture_cells("base/bus@0/deep/er/phandle", 0x104);
	fixture_cells("base/bus@0/short/phandle", 1, 2); /* not a phandle */
	tree = open_tree();
	cr_assert_str_eq(host_tree_by_phandle(tree, 3)->path, "/bpmp");
	cr_assert_str_eq(host_tree_by_phandle(tree, 0x104)->path, "/bus@0/deep/er");
	cr_assert_eq(host_tree_by_phandle(tree, 3), host_tree_by_phandle(tree, 3));
	cr_assert_null(host_tree_by_phandle(tree, 1));
	cr_assert_null(host_tree_by_phandle(tree, 0));
	host_tree_close(tree);
}

Test(fdt_host, walks_references_with_each_providers_cells)
{
	struct reference_list list = { .cells_name = "#clock-cells" };
	struct reference reference;
	struct host_tree *tree;
	struct host_node *node;

	fixture_cells("base/one/phandle", 1);
	fixture_cells("base/one/#clock-cells", 1);
	fixture_cells("base/none/phandle", 2);
	fixture_cells("base/none/#clock-cells", 0);
	fixture_cells("base/lacks/phandle", 3);
	fixture_cells("base/many/phandle", 4);
	fixture_cells("base/many/#clock-cells", 0xffffffff);
	fixture_cells("base/user/clocks", 1, 155, 2, 0, 1, 102);
	fixture_cells("base/user/cut", 2, 1);
	fixture_bytes("base/user/odd", "\0\0\0\2\0", 5);
	fixture_cells("base/user/unknown", 99);
	fixture_cells("base/user/lacks", 3, 1);
	fixture_cells("base/user/many", 4, 1, 2);
	tree = open_tree();
	list.tree = tree;
	cr_assert_eq(host_tree_read(tree, fixture_path("base/user"), &node), 0);

	list.property = host_node_property(node, "clocks");
	cr_assert_eq(reference_next(&list, &reference), 1);
	cr_assert(reference.cell_count == 1 && reference.cells[0] == 155);
	cr_assert_eq(reference_next(&list, &reference), 1);
	cr_assert(reference.phandle == 2 && reference.cell_count == 0);
	cr_assert_eq(reference_next(&list, &reference), 1);
	cr_assert_null(reference.node);
	cr_assert_eq(reference_next(&list, &reference), 1);
	cr_assert_eq(reference.cells[0], 102);
	cr_assert_eq(reference_next(&list, &reference), 0);

	list.next = 0;
	list.property = host_node_property(node, "cut");
	cr_assert_eq(reference_next(&list, &reference), 1);
	cr_assert_eq(reference_next(&list, &reference), -EINVAL);
	list.next = 0;
	list.property = host_node_property(node, "odd");
	cr_assert_eq(reference_next(&list, &reference), 1);
	cr_assert_eq(reference_next(&list, &reference), -EINVAL);
	list.next = 0;
	list.property = host_node_property(node, "unknown");
	cr_assert_eq(reference_next(&list, &reference), -ENOENT);
	list.next = 0;
	list.property = host_node_property(node, "lacks");
	cr_assert_eq(reference_next(&list, &reference), -ENOENT);
	list.next = 0;
	list.property = host_node_property(node, "many");
	cr_assert_eq(reference_next(&list, &reference), -EINVAL);
	host_node_free(node);
	host_tree_close(tree);
}

static void expect_region(struct host_tree *tree, const char *path, size_t index, int result,
	uint64_t address, uint64_t size)
{
	uint64_t got_address = 0, got_size = 0;
	struct host_node *node;

	cr_assert_eq(host_tree_read(tree, fixture_path(path), &node), 0);
	cr_assert_eq(
		host_node_region(tree, node, index, &got_address, &got_size), result, "%s", path);
	if (result == 0)
		cr_assert(got_address == address && got_size == size, "%s[%zu]: 0x%lx+0x%lx", path,
			index, got_address, got_size);
	host_node_free(node);
}

Test(fdt_host, translates_regions_through_every_bus)
{
	struct host_tree *tree;

	make_bus("base", 2, 2);
	make_bus("base/bus@0", 2, 2);
	fixture_cells("base/bus@0/ranges", 0, 0, 0, 0, 0x100, 0);
	fixture_cells("base/bus@0/serial@3100000/reg", 0, 0x3100000, 0, 0x10000, 1, 0, 0, 0x20);
	make_bus("base/bus@0/inner", 1, 1);
	fixture_cells("base/bus@0/inner/ranges", 0, 0, 0x1000, 0x100, 0x8000, 2, 0x40, 0x1000);
	fixture_cells("base/bus@0/inner/dev/reg", 0x8010, 8);
	fixture_cells("base/bus@0/inner/out/reg", 0x100, 8);
	make_bus("base/same", 1, 1);
	fixture_bytes("base/same/ranges", "", 0);
	fixture_cells("base/same/dev/reg", 0x1000, 0x100);
	make_bus("base/bus@0/i2c", 1, 0);
	fixture_cells("base/bus@0/i2c/dev/reg", 0x50);
	make_bus("base/pci", 3, 2);
	fixture_cells("base/pci/dev/reg", 1, 2, 3, 4, 5);
	fixture_cells("base/flat/reg", 0xf, 0, 0, 1);
	tree = open_tree();

	expect_region(tree, "base/bus@0/serial@3100000", 0, 0, 0x3100000, 0x10000);
	expect_region(tree, "base/bus@0/serial@3100000", 1, 0, 0x100000000, 0x20);
	expect_region(tree, "base/bus@0/serial@3100000", 2, -ENXIO, 0, 0);
	expect_region(tree, "base/bus@0/inner/dev", 0, 0, 0x200000050, 8);
	expect_region(tree, "base/bus@0/inner/out", 0, -ENXIO, 0, 0); /* behind the first range */
	expect_region(tree, "base/same/dev", 0, 0, 0x1000, 0x100);
	expect_region(tree, "base/bus@0/i2c/dev", 0, -ENXIO, 0, 0); /* no ranges: no bus address */
	expect_region(tree, "base/pci/dev", 0, -ENXIO, 0, 0);
	expect_region(tree, "base/flat", 0, 0, 0xf00000000, 1);
	host_tree_close(tree);
}
