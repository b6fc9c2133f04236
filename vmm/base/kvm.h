/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The KVM VM as devices see it: memory slots, interrupt lines, eventfds. A guest reset replaces
 * the descriptors inside; the structure and its address stay, and every memory slot, irqfd and
 * line level of before is gone. Functions may be called from any thread unless said otherwise;
 * none while the VM is being replaced (all vCPUs are out then).
 */
#ifndef VMM_BASE_KVM_H
#define VMM_BASE_KVM_H

#include <stdbool.h>
#include <stdint.h>

#define KVM_MAX_SLOTS 256

struct kvm_vm {
	int kvm_fd;
	int fd;		/* -1 while there is no VM */
	int vgic_fd;	/* the same */
	bool coalesces; /* stores to zones of kvm_vm_coalesce() are carried out later */
	bool slot_used[KVM_MAX_SLOTS];
};

/*
 * Gives the guest `size` bytes at `gpa`, backed by `host`; all three multiples of the host's
 * page size. Event-loop thread only. Returns the slot, for kvm_vm_unmap(), or -errno.
 */
int kvm_vm_map(struct kvm_vm *vm, uint64_t gpa, void *host, uint64_t size, bool read_only);
void kvm_vm_unmap(struct kvm_vm *vm, int slot);

/* Sets the level of a shared peripheral interrupt; `spi` counts from 0 (INTID - 32). */
int kvm_vm_set_spi(struct kvm_vm *vm, uint32_t spi, bool level);

/*
 * Presets whether `spi` is level-triggered or edge-triggered, as a guest's GICD_ICFGR write would:
 * with level, an assertion from before the guest's driver is held in the line's level, which no
 * guest write clears. After the VGIC's initialisation, with no vCPU running. Returns 0 or -errno.
 */
int kvm_vm_set_spi_trigger(struct kvm_vm *vm, uint32_t spi, bool level);

/*
 * Ties an eventfd to an interrupt: each signal of `event_fd` injects `spi`. With `resample_fd`
 * >= 0 the line is level: it stays up until the guest's end of interrupt, which signals
 * `resample_fd`. Works after the VGIC's initialisation only. Returns 0 or -errno.
 */
int kvm_vm_irqfd(struct kvm_vm *vm, uint32_t spi, int event_fd, int resample_fd);
int kvm_vm_irqfd_remove(struct kvm_vm *vm, uint32_t spi, int event_fd);

/*
 * A guest's store of exactly `width` bytes (1, 2, 4, 8) at `gpa` signals `event_fd` and does
 * nothing else: no exit to user space. With `match` only a store of that value, others go on as
 * before. Where several match one store, the first that was tied gets it. Goes with the VM.
 * Returns 0 or -errno (logged).
 */
int kvm_vm_ioeventfd(
	struct kvm_vm *vm, uint64_t gpa, unsigned int width, const uint64_t *match, int event_fd);

/*
 * A guest's stores inside [gpa, gpa + size) may be kept, in order, until some vCPU exits for
 * another reason, and are carried out then (vmm/coalesced.h). Goes with the VM. Returns 0,
 * -EOPNOTSUPP where KVM cannot (each store exits then), or -errno (logged).
 */
int kvm_vm_coalesce(struct kvm_vm *vm, uint64_t gpa, uint32_t size);

#endif
