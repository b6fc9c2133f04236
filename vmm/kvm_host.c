/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/kvm_host.h"

#include "arch/aarch64/cache.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

/* KVM's width where it does not let the VMM choose (Documentation/virt/kvm/api.rst, 4.2). */
#define DEFAULT_IPA_BITS 40

static const struct {
	int capability;
	const char *name;
} required[] = {
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_ARM_PSCI_0_2, "KVM_CAP_ARM_PSCI_0_2" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IRQFD_RESAMPLE, "KVM_CAP_IRQFD_RESAMPLE" },
	{ KVM_CAP_DEVICE_CTRL, "KVM_CAP_DEVICE_CTRL" },
};

int kvm_host_open(struct kvm_vm *vm, size_t *run_size)
{
	int error, size;

	vm->fd = vm->vgic_fd = -1;
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0) {
		error = -errno;
		if (error == -ENOENT)
			log_error("/dev/kvm is missing; boot the host at EL2 with a kernel that "
				  "has CONFIG_KVM");
		else if (error == -EACCES)
			log_error("/dev/kvm: permission denied; add this user to the group that "
				  "owns it (often kvm)");
		else
			log_error("/dev/kvm: %s", strerror(-error));
		return error;
	}
	if (ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		log_error("/dev/kvm is not a KVM of API version %d", KVM_API_VERSION);
		return -ENODEV;
	}
	for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
		if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, required[i].capability) <= 0) {
			log_error("the host's KVM lacks %s; use a kernel of version 6.1 or later",
				required[i].name);
			return -ENODEV;
		}
	}
	size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run)) {
		log_error("the host's KVM announces no vCPU page");
		return -ENODEV;
	}
	*run_size = (size_t)size;
	return 0;
}

bool kvm_host_has_fast_path(const struct kvm_vm *vm)
{
	static const struct {
		int capability;
		const char *name;
	} needed[] = {
		{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
		{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, needed[i].capability) <= 0) {
			log_warning("the host's KVM lacks %s: every register access will trap",
				needed[i].name);
			return false;
		}
	}
	if (!cache_granule_fits()) {
		log_warning("this CPU's cache lines are too long, or of unknown length: every "
			    "register access will trap");
		return false;
	}
	return true;
}

uint32_t kvm_host_ipa_bits(const struct kvm_vm *vm)
{
	int bits = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);

	return bits > 0 ? (uint32_t)bits : DEFAULT_IPA_BITS;
}

int kvm_host_create_vm(struct kvm_vm *vm, uint32_t ipa_bits)
{
	bool chosen = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE) > 0;
	struct kvm_enable_cap undecodable = { .cap = KVM_CAP_ARM_NISV_TO_USER };
	int error;

	do {
		vm->fd = ioctl(
			vm->kvm_fd, KVM_CREATE_VM, chosen ? KVM_VM_TYPE_ARM_IPA_SIZE(ipa_bits) : 0);
	} while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0) {
		error = -errno;
		log_error("KVM cannot create a VM: %s", strerror(-error));
		return error;
	}
	memset(vm->slot_used, 0, sizeof(vm->slot_used));
	/* Without it such an access makes KVM_RUN fail, and a guest could end its VM with an STP.
	 */
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &undecodable) < 0)
		log_warning("this KVM does not report accesses that it cannot decode");
	return 0;
}

void kvm_host_close_vm(struct kvm_vm *vm)
{
	close_fd(&vm->vgic_fd);
	close_fd(&vm->fd);
}
