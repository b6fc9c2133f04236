/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's part of the proxy face: the window on the bus, and the vCPU thread that waits for
 * the worker while it carries a request out.
 *
 * On the fast path the window is a read-only memory slot, so loads do not exit, and KVM coalesces
 * the stores on either side of the trigger. What a guest loads is then as old as the last exit of
 * any of its vCPUs: before the trigger its own stores need not be there. After it they are.
 */
#ifndef DEVICES_BPMP_WINDOW_DEVICE_H
#define DEVICES_BPMP_WINDOW_DEVICE_H

#include "devices/bpmp/supervisor.h"
#include "devices/bpmp/window.h"
#include "devices/bpmp/window_link.h"
#include "devices/device.h"
#include "vmm/base/mmio.h"
#include "vmm/base/register_page.h"

#include <pthread.h>

/* Claimed: whole pages of any host, so that the window can become a memory slot. */
#define BPMP_WINDOW_CLAIM    0x10000ull

/* How long a request may keep a stopping VM. */
#define BPMP_WINDOW_GRACE_MS 1000

struct bpmp_window_device {
	struct device device;
	struct mmio_region region;
	struct bpmp_window window;
	/* Held from a trigger to its answer, so that requests of several vCPUs follow each other;
	 * `access` only for moments, so that other vCPUs' plain stores go on meanwhile. `requests`
	 * is taken first. */
	pthread_mutex_t requests, access;
	struct bpmp_window_link link; /* under `requests` */
	bool complained;	      /* under `requests`: once for each boot */
	int worker_fd;		      /* the link's other end, until the worker has it */
	struct bpmp_supervisor supervisor;
	struct register_page page; /* behind the window on the fast path; else closed */
	_Alignas(8) unsigned char bytes[BPMP_WINDOW_SIZE];
};

/* What both ends need before there is a worker: locks, bytes, the region. */
void bpmp_window_device_init(
	struct bpmp_window_device *window, struct machine *machine, uint64_t base);

/* Puts the window into a page of its own, before the VM is there. Returns 0 or -errno (logged). */
int bpmp_window_make_fast(struct bpmp_window_device *window);

/* attach, see struct device_ops. */
int bpmp_window_attach(struct device *device);

/* Writes /bpmp with machine->bpmp_phandle, and /__symbols__ for overlays that name &bpmp. */
int bpmp_window_describe(struct device *device, struct fdt_builder *fdt);

#endif
