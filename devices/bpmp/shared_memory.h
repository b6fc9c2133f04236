/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trapped accesses of the guest to memory that the BPMP worker has mapped: one load or store of
 * the guest becomes one of the machine, so that neither end sees half a counter.
 */
#ifndef DEVICES_BPMP_SHARED_MEMORY_H
#define DEVICES_BPMP_SHARED_MEMORY_H

#include "vmm/base/mmio.h"

/* Embedded in a device. */
struct bpmp_shared_memory {
	struct mmio_region region;
	unsigned char *memory; /* region.size bytes, aligned to 8 */
};

extern const struct mmio_ops bpmp_shared_memory_ops;

#endif
