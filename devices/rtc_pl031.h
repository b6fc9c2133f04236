/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's clock chip, a PL031: seconds since 1970 as the host has them, moved by what the guest
 * sets, and an alarm. Registers: Arm DDI 0224B. Machine process.
 */
#ifndef DEVICES_RTC_PL031_H
#define DEVICES_RTC_PL031_H

struct device;
struct machine;

/* Returns 0 with *device, or -errno (logged). */
int rtc_create(struct machine *machine, struct device **device);

#endif
