/* SPDX-License-Identifier: Apache-2.0 */
/* The panic report of a stock arm64 guest: QEMU's pvpanic, docs/specs/pvpanic.rst there. */
#ifndef DEVICES_PVPANIC_H
#define DEVICES_PVPANIC_H

struct device;
struct machine;

/* Returns 0 with *device, or -errno (logged). */
int pvpanic_create(struct machine *machine, struct device **device);

#endif
