/* SPDX-License-Identifier: Apache-2.0 */
#include "fdt/clone_internal.h"
#include "vmm/base/util.h"

#include <string.h>

struct named_rule {
	const char *name;
	enum clone_rule rule;
};

/* For the device's own node and its children alike. A flattened tree has no types: what holds a
 * phandle is known by name alone. */
static const struct named_rule rules[] = {
	/* made by the kernel, or new in the guest */
	{ "name", CLONE_REWRITE },
	{ "phandle", CLONE_REWRITE },
	{ "linux,phandle", CLONE_REWRITE },
	/* fdt/clone_providers.c */
	{ "clocks", CLONE_REWRITE },
	{ "clock-names", CLONE_REWRITE },
	{ "resets", CLONE_REWRITE },
	{ "reset-names", CLONE_REWRITE },
	{ "power-domains", CLONE_REWRITE },
	{ "power-domain-names", CLONE_REWRITE },
	{ "assigned-clocks", CLONE_REWRITE },
	{ "assigned-clock-parents", CLONE_REWRITE },
	{ "assigned-clock-rates", CLONE_REWRITE },
	{ "nvidia,bpmp", CLONE_REWRITE },
	/* references that are often to the device's own children */
	{ "phy-handle", CLONE_LOCAL },
	{ "phy", CLONE_LOCAL },
	{ "phy-device", CLONE_LOCAL },
	{ "remote-endpoint", CLONE_LOCAL },
	{ "snps,axi-config", CLONE_LOCAL },
	{ "snps,mtl-rx-config", CLONE_LOCAL },
	{ "snps,mtl-tx-config", CLONE_LOCAL },
	/* parts of the host that the guest has not */
	{ "access-controllers", CLONE_DROP },
	{ "assigned-clock-rates-u64", CLONE_DROP },
	{ "assigned-clock-sscs", CLONE_DROP },
	{ "backlight", CLONE_DROP },
	{ "cooling-device", CLONE_DROP },
	{ "ddc-i2c-bus", CLONE_DROP },
	{ "dma-names", CLONE_DROP },
	{ "dma-ranges", CLONE_DROP },
	{ "dmas", CLONE_DROP },
	{ "extcon", CLONE_DROP },
	{ "gpio", CLONE_DROP },
	{ "gpio-ranges", CLONE_DROP },
	{ "gpios", CLONE_DROP },
	{ "hwlocks", CLONE_DROP },
	{ "interconnect-names", CLONE_DROP },
	{ "interconnects", CLONE_DROP },
	{ "interrupt-map", CLONE_DROP },
	{ "interrupt-map-mask", CLONE_DROP },
	{ "interrupt-parent", CLONE_DROP },
	{ "interrupts-extended", CLONE_DROP },
	{ "io-channel-names", CLONE_DROP },
	{ "io-channels", CLONE_DROP },
	{ "iommu-map", CLONE_DROP },
	{ "iommu-map-mask", CLONE_DROP },
	{ "iommus", CLONE_DROP },
	{ "mbox-names", CLONE_DROP },
	{ "mboxes", CLONE_DROP },
	{ "memory-region", CLONE_DROP },
	{ "memory-region-names", CLONE_DROP },
	{ "mode-switch", CLONE_DROP },
	{ "msi-map", CLONE_DROP },
	{ "msi-map-mask", CLONE_DROP },
	{ "msi-parent", CLONE_DROP },
	{ "numa-node-id", CLONE_DROP },
	{ "nvidia,pmc", CLONE_DROP },
	{ "nvmem-cell-names", CLONE_DROP },
	{ "nvmem-cells", CLONE_DROP },
	{ "operating-points-v2", CLONE_DROP },
	{ "orientation-switch", CLONE_DROP },
	{ "panel", CLONE_DROP },
	{ "phy-names", CLONE_DROP },
	{ "phys", CLONE_DROP },
	{ "power-supplies", CLONE_DROP },
	{ "pwm-names", CLONE_DROP },
	{ "pwms", CLONE_DROP },
	{ "ranges", CLONE_DROP },
	{ "required-opps", CLONE_DROP },
	{ "sound-dai", CLONE_DROP },
	{ "thermal-sensors", CLONE_DROP },
	{ "usb-role-switch", CLONE_DROP },
	{ "wakeup-parent", CLONE_DROP },
};

/* Where the device's own node and a child differ. */
static const struct named_rule device_rules[] = {
	{ "compatible", CLONE_REWRITE },
	{ "interrupts", CLONE_REWRITE },
	{ "interrupt-names", CLONE_REWRITE },
	{ "reg", CLONE_REWRITE },
	{ "status", CLONE_REWRITE },
};

static const struct named_rule child_rules[] = {
	{ "interrupts", CLONE_DROP },
	{ "interrupt-names", CLONE_DROP },
};

static const struct named_rule *look_up(
	const struct named_rule *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	return NULL;
}

static bool ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), end_length = strlen(end);

	return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

enum clone_rule clone_rule_of(const char *property, bool child)
{
	const struct named_rule *rule = look_up(rules, ARRAY_SIZE(rules), property);

	if (rule == NULL)
		rule = child ? look_up(child_rules, ARRAY_SIZE(child_rules), property)
			     : look_up(device_rules, ARRAY_SIZE(device_rules), property);
	if (rule != NULL)
		return rule->rule;
	if (strncmp(property, "pinctrl-", strlen("pinctrl-")) == 0 ||
		ends_in(property, "-supply") || ends_in(property, "-gpio") ||
		ends_in(property, "-gpios"))
		return CLONE_DROP;
	return CLONE_COPY;
}

bool clone_copies_child(const struct host_node *node, const struct host_node *child)
{
	return host_node_property(node, "ranges") == NULL ||
		host_node_property(child, "reg") == NULL;
}
