/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Arm's PrimeCell peripherals (PL031, PL061) have in common: 32-bit registers in 4 KiB, id
 * registers at the end of them, one level interrupt, one clock named apb_pclk. Machine process.
 */
#ifndef DEVICES_PRIMECELL_H
#define DEVICES_PRIMECELL_H

#include "devices/device.h"
#include "vmm/base/mmio.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define PRIMECELL_SIZE	   0x1000ull

/* Peripheral id 0 to 3, then PrimeCell id 0 to 3: eight words with one byte each. */
#define PRIMECELL_FIRST_ID 0xfe0u

struct fdt_builder;
struct primecell;

/* What a peripheral is; constant. */
struct primecell_type {
	const char *name;	/* in the log, and the guest's node: "rtc" */
	const char *compatible; /* "arm,pl031\0arm,primecell" */
	size_t compatible_size; /* with the last NUL */
	uint64_t base;		/* where QEMU's `virt` board has it: existing guest trees know it */
	uint32_t spi;
	uint8_t peripheral_id[4];
	/* One word of the registers, with the lock held; `offset` is a multiple of 4. */
	uint32_t (*read)(struct primecell *cell, uint64_t offset);
	void (*write)(struct primecell *cell, uint64_t offset, uint32_t value);
	/* The least width in bytes of a store that changes a register: 1 where it has 8 bits. */
	unsigned int register_width;
};

/* Embedded by its peripheral. */
struct primecell {
	struct device device;
	struct mmio_region region;
	const struct primecell_type *type;
	uint32_t spi;
	pthread_mutex_t lock; /* of the peripheral's registers, and of the order of levels */
	bool line;
};

/*
 * Takes the address and the interrupt of the type, or the next free ones where an assigned device
 * has these already, and adds the registers to the bus. Returns 0 or -errno (logged).
 */
int primecell_init(struct primecell *cell, struct machine *machine,
	const struct primecell_type *type, const struct device_ops *ops);
void primecell_destroy(struct primecell *cell);

/* Opens the guest's node and writes what all of them have; the caller adds its own and ends it. */
void primecell_begin_node(const struct primecell *cell, struct fdt_builder *fdt);

/* With the lock held: the interrupt line, as the registers have it now. */
void primecell_set_line(struct primecell *cell, bool level);

#endif
