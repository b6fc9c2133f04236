/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's power key: a gpio-keys node on line 3 of a PL061 GPIO block, as QEMU's `virt` board
 * has it, so that any arm64 distribution powers down in its own way when it is pressed. Registers:
 * Arm DDI 0190B. Machine process.
 */
#ifndef DEVICES_GPIO_PL061_H
#define DEVICES_GPIO_PL061_H

struct device;
struct machine;

/* Returns 0 with *device, or -errno (logged). */
int gpio_create(struct machine *machine, struct device **device);

/*
 * Presses the power key, from the event-loop thread; returns at once. It stays down for at least
 * 100 ms, and until the guest has looked at it: a guest that is slow, or has no driver yet, finds
 * it pressed later. Pressed again while it is down it is held for longer. A reset of the guest
 * lets it go.
 */
void gpio_press_power_key(struct device *device);

#endif
