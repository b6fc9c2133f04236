/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/kvm.h"

#include "vmm/base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

int kvm_vm_map(struct kvm_vm *vm, uint64_t gpa, void *host, uint64_t size, bool read_only)
{
	struct kvm_userspace_memory_region region = {
		.flags = read_only ? KVM_MEM_READONLY : 0,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};
	int slot, error;

	for (slot = 0; slot < KVM_MAX_SLOTS; slot++)
		if (!vm->slot_used[slot])
			break;
	if (slot == KVM_MAX_SLOTS)
		return -ENOSPC;
	region.slot = (uint32_t)slot;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) < 0) {
		error = -errno;
		log_error("KVM refuses 0x%" PRIx64 " bytes at guest address 0x%" PRIx64 ": %s",
			size, gpa, strerror(-error));
		return error;
	}
	vm->slot_used[slot] = true;
	return slot;
}

void kvm_vm_unmap(struct kvm_vm *vm, int slot)
{
	struct kvm_userspace_memory_region region = { .memory_size = 0 };

	if (slot < 0 || slot >= KVM_MAX_SLOTS || !vm->slot_used[slot])
		return;
	region.slot = (uint32_t)slot;
	ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
	vm->slot_used[slot] = false;
}

int kvm_vm_set_spi(struct kvm_vm *vm, uint32_t spi, bool level)
{
	struct kvm_irq_level line = {
		.irq = KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | (spi + 32),
		.level = level,
	};

	return ioctl(vm->fd, KVM_IRQ_LINE, &line) < 0 ? -errno : 0;
}

/* GICD_ICFGRn: two bits an interrupt, 0b10 edge, 0b00 level (GIC architecture, 12.9.9). */
#define GICD_ICFGR 0xc00u

int kvm_vm_set_spi_trigger(struct kvm_vm *vm, uint32_t spi, bool level)
{
	uint32_t interrupt = spi + 32, shift = interrupt % 16 * 2, value = 0;
	struct kvm_device_attr attr = {
		.group = KVM_DEV_ARM_VGIC_GRP_DIST_REGS,
		.attr = GICD_ICFGR + interrupt / 16 * 4,
		.addr = (uintptr_t)&value,
	};

	if (ioctl(vm->vgic_fd, KVM_GET_DEVICE_ATTR, &attr) < 0)
		return -errno;
	value &= ~(3u << shift);
	if (!level)
		value |= 2u << shift;
	return ioctl(vm->vgic_fd, KVM_SET_DEVICE_ATTR, &attr) < 0 ? -errno : 0;
}

int kvm_vm_irqfd(struct kvm_vm *vm, uint32_t spi, int event_fd, int resample_fd)
{
	/* arm64's default routing: GSI n is SPI n (arch/arm64/kvm/vgic/vgic-irqfd.c). */
	struct kvm_irqfd irqfd = { .fd = (uint32_t)event_fd, .gsi = spi };

	if (resample_fd >= 0) {
		irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
		irqfd.resamplefd = (uint32_t)resample_fd;
	}
	return ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int kvm_vm_irqfd_remove(struct kvm_vm *vm, uint32_t spi, int event_fd)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)event_fd,
		.gsi = spi,
		.flags = KVM_IRQFD_FLAG_DEASSIGN,
	};

	return ioctl(vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

int kvm_vm_ioeventfd(
	struct kvm_vm *vm, uint64_t gpa, unsigned int width, const uint64_t *match, int event_fd)
{
	struct kvm_ioeventfd ioeventfd = {
		.addr = gpa,
		.len = width,
		.fd = event_fd,
		.datamatch = match != NULL ? *match : 0,
		.flags = match != NULL ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0,
	};
	int error;

	if (ioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd) == 0)
		return 0;
	error = -errno;
	log_error("KVM ties no eventfd to guest address 0x%" PRIx64 ": %s; try --fast-path off",
		gpa, strerror(-error));
	return error;
}

int kvm_vm_coalesce(struct kvm_vm *vm, uint64_t gpa, uint32_t size)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = gpa, .size = size };
	int error;

	if (!vm->coalesces)
		return -EOPNOTSUPP;
	if (ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone) < 0) {
		error = -errno;
		log_error("KVM refuses to coalesce stores at guest address 0x%" PRIx64 ": %s", gpa,
			strerror(-error));
		return error;
	}
	return 0;
}
