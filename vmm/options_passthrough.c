/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options_passthrough.h"

#include "vmm/base/util.h"
#include "vmm/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One `--passthrough` as it is written; vfio_options is what it means. */
struct passthrough_text {
	const char *device, *compatible, *address;
	bool unsafe_noiommu;
};

static const struct value_field passthrough_fields[] = {
	{ "device", VALUE_STRING, offsetof(struct passthrough_text, device), NULL },
	{ "compatible", VALUE_COMPATIBLE, offsetof(struct passthrough_text, compatible), NULL },
	{ "address", VALUE_STRING, offsetof(struct passthrough_text, address), NULL },
	{ "unsafe-noiommu", VALUE_BOOL, offsetof(struct passthrough_text, unsafe_noiommu), NULL },
};

/* Where the guest finds its regions: "host", or an address for each. */
static int parse_addresses(
	struct vfio_options *device, const char *text, char *problem, size_t size)
{
	static const struct value_field field = { "address", VALUE_LIST, 0, NULL };
	struct value_list addresses = { 0 };

	if (strcmp(text, "host") == 0) {
		device->address_host = true;
		return 0;
	}
	if (value_parse(text, &field, 1, &addresses, problem, size))
		return -EINVAL;
	if (addresses.count > VFIO_MAX_REGIONS) {
		snprintf(problem, size, "at most %d addresses", VFIO_MAX_REGIONS);
		return -EINVAL;
	}
	device->address_count = addresses.count;
	memcpy(device->addresses, addresses.items, addresses.count * sizeof(addresses.items[0]));
	return 0;
}

int options_parse_passthrough(struct options *options, const char *text, char *problem, size_t size)
{
	struct passthrough_text given = { 0 };
	struct vfio_options *device;

	if (value_parse(text, passthrough_fields, ARRAY_SIZE(passthrough_fields), &given, problem,
		    size))
		return -EINVAL;
	if (!given.device || strchr(given.device, '/')) {
		snprintf(problem, size,
			"give the device's name under /sys/bus/platform/devices, without a path");
		return -EINVAL;
	}
	if (options->passthrough_count == MAX_PASSTHROUGH) {
		snprintf(problem, size, "at most %d devices", MAX_PASSTHROUGH);
		return -EINVAL;
	}
	for (size_t i = 0; i < options->passthrough_count; i++) {
		if (strcmp(options->passthrough[i].device, given.device) == 0) {
			snprintf(problem, size, "the device is given twice");
			return -EINVAL;
		}
	}
	device = &options->passthrough[options->passthrough_count];
	*device = (struct vfio_options){
		.device = given.device,
		.compatible = given.compatible,
		.unsafe_noiommu = given.unsafe_noiommu,
	};
	if (given.address && parse_addresses(device, given.address, problem, size))
		return -EINVAL;
	options->passthrough_count++;
	return 0;
}
