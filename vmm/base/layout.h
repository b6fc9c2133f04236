/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest-physical addresses and interrupts: every window of the guest is claimed here once, in
 * command-line order, before the VM exists. Nothing may overlap.
 */
#ifndef VMM_BASE_LAYOUT_H
#define VMM_BASE_LAYOUT_H

#include <stddef.h>
#include <stdint.h>

/* Shared peripheral interrupts, counted from 0 as in the device tree (INTID - 32). */
#define LAYOUT_MAX_SPI		  988

/* Kept for the BPMP's doorbell, its number on Tegra194 and 234: only layout_claim_spi() gives it.
 */
#define LAYOUT_BPMP_SPI		  176

/* The first of assigned devices', where nobody says otherwise. */
#define LAYOUT_PLATFORM_FIRST_SPI 112

struct layout_range {
	uint64_t base, size;
	char name[64];
};

/* Whoever has interrupts: devices, at most one name each. */
#define LAYOUT_MAX_OWNERS 96

struct layout {
	size_t count;
	struct layout_range ranges[256]; /* ascending by base */
	uint64_t platform_base, platform_size;
	uint32_t platform_first_spi;
	uint8_t spi_used[LAYOUT_MAX_SPI]; /* 0: free; else 1 + index of its owner, or UINT8_MAX */
	size_t owner_count;
	char owners[LAYOUT_MAX_OWNERS][40];
};

void layout_init(struct layout *layout);

/* Claims fixed addresses. Returns 0, -EINVAL (empty or wraps), -EEXIST (logged with both names) or
 * -ENOSPC. */
int layout_claim(struct layout *layout, const char *name, uint64_t base, uint64_t size);

/*
 * Claims the first free, naturally aligned place (`size` rounded up to a power of two, at least
 * 64 KiB) in [from, from + span). Returns 0 with *base, or -ENOSPC (logged).
 */
int layout_place(struct layout *layout, const char *name, uint64_t from, uint64_t span,
	uint64_t size, uint64_t *base);

/* As layout_place(), in the window for assigned devices. */
int layout_place_platform(struct layout *layout, const char *name, uint64_t size, uint64_t *base);

/* A given interrupt; -EEXIST or -ERANGE (logged). */
int layout_claim_spi(struct layout *layout, const char *name, uint32_t spi);

/* The first free interrupt from `from` on; -ENOSPC (logged). */
int layout_place_spi(struct layout *layout, const char *name, uint32_t from, uint32_t *spi);

/* The next free interrupt for an assigned device, or for a virtio device (from 16). */
int layout_place_platform_spi(struct layout *layout, const char *name, uint32_t *spi);
int layout_place_virtio_spi(struct layout *layout, const char *name, uint32_t *spi);

/* Who has this interrupt; NULL: nobody. */
const char *layout_spi_owner(const struct layout *layout, uint32_t spi);

#endif
