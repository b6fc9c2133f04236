/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vCPUs: their descriptors, which are replaced with the VM, and their threads, which live as long
 * as the machine and wait at a gate while no guest runs. Event-loop thread only.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <stdbool.h>

struct machine;
struct vm;

/* Creates the descriptors for the VM that is there. Returns 0 or -errno (logged). */
int vcpus_create(struct vm *vm);
void vcpus_close(struct vm *vm);

/* Registers as the arm64 boot protocol wants them on the first vCPU. Returns 0 or -errno. */
int vcpus_set_boot_registers(struct vm *vm);

/* Starts the threads; returns once each has locked itself in, or -EPERM if one could not. */
int vcpus_start_threads(struct vm *vm);

/* Opens the gate: the guest runs. */
void vcpus_run(struct vm *vm);

/*
 * Closes the gate and returns when every vCPU is out of KVM_RUN and of register accesses: false
 * where it was closed already.
 */
bool vcpus_pause(struct vm *vm);

/* For struct machine. */
void vcpus_stay_out(struct machine *machine, void (*act)(void *context), void *context);

/* Ends the threads; the gate is closed. */
void vcpus_join(struct vm *vm);

#endif
