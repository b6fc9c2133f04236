/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/mmio.h"

#include "vmm/base/log.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

int mmio_bus_add(struct mmio_bus *bus, struct mmio_region *region)
{
	uint64_t last;
	size_t place;

	if (region->size == 0 || __builtin_add_overflow(region->base, region->size - 1, &last))
		return -EINVAL;
	if (bus->count == MMIO_BUS_MAX_REGIONS)
		return -ENOSPC;

	for (place = 0; place < bus->count; place++)
		if (bus->regions[place]->base > region->base)
			break;
	if (place < bus->count && bus->regions[place]->base <= last) {
		log_error("%s at 0x%" PRIx64 " overlaps %s", region->name, region->base,
			bus->regions[place]->name);
		return -EEXIST;
	}
	if (place > 0) {
		const struct mmio_region *below = bus->regions[place - 1];

		if (region->base - below->base < below->size) {
			log_error("%s at 0x%" PRIx64 " overlaps %s", region->name, region->base,
				below->name);
			return -EEXIST;
		}
	}
	for (size_t i = bus->count; i > place; i--)
		bus->regions[i] = bus->regions[i - 1];
	bus->regions[place] = region;
	bus->count++;
	return 0;
}

static struct mmio_region *find(const struct mmio_bus *bus, uint64_t gpa, unsigned int width)
{
	size_t low = 0, high = bus->count;

	/* The last region that starts at or below gpa. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (bus->regions[middle]->base <= gpa)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;

	struct mmio_region *region = bus->regions[low - 1];
	uint64_t offset = gpa - region->base;

	if (offset >= region->size || width > region->size - offset)
		return NULL;
	return region;
}

bool mmio_bus_access(const struct mmio_bus *bus, uint64_t gpa, uint8_t data[8], unsigned int width,
	bool is_write)
{
	struct mmio_region *region = NULL;
	uint64_t value = 0;

	if (width == 1 || width == 2 || width == 4 || width == 8)
		region = find(bus, gpa, width);
	if (!region) {
		if (!is_write)
			memset(data, 0, 8);
		return false;
	}
	if (is_write) {
		memcpy(&value, data, width);
		region->ops->write(region, gpa - region->base, width, le64toh(value));
	} else {
		value = htole64(region->ops->read(region, gpa - region->base, width));
		memset(data, 0, 8);
		memcpy(data, &value, width);
	}
	return true;
}

uint64_t mmio_read_words(struct mmio_region *region, uint64_t offset, unsigned int width,
	uint32_t (*read_word)(struct mmio_region *region, uint64_t offset))
{
	uint64_t value = 0;

	for (uint64_t at = offset & ~3ull; at < offset + width; at += 4) {
		uint64_t word = read_word(region, at);

		value |= at < offset ? word >> (offset - at) * 8 : word << (at - offset) * 8;
	}
	return width < sizeof(value) ? value & ((1ull << width * 8) - 1) : value;
}
