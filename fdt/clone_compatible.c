/* SPDX-License-Identifier: Apache-2.0 */
#include "fdt/clone_internal.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <string.h>

/*
 * Tegra234 devices by unit address. A host that gives one of them away often replaces its
 * `compatible` by a dummy, to keep its own driver away from it. (Linux
 * arch/arm64/boot/dts/nvidia/tegra234*.dtsi, NVIDIA's trees for MTTCAN and the GPU.)
 */
static const struct known_device {
	const char *unit_address;
	const char *compatible;
} tegra234_devices[] = {
	{ "3100000", "nvidia,tegra194-hsuart" },
	{ "31d0000", "arm,sbsa-uart" },
	{ "6800000", "nvidia,tegra234-mgbe" },
	{ "6900000", "nvidia,tegra234-mgbe" },
	{ "6a00000", "nvidia,tegra234-mgbe" },
	{ "6b00000", "nvidia,tegra234-mgbe" },
	{ "c310000", "nvidia,tegra194-mttcan" },
	{ "c320000", "nvidia,tegra194-mttcan" },
	{ "13e00000", "nvidia,tegra234-host1x" },
	{ "15340000", "nvidia,tegra234-vic" },
	{ "15480000", "nvidia,tegra234-nvdec" },
	{ "17000000", "nvidia,ga10b" },
};

static bool add_string(struct clone_compatible *compatible, const char *string)
{
	size_t size = strlen(string) + 1;

	if (size > sizeof(compatible->strings) - compatible->size)
		return false;
	memcpy(compatible->strings + compatible->size, string, size);
	compatible->size += size;
	return true;
}

/*
 * Arm's PrimeCells have two strings (bindings/arm/primecell.yaml): Linux makes an amba device of
 * a node with the second, and has no other driver for the first.
 */
static bool is_primecell(const char *string)
{
	return strncmp(string, "arm,pl", strlen("arm,pl")) == 0;
}

static bool is_dummy(const char *string)
{
	size_t length = strlen(string);

	return length >= strlen("dummy") && strcmp(string + length - strlen("dummy"), "dummy") == 0;
}

static bool host_is_tegra234(const struct host_tree *tree)
{
	const struct host_property *property;
	struct host_node *root;
	const char *string;
	bool found = false;

	if (host_tree_read_path(tree, "/", &root) != 0)
		return false;
	property = host_node_property(root, "compatible");
	for (size_t i = 0; property != NULL && !found; i++) {
		string = host_property_string(property, i);
		if (string == NULL)
			break;
		found = strcmp(string, "nvidia,tegra234") == 0;
	}
	host_node_free(root);
	return found;
}

static const char *known_compatible(const struct clone_request *request)
{
	const char *at = strchr(request->node->name, '@');

	if (at == NULL || !host_is_tegra234(request->tree))
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(tegra234_devices); i++)
		if (strcmp(tegra234_devices[i].unit_address, at + 1) == 0)
			return tegra234_devices[i].compatible;
	return NULL;
}

int clone_find_compatible(const struct clone_request *request, struct clone_compatible *compatible)
{
	const struct host_property *own = host_node_property(request->node, "compatible");
	const char *first = own == NULL ? NULL : host_property_string(own, 0);
	const char *chosen = request->compatible;
	bool fits = true;

	memset(compatible, 0, sizeof(*compatible));
	if (chosen == NULL && (first == NULL || is_dummy(first))) {
		chosen = known_compatible(request);
		if (chosen == NULL) {
			log_error("%s: the host's node says compatible \"%s\", which no guest "
				  "driver knows: add compatible=STRING to --passthrough %s",
				request->device, first == NULL ? "" : first, request->device);
			return -EINVAL;
		}
	}
	if (chosen != NULL) {
		fits = add_string(compatible, chosen);
		if (fits && is_primecell(chosen))
			fits = add_string(compatible, "arm,primecell");
	}
	for (size_t i = 0; fits && chosen == NULL; i++) {
		const char *string = host_property_string(own, i);

		if (string == NULL)
			break;
		fits = add_string(compatible, string);
	}
	if (!fits) {
		log_error("%s: its compatible is longer than %zu bytes", request->device,
			sizeof(compatible->strings));
		return -EINVAL;
	}
	return 0;
}
