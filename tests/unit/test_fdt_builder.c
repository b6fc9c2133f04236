/* SPDX-License-Identifier: Apache-2.0 */
#include "fdt/builder.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *finish(struct fdt_builder *fdt)
{
	void *blob;
	size_t size;

	cr_assert_eq(fdt_builder_finish(fdt, &blob, &size), 0);
	cr_assert_eq(fdt_check_full(blob, size), 0);
	return blob;
}

Test(fdt_builder, writes_every_kind_of_value_big_endian)
{
	static const uint8_t reg[] = { 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0x10, 0 };
	static const uint64_t place[][2] = { { 0x100000002, 0x1000 } };
	struct fdt_builder fdt;
	const void *value;
	void *blob;
	int node, size;

	fdt_builder_start(&fdt);
	fdt_str(&fdt, "compatible", "linux,dummy-virt");
	fdt_begin(&fdt, "serial@%x", 0x3100000u);
	fdt_strings(&fdt, "clock-names", "serial\0parent", sizeof("serial\0parent"));
	fdt_cell_list(&fdt, "interrupts", 0, 112, 4);
	fdt_u64(&fdt, "wide", 0x0102030405060708);
	fdt_empty(&fdt, "dma-coherent");
	fdt_reg(&fdt, place, 1);
	fdt_end(&fdt);
	blob = finish(&fdt);

	cr_assert_str_eq(fdt_getprop(blob, 0, "compatible", NULL), "linux,dummy-virt");
	node = fdt_path_offset(blob, "/serial@3100000");
	cr_assert_geq(node, 0);
	cr_assert_str_eq(fdt_stringlist_get(blob, node, "clock-names", 1, NULL), "parent");
	value = fdt_getprop(blob, node, "interrupts", &size);
	cr_assert_eq(size, 12);
	cr_assert_arr_eq(value, "\0\0\0\0\0\0\0\160\0\0\0\4", 12);
	cr_assert_arr_eq(fdt_getprop(blob, node, "wide", NULL), "\1\2\3\4\5\6\7\10", 8);
	cr_assert_not_null(fdt_getprop(blob, node, "dma-coherent", &size));
	cr_assert_eq(size, 0);
	cr_assert_arr_eq(fdt_getprop(blob, node, "reg", &size), reg, sizeof(reg));
	cr_assert_eq(size, sizeof(reg));
	free(blob);
}

/* Larger than the first buffer in nodes, in one property, and in strings. */
Test(fdt_builder, grows_and_keeps_what_was_written)
{
	struct fdt_builder fdt;
	static char large[100000];
	char name[32];
	void *blob;
	int size;

	memset(large, 'x', sizeof(large));
	fdt_builder_start(&fdt);
	fdt_bytes(&fdt, "large", large, sizeof(large));
	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "property-%u", i);
		fdt_begin(&fdt, "node@%u", i);
		fdt_u32(&fdt, name, i);
		fdt_end(&fdt);
	}
	blob = finish(&fdt);
	cr_assert_arr_eq(fdt_getprop(blob, 0, "large", &size), large, sizeof(large));
	for (unsigned int i = 0; i < 1000; i++) {
		const fdt32_t *value;

		snprintf(name, sizeof(name), "/node@%u", i);
		size = fdt_path_offset(blob, name);
		snprintf(name, sizeof(name), "property-%u", i);
		value = fdt_getprop(blob, size, name, NULL);
		cr_assert(value != NULL && fdt32_to_cpu(*value) == i, "node %u", i);
	}
	free(blob);
}

Test(fdt_builder, refuses_a_tree_that_the_kernel_would_not_take)
{
	static char large[0x200000];
	struct fdt_builder fdt;
	void *blob;
	size_t size;

	fake_log_capture();
	fdt_builder_start(&fdt);
	fdt_bytes(&fdt, "too-large", large, sizeof(large));
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), -E2BIG);
	cr_assert_not_null(strstr(fake_log_text(), "too-large"));
}

Test(fdt_builder, latches_the_first_error_and_logs_it_once)
{
	struct fdt_builder fdt;
	void *blob;
	size_t size;

	fake_log_capture();
	fdt_builder_start(&fdt);
	fdt_begin(&fdt, "a");
	fdt_end(&fdt);
	fdt_u32(&fdt, "late", 1); /* after a child: Linux would not see it */
	fdt_end(&fdt);		  /* the root is not the caller's to end */
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), -EINVAL);
	cr_assert_not_null(strstr(fake_log_text(), "late"));
	cr_assert_null(strchr(strchr(fake_log_text(), '\n') + 1, '\n'));
}

Test(fdt_builder, a_node_left_open_or_closed_twice_is_an_error)
{
	struct fdt_builder fdt;
	void *blob;
	size_t size;

	fake_log_capture();
	fdt_builder_start(&fdt);
	fdt_begin(&fdt, "open");
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), -EINVAL);

	fdt_builder_start(&fdt);
	fdt_end(&fdt);
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), -EINVAL);
}

Test(fdt_builder, refuses_a_name_that_would_be_cut)
{
	struct fdt_builder fdt;
	char name[300];
	void *blob;
	size_t size;

	fake_log_capture();
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	fdt_builder_start(&fdt);
	fdt_begin(&fdt, "%s", name);
	fdt_end(&fdt);
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), -EINVAL);
}

Test(fdt_builder, numbers_aliases_by_kind_in_order)
{
	struct fdt_builder fdt;
	void *blob;
	int node;

	fdt_builder_start(&fdt);
	fdt_builder_alias(&fdt, "serial", "/serial@1");
	fdt_builder_alias(&fdt, "ethernet", "/ethernet@2");
	fdt_builder_alias(&fdt, "serial", "/serial@3");
	fdt_begin(&fdt, "serial@1");
	fdt_end(&fdt);
	blob = finish(&fdt);
	node = fdt_path_offset(blob, "/aliases");
	cr_assert_str_eq(fdt_getprop(blob, node, "serial0", NULL), "/serial@1");
	cr_assert_str_eq(fdt_getprop(blob, node, "ethernet0", NULL), "/ethernet@2");
	cr_assert_str_eq(fdt_getprop(blob, node, "serial1", NULL), "/serial@3");
	free(blob);
}

Test(fdt_builder, without_aliases_there_is_no_aliases_node)
{
	struct fdt_builder fdt;
	void *blob;

	fdt_builder_start(&fdt);
	blob = finish(&fdt);
	cr_assert_lt(fdt_path_offset(blob, "/aliases"), 0);
	free(blob);
}

Test(fdt_builder, too_many_aliases_are_an_error)
{
	struct fdt_builder fdt;
	void *blob;
	size_t size;

	fake_log_capture();
	fdt_builder_start(&fdt);
	for (int i = 0; i <= FDT_MAX_ALIASES; i++)
		fdt_builder_alias(&fdt, "serial", "/x");
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), -ENOSPC);
}

Test(fdt_builder, phandles_are_unique_and_imports_keep_theirs)
{
	struct fdt_builder fdt;
	uint32_t first, imported;
	void *blob;

	fdt_builder_start(&fdt);
	first = fdt_new_phandle(&fdt);
	cr_assert_neq(first, 0);
	cr_assert_eq(fdt_builder_imported(&fdt, first), 0);
	imported = fdt_builder_import(&fdt, 0x8000);
	cr_assert_neq(imported, first);
	cr_assert_eq(fdt_builder_import(&fdt, 0x8000), imported);
	cr_assert_eq(fdt_builder_imported(&fdt, 0x8000), imported);
	cr_assert_neq(fdt_new_phandle(&fdt), imported);
	blob = finish(&fdt);
	free(blob);
}
