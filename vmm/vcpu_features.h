/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU has beyond the architecture's base (Documentation/virt/kvm/api.rst, 4.82): what the
 * host's CPU has and KVM passes on, scalable vectors and pointer authentication; and what costs
 * something and is asked for, performance counters.
 */
#ifndef VMM_VCPU_FEATURES_H
#define VMM_VCPU_FEATURES_H

struct kvm_vcpu_init;
struct vm;

/* The counters' interrupt, a PPI: INTID 23, as Arm's Base System Architecture has it. */
#define VCPU_PMU_PPI 7

/* Adds the features to what KVM_ARM_VCPU_INIT is given. Returns 0, or -ENODEV (logged). */
int vcpu_features_choose(const struct vm *vm, struct kvm_vcpu_init *init);

/* After KVM_ARM_VCPU_INIT, before anything else of the vCPU. Returns 0 or -errno. */
int vcpu_features_finalize(int vcpu_fd, const struct kvm_vcpu_init *init);

/* After the VGIC's initialisation: its interrupt is tied to it. Returns 0 or -errno (logged). */
int vcpus_start_counters(const struct vm *vm);

#endif
