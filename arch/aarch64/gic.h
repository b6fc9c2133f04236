/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's interrupt controller, in KVM (Documentation/virt/kvm/devices/arm-vgic.rst and
 * arm-vgic-v3.rst). Its addresses are those of QEMU's `virt`, which hand-written trees expect.
 */
#ifndef ARCH_AARCH64_GIC_H
#define ARCH_AARCH64_GIC_H

#include <stdint.h>

struct fdt_builder;
struct kvm_vm;
struct layout;

/* A GICv2's interrupts name their targets in 8 bits. */
#define GIC_V2_MAX_CPUS 8

/* As many redistributors as there is room for from 0x080a0000 to 0x09000000 in QEMU's `virt`. */
#define GIC_V3_MAX_CPUS 123

enum gic_version { GIC_NONE, GIC_V2 = 2, GIC_V3 = 3 };

struct gic {
	enum gic_version version;
	uint32_t cpus;
	uint32_t interrupts; /* SGIs, PPIs and SPIs: a multiple of 32, 64 to 1024 */
};

/*
 * The best version that the host offers, or the `wanted` one. `vm` is open. Returns 0, or -ENODEV
 * (logged) where KVM has no such VGIC, or one for fewer than gic->cpus CPUs.
 */
int gic_choose(struct gic *gic, const struct kvm_vm *vm, enum gic_version wanted);

/* Claims the addresses for gic->cpus CPUs. */
int gic_claim(const struct gic *gic, struct layout *layout);

/* Creates the VGIC of a new VM whose vCPUs exist, and initialises it. Returns 0 or -errno. */
int gic_create(const struct gic *gic, struct kvm_vm *vm);

/* Writes the node; `phandle` becomes the root's interrupt-parent. */
void gic_describe(const struct gic *gic, struct fdt_builder *fdt, uint32_t phandle);

#endif
