/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's early UART: a 16550A that a kernel can write to from its first line on, long before
 * it has a virtio console. The registers are in the machine; a jailed worker has the other end.
 */
#ifndef DEVICES_SERIAL_SERIAL_H
#define DEVICES_SERIAL_SERIAL_H

#include "devices/virtio/console.h"

#include <stdint.h>

struct device;
struct machine;

/* Where QEMU's `virt` has its UART: existing guest trees and earlycon= words know it. */
#define SERIAL_BASE 0x09000000ull
#define SERIAL_SPI  1u

/*
 * Opens the other end, starts the worker and adds the registers. Returns 0 with *device, or -errno
 * with a line logged that names cause and remedy.
 */
int serial_create(
	struct machine *machine, const struct console_options *options, struct device **device);

/* Where its registers are, for /chosen/stdout-path. */
uint64_t serial_base(struct device *device);

/* The worker's main; returns its exit status. */
int serial_worker_main(int argc, char **argv);

#endif
