/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/steal_time.h"

#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/vm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

/* Where QEMU's `virt` has it; up to the BPMP's window. */
#define BASE	    0x090a0000ull
#define SPAN	    0x30000ull

/* Of each vCPU, a multiple of 64 bytes (Documentation/virt/kvm/devices/vcpu.rst, 3.1). */
#define RECORD_SIZE 64u

/* A memory slot of its own: whole pages of any host. */
#define MEMORY_SIZE 0x10000ull
_Static_assert(MAX_CPUS *RECORD_SIZE <= MEMORY_SIZE, "a record for each");

struct steal_time {
	struct device device;
	struct vm *vm;
	void *memory;
	uint64_t base; /* guest-physical */
};

static int attach(struct device *device)
{
	struct steal_time *steal = container_of(device, struct steal_time, device);
	struct vm *vm = steal->vm;
	int slot, error = 0;

	memset(steal->memory, 0, MEMORY_SIZE);
	slot = kvm_vm_map(&vm->kvm, steal->base, steal->memory, MEMORY_SIZE, false);
	if (slot < 0)
		return slot;
	for (uint32_t i = 0; i < vm->vcpu_count && !error; i++) {
		uint64_t record = steal->base + (uint64_t)i * RECORD_SIZE;
		struct kvm_device_attr attr = {
			.group = KVM_ARM_VCPU_PVTIME_CTRL,
			.attr = KVM_ARM_VCPU_PVTIME_IPA,
			.addr = (uintptr_t)&record,
		};

		error = ioctl(vm->vcpus[i].fd, KVM_SET_DEVICE_ATTR, &attr) < 0 ? -errno : 0;
	}
	if (error)
		log_error("KVM refuses a place for stolen time: %s", strerror(-error));
	return error;
}

static void destroy(struct device *device)
{
	struct steal_time *steal = container_of(device, struct steal_time, device);

	munmap(steal->memory, MEMORY_SIZE);
	free(steal);
}

static const struct device_ops steal_time_ops = { .attach = attach, .destroy = destroy };

int steal_time_create(struct vm *vm, struct device **device)
{
	struct steal_time *steal;
	uint64_t base;
	int error;

	*device = NULL;
	if (vm->kvm.kvm_fd < 0 ||
		ioctl(vm->kvm.kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_STEAL_TIME) <= 0)
		return 0;
	error = layout_place(&vm->layout, "stolen time", BASE, SPAN, MEMORY_SIZE, &base);
	if (error || vm->machine.planning)
		return error;
	steal = calloc(1, sizeof(*steal));
	if (!steal) {
		log_error("stolen time: no memory");
		return -ENOMEM;
	}
	steal->device = (struct device){ &steal_time_ops, "stolen time", &vm->machine };
	steal->vm = vm;
	steal->base = base;
	steal->memory =
		mmap(NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (steal->memory == MAP_FAILED) {
		error = -errno;
		log_error("stolen time: no memory to share: %s", strerror(-error));
		free(steal);
		return error;
	}
	*device = &steal->device;
	return 0;
}
