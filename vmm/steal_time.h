/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stolen time (Arm DEN0057, paravirtualized time): where KVM tells the guest how long each vCPU was
 * kept from running, so that its scheduler does not count that as the work of a task. The guest
 * finds it by hypercalls, not in its tree. Event-loop thread.
 */
#ifndef VMM_STEAL_TIME_H
#define VMM_STEAL_TIME_H

struct device;
struct vm;

/* Returns 0 with *device, NULL where the host's KVM cannot or in a plan, or -errno (logged). */
int steal_time_create(struct vm *vm, struct device **device);

#endif
