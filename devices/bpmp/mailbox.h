/* SPDX-License-Identifier: Apache-2.0 */
/* The BPMP's mailbox face: what an unmodified mainline kernel for Tegra234 expects. */
#ifndef DEVICES_BPMP_MAILBOX_H
#define DEVICES_BPMP_MAILBOX_H

#include "devices/bpmp/hsp.h"
#include "devices/bpmp/shared_memory.h"
#include "devices/bpmp/supervisor.h"
#include "devices/device.h"

/*
 * The chip's identity: Linux reads it before it trusts the doorbell. Base and sizes as in
 * Tegra234's device tree; the second window holds the straps, which read as 0.
 */
#define BPMP_MISC_BASE	      0x00100000ull
#define BPMP_MISC_SIZE	      0xf000ull
#define BPMP_STRAPS_SIZE      0x1000ull
#define BPMP_MISC_CHIP_ID     0x4ull
#define BPMP_CHIP_ID_TEGRA234 0x00012347u

struct bpmp_mailbox {
	struct device device;
	struct bpmp_hsp hsp;
	struct bpmp_shared_memory shared;
	struct mmio_region misc;
	bool fast; /* the shared memory is a slot, rings and answers pass by the machine */
	int shared_fd, doorbell_fd;
	struct event_source answer; /* eventfd: the worker rings the guest; trapping: watched */
	struct bpmp_supervisor supervisor;
};

/* The chip's identity, and 0 elsewhere, in accesses of any width. */
extern const struct mmio_ops bpmp_misc_ops;

/* Writes the nodes misc, hsp, sram and bpmp; the last with machine->bpmp_phandle. */
int bpmp_mailbox_describe(struct device *device, struct fdt_builder *fdt);

#endif
