/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/layout.h"

#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The largest page of an arm64 host: a window of this size can become a memory slot anywhere. */
#define LARGEST_PAGE	 0x10000ull

#define VIRTIO_FIRST_SPI 16

/* QEMU's `virt` has its platform bus here; existing hand-written guest trees expect it. */
#define PLATFORM_BASE	 0x0c000000ull
#define PLATFORM_SIZE	 0x02000000ull

void layout_init(struct layout *layout)
{
	memset(layout, 0, sizeof(*layout));
	layout->platform_base = PLATFORM_BASE;
	layout->platform_size = PLATFORM_SIZE;
	layout->platform_first_spi = LAYOUT_PLATFORM_FIRST_SPI;
}

/* The first range that ends above `base`; layout->count when there is none. */
static size_t first_above(const struct layout *layout, uint64_t base)
{
	size_t i;

	for (i = 0; i < layout->count; i++)
		if (layout->ranges[i].base + (layout->ranges[i].size - 1) >= base)
			break;
	return i;
}

static void insert(
	struct layout *layout, size_t place, const char *name, uint64_t base, uint64_t size)
{
	struct layout_range *range = &layout->ranges[place];

	memmove(range + 1, range, (layout->count - place) * sizeof(*range));
	range->base = base;
	range->size = size;
	snprintf(range->name, sizeof(range->name), "%s", name);
	layout->count++;
}

int layout_claim(struct layout *layout, const char *name, uint64_t base, uint64_t size)
{
	uint64_t last;
	size_t place;

	if (size == 0 || __builtin_add_overflow(base, size - 1, &last)) {
		log_error("%s: 0x%" PRIx64 " bytes at 0x%" PRIx64 " do not fit the address space",
			name, size, base);
		return -EINVAL;
	}
	if (layout->count == ARRAY_SIZE(layout->ranges)) {
		log_error("%s: the guest has too many address ranges", name);
		return -ENOSPC;
	}
	place = first_above(layout, base);
	if (place < layout->count && layout->ranges[place].base <= last) {
		log_error("%s at 0x%" PRIx64 "-0x%" PRIx64 " overlaps %s at 0x%" PRIx64
			  "-0x%" PRIx64
			  "; choose another one with --passthrough address=, --memory base= or "
			  "--platform",
			name, base, last, layout->ranges[place].name, layout->ranges[place].base,
			layout->ranges[place].base + layout->ranges[place].size - 1);
		return -EEXIST;
	}
	insert(layout, place, name, base, size);
	return 0;
}

int layout_place(struct layout *layout, const char *name, uint64_t from, uint64_t span,
	uint64_t size, uint64_t *base)
{
	uint64_t step = LARGEST_PAGE, candidate, last, next;
	size_t place;

	if (size == 0 || size > span)
		goto full;
	if (layout->count == ARRAY_SIZE(layout->ranges))
		goto full;
	while (step < size)
		if (__builtin_mul_overflow(step, 2, &step))
			goto full;
	if (!align_up(from, step, &candidate))
		goto full;
	for (;;) {
		if (__builtin_add_overflow(candidate, step - 1, &last) || last - from >= span)
			goto full;
		place = first_above(layout, candidate);
		if (place == layout->count || layout->ranges[place].base > last)
			break;
		/* The first place behind what is there. */
		next = layout->ranges[place].base + (layout->ranges[place].size - 1);
		if (__builtin_add_overflow(next, 1, &next) || !align_up(next, step, &candidate))
			goto full;
	}
	insert(layout, place, name, candidate, step);
	*base = candidate;
	return 0;

full:
	log_error("%s: no free 0x%" PRIx64 " bytes between 0x%" PRIx64 " and 0x%" PRIx64
		  "; widen the window with --platform",
		name, size, from, from + (span - 1));
	return -ENOSPC;
}

int layout_place_platform(struct layout *layout, const char *name, uint64_t size, uint64_t *base)
{
	return layout_place(layout, name, layout->platform_base, layout->platform_size, size, base);
}

/* The entry of spi_used for `name`. */
static uint8_t owner(struct layout *layout, const char *name)
{
	for (size_t i = 0; i < layout->owner_count; i++)
		if (strncmp(layout->owners[i], name, sizeof(layout->owners[i]) - 1) == 0)
			return (uint8_t)(i + 1);
	if (layout->owner_count == LAYOUT_MAX_OWNERS)
		return UINT8_MAX;
	snprintf(layout->owners[layout->owner_count], sizeof(layout->owners[0]), "%s", name);
	return (uint8_t)++layout->owner_count;
}

const char *layout_spi_owner(const struct layout *layout, uint32_t spi)
{
	if (spi >= LAYOUT_MAX_SPI || !layout->spi_used[spi])
		return NULL;
	if (layout->spi_used[spi] > layout->owner_count)
		return "one of too many to name";
	return layout->owners[layout->spi_used[spi] - 1];
}

int layout_claim_spi(struct layout *layout, const char *name, uint32_t spi)
{
	if (spi >= LAYOUT_MAX_SPI) {
		log_error("%s: interrupt %u is beyond the GIC's %u; lower --platform first-spi",
			name, spi, LAYOUT_MAX_SPI);
		return -ERANGE;
	}
	if (layout->spi_used[spi]) {
		log_error("%s: interrupt %u is taken; move the devices with --platform first-spi",
			name, spi);
		return -EEXIST;
	}
	layout->spi_used[spi] = owner(layout, name);
	return 0;
}

static int place_spi(struct layout *layout, const char *name, uint32_t first, uint32_t *spi)
{
	for (uint32_t i = first; i < LAYOUT_MAX_SPI; i++) {
		if (layout->spi_used[i] || i == LAYOUT_BPMP_SPI)
			continue;
		layout->spi_used[i] = owner(layout, name);
		*spi = i;
		return 0;
	}
	log_error(
		"%s: no interrupt is free from %u on; lower first-spi of --platform", name, first);
	return -ENOSPC;
}

int layout_place_spi(struct layout *layout, const char *name, uint32_t from, uint32_t *spi)
{
	return place_spi(layout, name, from, spi);
}

int layout_place_platform_spi(struct layout *layout, const char *name, uint32_t *spi)
{
	return place_spi(layout, name, layout->platform_first_spi, spi);
}

int layout_place_virtio_spi(struct layout *layout, const char *name, uint32_t *spi)
{
	return place_spi(layout, name, VIRTIO_FIRST_SPI, spi);
}
