/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vcpu_features.h"

#include "vmm/base/log.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#define FIRST_PPI 16 /* INTID of PPI 0 */

static bool offered(const struct vm *vm, int capability)
{
	return ioctl(vm->kvm.kvm_fd, KVM_CHECK_EXTENSION, capability) > 0;
}

int vcpu_features_choose(const struct vm *vm, struct kvm_vcpu_init *init)
{
	if (offered(vm, KVM_CAP_ARM_SVE))
		init->features[0] |= 1u << KVM_ARM_VCPU_SVE;
	/* KVM wants both or none. */
	if (offered(vm, KVM_CAP_ARM_PTRAUTH_ADDRESS) && offered(vm, KVM_CAP_ARM_PTRAUTH_GENERIC))
		init->features[0] |=
			1u << KVM_ARM_VCPU_PTRAUTH_ADDRESS | 1u << KVM_ARM_VCPU_PTRAUTH_GENERIC;
	if (!vm->options->pmu)
		return 0;
	init->features[0] |= 1u << KVM_ARM_VCPU_PMU_V3;
	if (offered(vm, KVM_CAP_ARM_PMU_V3))
		return 0;
	log_error(
		"--pmu: this host's KVM has no performance counters for a guest; its kernel needs "
		"CONFIG_HW_PERF_EVENTS, and its device tree the PMU's node");
	return -ENODEV;
}

int vcpu_features_finalize(int vcpu_fd, const struct kvm_vcpu_init *init)
{
	int feature = KVM_ARM_VCPU_SVE;

	if (!(init->features[0] & 1u << KVM_ARM_VCPU_SVE))
		return 0;
	return ioctl(vcpu_fd, KVM_ARM_VCPU_FINALIZE, &feature) < 0 ? -errno : 0;
}

static int set_counters(int vcpu_fd, uint64_t attribute, const int *value)
{
	struct kvm_device_attr attr = {
		.group = KVM_ARM_VCPU_PMU_V3_CTRL,
		.attr = attribute,
		.addr = (uintptr_t)value,
	};

	return ioctl(vcpu_fd, KVM_SET_DEVICE_ATTR, &attr) < 0 ? -errno : 0;
}

int vcpus_start_counters(const struct vm *vm)
{
	const int intid = FIRST_PPI + VCPU_PMU_PPI;
	int error = 0;

	if (!vm->options->pmu)
		return 0;
	for (uint32_t i = 0; i < vm->vcpu_count && !error; i++) {
		error = set_counters(vm->vcpus[i].fd, KVM_ARM_VCPU_PMU_V3_IRQ, &intid);
		if (!error)
			error = set_counters(vm->vcpus[i].fd, KVM_ARM_VCPU_PMU_V3_INIT, NULL);
	}
	if (error)
		log_error("--pmu: KVM refuses a vCPU's counters: %s", strerror(-error));
	return error;
}
