/* SPDX-License-Identifier: Apache-2.0 */
/* A host with one device for VFIO, in a fixture directory, and a kernel that traces what is asked.
 */
#ifndef TESTS_UNIT_VFIO_FAKE_H
#define TESTS_UNIT_VFIO_FAKE_H

#include "devices/vfio/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the kernel of the test answers; vfio_fake_create() sets what works. */
struct vfio_fake {
	struct vfio_host host;
	int device_fd; /* a memfd: offsets are those of the regions */
	uint32_t device_flags, region_count, irq_count;
	uint64_t region_size[4];
	uint32_t region_flags[4];
	uint32_t irq_flags[4];
	bool viable;
	bool type1v2;
	/* The request that fails (0: none), and how. */
	unsigned long failing_request;
	int failure; /* errno */
};
extern struct vfio_fake vfio_fake;

/*
 * 3100000.serial, bound to vfio-platform, in IOMMU group 5 with a node in /dev/vfio, and a host
 * tree with its node; one region that can be mapped, one level interrupt.
 */
void vfio_fake_create(void);
void vfio_fake_remove(void);

#endif
