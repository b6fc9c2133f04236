/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A check plans the VM as `layout` does, then asks each part whether its start would go through.
 * The answers are those of a start, from the same code; but a start ends with the first error, and
 * a check goes on. It opens what it asks about and closes it again: what is in use is a finding.
 */
#include "vmm/check_main.h"

#include "devices/bpmp/bpmp.h"
#include "devices/vfio/vfio.h"
#include "devices/virtio/block.h"
#include "devices/virtio/console_endpoint.h"
#include "devices/virtio/net.h"
#include "devices/virtio/virtio_device.h"
#include "devices/virtio/vsock.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/boot.h"
#include "vmm/control.h"
#include "vmm/cpu_affinity.h"
#include "vmm/kvm_host.h"
#include "vmm/machine.h"
#include "vmm/notify.h"
#include "vmm/options.h"
#include "vmm/options_check.h"
#include "vmm/tree.h"
#include "vmm/vm.h"

#include <stdlib.h>
#include <unistd.h>

/* Each returns whether all is well, and has logged a line for each thing that is not. */

/* Whatever the plan could not ask KVM, it has said; but that there is no KVM is no error to it. */
static bool check_kvm(struct vm *vm, bool guessed)
{
	if (guessed) {
		if (access("/dev/kvm", R_OK | W_OK) != 0)
			kvm_host_open(&vm->kvm, &vm->run_size);
		return false;
	}
	if (vm->options->fast_path)
		kvm_host_has_fast_path(&vm->kvm); /* warns: without it the VM runs, and slower */
	return machine_try(vm) == 0;
}

static bool check_cpus(struct vm *vm)
{
	return cpu_affinity_check(vm->options->cpus.affinity, vm->options->cpus.affinity_count) ==
		0;
}

static bool check_boot(struct vm *vm)
{
	bool kernel = boot_open_kernel(vm) == 0, initrd = boot_open_initrd(vm) == 0;

	return kernel && initrd && boot_create_memory(vm) == 0;
}

static bool check_assigned(struct vm *vm)
{
	const struct options *options = vm->options;
	bool well = true;

	for (size_t i = 0; i < options->passthrough_count; i++)
		if (vm->unplanned & 1u << i || !vm->container ||
			vfio_platform_check(vm->container, &options->passthrough[i]) != 0)
			well = false;
	if (vm->container && vfio_container_check_memory(vm->container, options->memory.size) != 0)
		well = false;
	return well;
}

static bool check_bpmp(struct vm *vm)
{
	const struct options *options = vm->options;
	const struct bpmp_options bpmp = {
		.host = options->bpmp.host,
		.audit = options->bpmp.audit,
		.name = options_name(options),
	};

	return !vm->machine.bpmp_phandle || bpmp_check(&bpmp) == 0;
}

static bool check_ends(struct vm *vm)
{
	bool console = console_endpoint_check("console", &vm->options->console) == 0;
	bool serial = console_endpoint_check("serial", &vm->options->serial) == 0;

	return console && serial;
}

static bool check_disks(struct vm *vm)
{
	bool well = true;

	for (size_t i = 0; i < vm->options->disk_count; i++)
		if (block_check(&vm->options->disks[i]) != 0)
			well = false;
	return well;
}

static bool check_shares(struct vm *vm)
{
	bool well = true;

	for (size_t i = 0; i < vm->options->fs_count; i++)
		if (virtio_device_check_peer("--fs", vm->options->fs[i].vhost_user) != 0)
			well = false;
	return well;
}

static bool check_network(struct vm *vm)
{
	const struct options *options = vm->options;
	bool well = true;

	for (size_t i = 0; i < options->net_count; i++)
		if (net_check(&options->nets[i]) != 0)
			well = false;
	if (options->vsock_cid && vsock_check(options->vsock_cid) != 0)
		well = false;
	return well;
}

static bool check_management(struct vm *vm)
{
	const struct options *options = vm->options;
	bool well = !options->control || control_check(options->control) == 0;

	if (options->notify == NOTIFY_STARTED) {
		if (notify_open(&vm->notify, getenv("NOTIFY_SOCKET")) != 0)
			well = false;
		notify_close(&vm->notify);
	}
	return tree_check_dump(vm) == 0 && well;
}

static bool (*const checks[])(struct vm *vm) = {
	check_cpus,
	check_boot,
	check_assigned,
	check_bpmp,
	check_ends,
	check_disks,
	check_shares,
	check_network,
	check_management,
};

int check_main(int argc, char **argv)
{
	enum options_result result;
	struct options options;
	struct vm *vm = NULL;
	bool guessed = true, well;

	result = options_parse(&options, argc, argv);
	if (result != OPTIONS_RUN)
		return options_exit_status(result);
	options_take_effect(&options);
	well = machine_plan(&options, &vm, &guessed) == 0;
	if (!vm)
		return EXIT_OTHER;
	if (!check_kvm(vm, guessed))
		well = false;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (!checks[i](vm))
			well = false;
	machine_plan_free(vm);
	if (well)
		log_info("nothing is in the way: this VM would run here");
	else
		log_info("this VM would not run here");
	return well ? EXIT_POWERED_OFF : EXIT_HOST;
}
