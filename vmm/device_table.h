/* SPDX-License-Identifier: Apache-2.0 */
/* Which devices a VM gets, and in which order. */
#ifndef VMM_DEVICE_TABLE_H
#define VMM_DEVICE_TABLE_H

struct vm;

/* Creates the devices that the options ask for, in the order of the table. Returns 0 or -errno
 * (logged); what was created is in vm->devices either way. */
int devices_create(struct vm *vm);

/* One phase of every device's life, down the table; the first error ends it. */
int devices_attach(struct vm *vm);
int devices_arm(struct vm *vm);
void devices_quiesce(struct vm *vm);

/* Up the table. */
void devices_destroy(struct vm *vm);

#endif
