/* SPDX-License-Identifier: Apache-2.0 */
#include "fdt/builder.h"
#include "fdt/clone.h"
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UART "base/bus@0/serial@3100000/"

/* Phandles of the host. */
enum { HOST_GIC = 1, HOST_BPMP = 3, HOST_PLL = 7, HOST_APB_CLOCK = 0x8000, HOST_SMMU = 0x90 };

/* An Orin in small: the BPMP, a fixed clock, another clock provider, the UART. */
static void make_host(void)
{
	fixture_create();
	fake_log_capture();
	fixture_cells("base/#address-cells", 2);
	fixture_cells("base/#size-cells", 2);
	fixture_strings("base/compatible", "nvidia,p3737-0000+p3701-0000\0nvidia,tegra234");
	fixture_cells("base/bpmp/phandle", HOST_BPMP);
	fixture_strings("base/bpmp/compatible", "nvidia,tegra234-bpmp\0nvidia,tegra186-bpmp");
	fixture_cells("base/bpmp/#clock-cells", 1);
	fixture_cells("base/bpmp/#reset-cells", 1);
	fixture_cells("base/bpmp/#power-domain-cells", 1);
	fixture_cells("base/apb-pclk/phandle", HOST_APB_CLOCK);
	fixture_strings("base/apb-pclk/compatible", "fixed-clock");
	fixture_cells("base/apb-pclk/#clock-cells", 0);
	fixture_cells("base/apb-pclk/clock-frequency", 24000000);
	fixture_strings("base/apb-pclk/clock-output-names", "clk24mhz");
	fixture_cells("base/pll/phandle", HOST_PLL);
	fixture_strings("base/pll/compatible", "vendor,pll");
	fixture_cells("base/pll/#clock-cells", 2);
	fixture_cells("base/pll/#reset-cells", 1);

	fixture_strings(UART "compatible", "nvidia,tegra194-hsuart");
	fixture_strings(UART "name", "serial");
	fixture_strings(UART "status", "okay");
	fixture_cells(UART "phandle", 0x77);
	fixture_cells(UART "reg", 0, 0x3100000, 0, 0x10000);
	fixture_cells(UART "interrupts", 0, 112, 4);
	fixture_cells(UART "reg-shift", 2);
	fixture_cells(UART "clocks", HOST_BPMP, 155, HOST_BPMP, 102);
	fixture_strings(UART "clock-names", "serial\0parent");
	fixture_cells(UART "resets", HOST_BPMP, 100);
	fixture_strings(UART "reset-names", "serial");
}

TestSuite(fdt_clone, .init = make_host, .fini = fixture_remove);

/* What the VMM chose for the guest. */
static const uint64_t regions[][2] = { { 0xc000000, 0x10000 } };
static const struct clone_interrupt interrupts[] = { { .spi = 114, .level = true } };

static struct clone_request open_request(const char *path)
{
	struct clone_request request = {
		.device = "3100000.serial",
		.region_count = 1,
		.regions = regions,
		.interrupt_count = 1,
		.interrupts = interrupts,
		.bpmp_phandle = 0x42,
	};
	struct host_node *node;

	cr_assert_eq(host_tree_open(fixture_path("base"), &request.tree), 0);
	cr_assert_eq(host_tree_read(request.tree, fixture_path(path), &node), 0);
	request.node = node;
	return request;
}

static void close_request(struct clone_request *request)
{
	host_node_free((struct host_node *)(uintptr_t)request->node);
	host_tree_close(request->tree);
}

static void *finish(struct fdt_builder *fdt)
{
	void *blob;
	size_t size;

	cr_assert_eq(fdt_builder_finish(fdt, &blob, &size), 0);
	cr_assert_eq(fdt_check_full(blob, size), 0);
	return blob;
}

static void *clone(const struct clone_request *request)
{
	struct fdt_builder fdt;

	fdt_builder_start(&fdt);
	cr_assert_eq(clone_write(&fdt, request), 0);
	return finish(&fdt);
}

/* The tree that the UART's node gives as it now is. */
static void *clone_uart(void)
{
	struct clone_request request = open_request("base/bus@0/serial@3100000");
	void *blob = clone(&request);

	close_request(&request);
	return blob;
}

/* A property as text: "0x42 0x9b", "(none)" where it is absent. */
static const char *cells(const void *blob, const char *path, const char *name)
{
	static char text[512];
	int size, used = 0;
	const fdt32_t *value = fdt_getprop(blob, fdt_path_offset(blob, path), name, &size);

	if (value == NULL)
		return "(none)";
	text[0] = '\0';
	for (int i = 0; i < size / 4; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%s%x",
			i == 0 ? "" : " ", fdt32_to_cpu(value[i]));
	return text;
}

/* The strings of a property with '|' between them. */
static const char *strings(const void *blob, const char *path, const char *name)
{
	static char text[512];
	int size;
	const char *value = fdt_getprop(blob, fdt_path_offset(blob, path), name, &size);

	if (value == NULL)
		return "(none)";
	memcpy(text, value, (size_t)size);
	for (int i = 0; i < size - 1; i++)
		if (text[i] == '\0')
			text[i] = '|';
	return text;
}

static int count_children(const void *blob)
{
	int node, count = 0;

	fdt_for_each_subnode(node, blob, 0) count++;
	return count;
}

static bool logged(const char *text)
{
	return strstr(fake_log_text(), text) != NULL;
}

Test(fdt_clone, uart_gets_guest_values_and_keeps_the_rest)
{
	const char *uart = "/serial@c000000";
	void *blob = clone_uart();

	cr_assert_str_eq(strings(blob, uart, "compatible"), "nvidia,tegra194-hsuart");
	cr_assert_str_eq(cells(blob, uart, "reg"), "0 c000000 0 10000");
	cr_assert_str_eq(cells(blob, uart, "interrupts"), "0 72 4");
	cr_assert_str_eq(cells(blob, uart, "reg-shift"), "2");
	cr_assert_str_eq(cells(blob, uart, "clocks"), "42 9b 42 66");
	cr_assert_str_eq(strings(blob, uart, "clock-names"), "serial|parent");
	cr_assert_str_eq(cells(blob, uart, "resets"), "42 64");
	cr_assert_str_eq(strings(blob, uart, "reset-names"), "serial");
	cr_assert_str_eq(strings(blob, "/aliases", "serial0"), uart);
	cr_assert_str_eq(strings(blob, uart, "name"), "(none)");
	cr_assert_str_eq(strings(blob, uart, "status"), "(none)");
	cr_assert_str_neq(cells(blob, uart, "phandle"), "77");
	free(blob);
}

Test(fdt_clone, an_edge_interrupt_says_so)
{
	static const struct clone_interrupt edge[] = { { 112, false }, { 113, true } };
	struct clone_request request = open_request("base/bus@0/serial@3100000");
	void *blob;

	request.interrupts = edge;
	request.interrupt_count = 2;
	blob = clone(&request);
	cr_assert_str_eq(cells(blob, "/serial@c000000", "interrupts"), "0 70 1 0 71 4");
	free(blob);
	close_request(&request);
}

Test(fdt_clone, drops_what_points_at_the_host_with_a_line_each)
{
	static const char *const dropped[] = { "iommus", "interconnects", "interconnect-names",
		"dmas", "dma-names", "pinctrl-0", "pinctrl-names", "interrupt-parent",
		"interrupts-extended", "memory-region", "vbus-supply", "reset-gpios", "cs-gpio",
		"dma-ranges", "ranges" };
	char path[128];
	void *blob;

	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
		snprintf(path, sizeof(path), UART "%s", dropped[i]);
		fixture_cells(path, HOST_SMMU, 4);
	}
	fixture_bytes(UART "dma-coherent", "", 0);
	fake_log_capture();
	blob = clone_uart();
	for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
		cr_assert_str_eq(cells(blob, "/serial@c000000", dropped[i]), "(none)", "%s kept",
			dropped[i]);
		snprintf(path, sizeof(path), "3100000.serial: %s of serial@3100000 dropped",
			dropped[i]);
		cr_assert(logged(path), "%s dropped in silence", dropped[i]);
	}
	cr_assert_not_null(
		fdt_getprop(blob, fdt_path_offset(blob, "/serial@c000000"), "dma-coherent", NULL));
	free(blob);
}

Test(fdt_clone, other_providers_go_with_their_names)
{
	void *blob;

	fixture_cells(UART "clocks", HOST_PLL, 1, 2, HOST_BPMP, 155, 0, HOST_APB_CLOCK);
	fixture_strings(UART "clock-names", "pll\0serial\0empty\0bus");
	fixture_cells(UART "resets", HOST_PLL, 1);
	fake_log_capture();
	blob = clone_uart();
	cr_assert_str_eq(strings(blob, "/serial@c000000", "clock-names"), "serial|bus");
	cr_assert_eq(strncmp(cells(blob, "/serial@c000000", "clocks"), "42 9b ", 6), 0);
	cr_assert(
		logged("entry 0 (pll) of clocks in serial@3100000 dropped: the guest has no /pll"));
	cr_assert_str_eq(cells(blob, "/serial@c000000", "resets"), "(none)");
	cr_assert_str_eq(strings(blob, "/serial@c000000", "reset-names"), "(none)");
	free(blob);
}

Test(fdt_clone, names_that_do_not_reach_are_left_out)
{
	void *blob;

	fixture_strings(UART "clock-names", "serial");
	blob = clone_uart();
	cr_assert_str_eq(cells(blob, "/serial@c000000", "clocks"), "42 9b 42 66");
	cr_assert_str_eq(strings(blob, "/serial@c000000", "clock-names"), "(none)");
	free(blob);
}

Test(fdt_clone, a_list_that_cannot_be_parsed_goes_whole)
{
	void *blob;

	fixture_cells(UART "clocks", HOST_BPMP, 155, HOST_BPMP);
	fixture_cells(UART "resets", HOST_BPMP, 100, 0x1234, 1);
	fake_log_capture();
	blob = clone_uart();
	cr_assert_str_eq(cells(blob, "/serial@c000000", "clocks"), "(none)");
	cr_assert_str_eq(cells(blob, "/serial@c000000", "resets"), "(none)");
	cr_assert(logged("clocks of serial@3100000 dropped: it cannot be parsed"));
	cr_assert(logged("resets of serial@3100000 dropped: it names a node that is not"));
	free(blob);

	fixture_cells(UART "clocks", HOST_APB_CLOCK, HOST_BPMP); /* nor does its clock come along */
	blob = clone_uart();
	cr_assert_lt(fdt_path_offset(blob, "/host-clock-8000"), 0);
	free(blob);
}

Test(fdt_clone, a_primecell_gets_its_fixed_clock_once)
{
	static const uint64_t second_region[][2] = { { 0xc010000, 0x1000 } };
	struct clone_request rtc, uart;
	struct fdt_builder fdt;
	char phandle[32];
	void *blob;

	fixture_strings("base/pl031@9010000/compatible", "arm,pl031\0arm,primecell");
	fixture_cells("base/pl031@9010000/arm,primecell-periphid", 0x41031);
	fixture_cells("base/pl031@9010000/clocks", HOST_APB_CLOCK);
	fixture_strings("base/pl031@9010000/clock-names", "apb_pclk");
	fixture_cells(UART "clocks", HOST_APB_CLOCK, HOST_APB_CLOCK);
	rtc = open_request("base/pl031@9010000");
	rtc.device = "9010000.pl031";
	uart = open_request("base/bus@0/serial@3100000");
	uart.regions = second_region;
	fdt_builder_start(&fdt);
	cr_assert_eq(clone_write(&fdt, &rtc), 0);
	cr_assert_eq(clone_write(&fdt, &uart), 0);
	blob = finish(&fdt);

	cr_assert_str_eq(strings(blob, "/host-clock-8000", "compatible"), "fixed-clock");
	cr_assert_eq(count_children(blob), 4); /* the clock, two devices, the aliases */
	cr_assert_str_eq(cells(blob, "/host-clock-8000", "clock-frequency"), "16e3600");
	cr_assert_str_eq(strings(blob, "/host-clock-8000", "clock-output-names"), "clk24mhz");
	cr_assert_str_eq(cells(blob, "/host-clock-8000", "#clock-cells"), "0");
	strcpy(phandle, cells(blob, "/host-clock-8000", "phandle"));
	cr_assert_str_eq(cells(blob, "/pl031@c000000", "clocks"), phandle);
	cr_assert_str_eq(strings(blob, "/pl031@c000000", "clock-names"), "apb_pclk");
	cr_assert_str_eq(cells(blob, "/pl031@c000000", "arm,primecell-periphid"), "41031");
	cr_assert_str_eq(strings(blob, "/pl031@c000000", "compatible"), "arm,pl031|arm,primecell");
	cr_assert_eq(
		strncmp(cells(blob, "/serial@c010000", "clocks"), phandle, strlen(phandle)), 0);
	free(blob);
	close_request(&rtc);
	close_request(&uart);
}

Test(fdt_clone, without_a_bpmp_its_clocks_go_and_the_option_is_named)
{
	struct clone_request request = open_request("base/bus@0/serial@3100000");
	void *blob;

	request.bpmp_phandle = 0;
	fake_log_capture();
	blob = clone(&request);
	cr_assert_str_eq(cells(blob, "/serial@c000000", "clocks"), "(none)");
	cr_assert_str_eq(cells(blob, "/serial@c000000", "resets"), "(none)");
	cr_assert(logged("clocks 155 (serial) of serial@3100000 dropped"));
	cr_assert(logged("resets 100 (serial) of serial@3100000 dropped"));
	cr_assert(logged("--bpmp"));
	free(blob);
	close_request(&request);
}

Test(fdt_clone, without_a_bpmp_a_stated_rate_becomes_a_fixed_clock)
{
	struct clone_request request;
	char phandle[32];
	void *blob;

	fixture_cells(UART "clock-frequency", 408000000);
	request = open_request("base/bus@0/serial@3100000");
	request.bpmp_phandle = 0;
	blob = clone(&request);
	cr_assert_str_eq(cells(blob, "/clock-of-3100000.serial", "clock-frequency"), "18519600");
	strcpy(phandle, cells(blob, "/clock-of-3100000.serial", "phandle"));
	cr_assert_str_eq(cells(blob, "/serial@c000000", "clocks"), phandle);
	cr_assert_str_eq(strings(blob, "/serial@c000000", "clock-names"), "serial");
	free(blob);
	close_request(&request);
}

Test(fdt_clone, assigned_clocks_stay_only_when_they_are_the_devices_own)
{
	void *blob;

	fixture_cells(UART "assigned-clocks", HOST_BPMP, 155);
	fixture_cells(UART "assigned-clock-parents", HOST_BPMP, 102);
	fixture_cells(UART "assigned-clock-rates", 408000000);
	blob = clone_uart();
	cr_assert_str_eq(cells(blob, "/serial@c000000", "assigned-clocks"), "42 9b");
	cr_assert_str_eq(cells(blob, "/serial@c000000", "assigned-clock-parents"), "42 66");
	cr_assert_str_eq(cells(blob, "/serial@c000000", "assigned-clock-rates"), "18519600");
	free(blob);

	fixture_cells(UART "assigned-clock-parents", HOST_BPMP, 14);
	fake_log_capture();
	blob = clone_uart();
	cr_assert_str_eq(cells(blob, "/serial@c000000", "assigned-clocks"), "(none)");
	cr_assert_str_eq(cells(blob, "/serial@c000000", "assigned-clock-parents"), "(none)");
	cr_assert_str_eq(cells(blob, "/serial@c000000", "assigned-clock-rates"), "(none)");
	cr_assert(logged("assigned-clocks of serial@3100000 dropped"));
	free(blob);

	fixture_cells(UART "assigned-clock-parents", HOST_BPMP, 102);
	fixture_cells(UART "assigned-clocks", HOST_BPMP, 156);
	blob = clone_uart();
	cr_assert_str_eq(cells(blob, "/serial@c000000", "assigned-clocks"), "(none)");
	free(blob);
}

Test(fdt_clone, children_follow_the_same_rules)
{
	const char *phy = "/serial@c000000/mdio/phy@1";
	char phandle[32];
	void *blob;

	fixture_cells(UART "phy-handle", 0x201);
	fixture_cells(UART "snps,axi-config", 0x999); /* not a child's */
	fixture_cells(UART "mdio/#address-cells", 1);
	fixture_cells(UART "mdio/phy@1/phandle", 0x201);
	fixture_cells(UART "mdio/phy@1/reg", 1);
	fixture_strings(UART "mdio/phy@1/compatible", "ethernet-phy-id31c3.1c12");
	fixture_strings(UART "mdio/phy@1/status", "disabled");
	fixture_cells(UART "mdio/phy@1/interrupts", 3, 8);
	fixture_cells(UART "mdio/phy@1/clocks", HOST_BPMP, 9);
	fake_log_capture();
	blob = clone_uart();
	strcpy(phandle, cells(blob, phy, "phandle"));
	cr_assert_str_neq(phandle, "201");
	cr_assert_str_eq(cells(blob, "/serial@c000000", "phy-handle"), phandle);
	cr_assert_str_eq(cells(blob, "/serial@c000000", "snps,axi-config"), "(none)");
	cr_assert_str_eq(cells(blob, phy, "reg"), "1");
	cr_assert_str_eq(strings(blob, phy, "status"), "disabled");
	cr_assert_str_eq(strings(blob, phy, "compatible"), "ethernet-phy-id31c3.1c12");
	cr_assert_str_eq(cells(blob, phy, "interrupts"), "(none)");
	cr_assert_str_eq(cells(blob, phy, "clocks"), "42 9");
	cr_assert(logged("interrupts of phy@1 dropped"));
	free(blob);
}

struct found {
	char text[128];
	int result;
};

static int found_id(void *context, enum clone_bpmp_kind kind, uint32_t id)
{
	struct found *found = context;
	size_t used = strlen(found->text);

	snprintf(found->text + used, sizeof(found->text) - used, "%c%u ", "crp"[kind], id);
	return found->result;
}

/* The guest may use what its tree shows, and nothing else. */
Test(fdt_clone, ids_are_those_that_the_node_and_its_copied_children_name)
{
	struct clone_request request;
	struct found found = { "", 0 };

	fixture_cells(UART "clocks", HOST_PLL, 1, 2, HOST_BPMP, 155, HOST_BPMP, 102);
	fixture_cells(UART "power-domains", HOST_BPMP, 18);
	fixture_cells(UART "assigned-clock-parents", HOST_BPMP, 14);
	fixture_cells(UART "mdio/phy@1/clocks", HOST_BPMP, 9);
	request = open_request("base/bus@0/serial@3100000");
	cr_assert_eq(clone_bpmp_ids(request.tree, request.node, found_id, &found), 0);
	cr_assert_str_eq(found.text, "c155 c102 r100 p18 c9 ");

	found = (struct found){ "", -ENOSPC };
	cr_assert_eq(clone_bpmp_ids(request.tree, request.node, found_id, &found), -ENOSPC);
	cr_assert_str_eq(found.text, "c155 ");
	close_request(&request);
}

Test(fdt_clone, a_broken_list_gives_no_id)
{
	struct clone_request request;
	struct found found = { "", 0 };

	fixture_cells(UART "clocks", HOST_BPMP, 155, HOST_BPMP);
	request = open_request("base/bus@0/serial@3100000");
	cr_assert_eq(clone_bpmp_ids(request.tree, request.node, found_id, &found), 0);
	cr_assert_str_eq(found.text, "r100 ");
	close_request(&request);
}

/* A bridge's children are devices of their own, with registers that the guest was not given. */
Test(fdt_clone, devices_behind_a_bridge_are_not_copied)
{
	struct clone_request request;
	struct found found = { "", 0 };
	void *blob;

	fixture_bytes(UART "ranges", "", 0);
	fixture_cells(UART "vic@15340000/reg", 0, 0x15340000, 0, 0x40000);
	fixture_cells(UART "vic@15340000/clocks", HOST_BPMP, 167);
	fixture_cells(UART "settings/x", 1);
	fake_log_capture();
	request = open_request("base/bus@0/serial@3100000");
	blob = clone(&request);
	cr_assert_lt(fdt_path_offset(blob, "/serial@c000000/vic@15340000"), 0);
	cr_assert_geq(fdt_path_offset(blob, "/serial@c000000/settings"), 0);
	cr_assert(logged("node vic@15340000 dropped"));
	cr_assert_eq(clone_bpmp_ids(request.tree, request.node, found_id, &found), 0);
	cr_assert_str_eq(found.text, "c155 c102 r100 ");
	free(blob);
	close_request(&request);
}

Test(fdt_clone, a_dummy_gets_its_name_back_from_the_table)
{
	void *blob;

	fixture_strings(UART "compatible", "nvidia,tegra194-dummy");
	blob = clone_uart();
	cr_assert_str_eq(strings(blob, "/serial@c000000", "compatible"), "nvidia,tegra194-hsuart");
	free(blob);
}

Test(fdt_clone, a_dummy_on_another_machine_needs_the_option)
{
	struct clone_compatible compatible;
	struct clone_request request;

	fixture_strings("base/compatible", "linux,dummy-virt");
	fixture_strings(UART "compatible", "nvidia,dummy");
	request = open_request("base/bus@0/serial@3100000");
	fake_log_capture();
	cr_assert_eq(clone_find_compatible(&request, &compatible), -EINVAL);
	cr_assert(logged("compatible=STRING"));

	request.compatible = "arm,pl011";
	cr_assert_eq(clone_find_compatible(&request, &compatible), 0);
	cr_assert_eq(compatible.size, sizeof("arm,pl011\0arm,primecell"));
	cr_assert_arr_eq(compatible.strings, "arm,pl011\0arm,primecell", compatible.size);
	request.compatible = "ns16550a";
	cr_assert_eq(clone_find_compatible(&request, &compatible), 0);
	cr_assert_eq(compatible.size, sizeof("ns16550a"));
	close_request(&request);
}

Test(fdt_clone, the_rigs_bpmp_is_one_and_a_lookalike_is_not)
{
	void *blob;

	fixture_strings("base/bpmp/compatible", "bpmp-vmm,rig-bpmp");
	blob = clone_uart();
	cr_assert_str_eq(cells(blob, "/serial@c000000", "resets"), "42 64");
	free(blob);

	fixture_strings("base/bpmp/compatible", "nvidia,tegra234-bpmp-shmem");
	blob = clone_uart();
	cr_assert_str_eq(cells(blob, "/serial@c000000", "resets"), "(none)");
	free(blob);
}
