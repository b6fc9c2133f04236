/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MMIO bus: which register file answers a guest-physical address. Filled before the first
 * vCPU runs and constant afterwards, so look-ups take no lock; register files have one each.
 */
#ifndef VMM_BASE_MMIO_H
#define VMM_BASE_MMIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmio_region;

/*
 * Called on vCPU threads, several at once. `width` is 1, 2, 4 or 8; [offset, offset + width) is
 * inside the region, but offset need not be a multiple of width.
 */
struct mmio_ops {
	uint64_t (*read)(struct mmio_region *region, uint64_t offset, unsigned int width);
	void (*write)(
		struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value);
};

/* Embedded in a device; lives as long as the bus. */
struct mmio_region {
	const char *name;
	uint64_t base; /* guest-physical */
	uint64_t size; /* bytes */
	const struct mmio_ops *ops;
};

#define MMIO_BUS_MAX_REGIONS 256

struct mmio_bus {
	size_t count;
	struct mmio_region *regions[MMIO_BUS_MAX_REGIONS]; /* ascending, without overlap */
};

/* Returns 0, -EINVAL (empty or wraps), -EEXIST (overlaps, logged) or -ENOSPC. */
int mmio_bus_add(struct mmio_bus *bus, struct mmio_region *region);

/*
 * Carries out one guest access of `width` bytes at `gpa`, little-endian in `data`. False when no
 * region holds all of it or width is none of 1, 2, 4, 8: then a read gives zeroes and a write
 * does nothing.
 */
bool mmio_bus_access(const struct mmio_bus *bus, uint64_t gpa, uint8_t data[8], unsigned int width,
	bool is_write);

/*
 * For register files of 32-bit words: the `width` bytes at `offset`, of any width and place, out of
 * the words that they touch. Each word is read once, so that its bytes fit together.
 */
uint64_t mmio_read_words(struct mmio_region *region, uint64_t offset, unsigned int width,
	uint32_t (*read_word)(struct mmio_region *region, uint64_t offset));

#endif
