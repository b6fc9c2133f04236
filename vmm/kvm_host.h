/* SPDX-License-Identifier: Apache-2.0 */
/* /dev/kvm and the creation of a VM; vmm/base/kvm.h is what devices use of it. */
#ifndef VMM_KVM_HOST_H
#define VMM_KVM_HOST_H

#include "vmm/base/kvm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Opens /dev/kvm and checks it. Returns 0 or -errno with a line logged that names the remedy. */
int kvm_host_open(struct kvm_vm *vm, size_t *run_size);

/* Whether registers can be read without exits here; logged if not. */
bool kvm_host_has_fast_path(const struct kvm_vm *vm);

/* The width of the host's guest-physical addresses, in bits. */
uint32_t kvm_host_ipa_bits(const struct kvm_vm *vm);

/* Creates an empty VM of `ipa_bits` guest-physical address bits. Returns 0 or -errno (logged). */
int kvm_host_create_vm(struct kvm_vm *vm, uint32_t ipa_bits);

/* Closes the VM: memory slots and irqfds go with it. /dev/kvm stays open. */
void kvm_host_close_vm(struct kvm_vm *vm);

#endif
