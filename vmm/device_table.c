/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device_table.h"

#include "devices/bpmp/bpmp.h"
#include "devices/bpmp/ids.h"
#include "devices/bpmp/opened.h"
#include "devices/gpio_pl061.h"
#include "devices/pvpanic.h"
#include "devices/rtc_pl031.h"
#include "devices/serial/serial.h"
#include "devices/vfio/vfio.h"
#include "devices/virtio/balloon.h"
#include "devices/virtio/block.h"
#include "devices/virtio/console.h"
#include "devices/virtio/fs.h"
#include "devices/virtio/net.h"
#include "devices/virtio/rng.h"
#include "devices/virtio/virtio_mmio.h"
#include "devices/virtio/vsock.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/options_check.h"
#include "vmm/steal_time.h"
#include "vmm/vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int add(struct vm *vm, struct device *device)
{
	if (!device)
		return 0; /* planned */
	if (vm->device_count == MAX_DEVICES) {
		device->ops->destroy(device);
		return -ENOSPC;
	}
	vm->devices[vm->device_count++] = device;
	return 0;
}

/* For `layout`: whose ids these are, too. A device that the host has not leaves a gap, no error. */
static int plan_assigned(struct vm *vm, size_t index)
{
	struct bpmp_ids *own = &vm->planned_ids[index];
	int error = vfio_platform_plan(
		&vm->machine, vm->container, &vm->options->passthrough[index], own);

	if (error == -ENODEV || error == -ENOENT) {
		vm->unplanned |= 1u << index;
		return 0;
	}
	for (size_t i = 0; i < own->clocks.count && !error; i++)
		error = bpmp_id_set_add(&vm->ids->clocks, own->clocks.ids[i]);
	for (size_t i = 0; i < own->resets.count && !error; i++)
		error = bpmp_id_set_add(&vm->ids->resets, own->resets.ids[i]);
	for (size_t i = 0; i < own->power_domains.count && !error; i++)
		error = bpmp_id_set_add(&vm->ids->power_domains, own->power_domains.ids[i]);
	return error;
}

static int create_assigned(struct vm *vm)
{
	const struct options *options = vm->options;
	struct device *device;
	int error = 0;

	if (options->passthrough_count == 0)
		return 0;
	error = vfio_container_create(&vm->machine, &vm->container);
	for (size_t i = 0; i < options->passthrough_count && !error; i++) {
		if (vm->machine.planning) {
			error = plan_assigned(vm, i);
			continue;
		}
		error = vfio_platform_create(
			&vm->machine, vm->container, &options->passthrough[i], vm->ids, &device);
		if (!error)
			error = add(vm, device);
	}
	return error;
}

static int widen(struct bpmp_id_set *set, const struct value_list *list, const char *key)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i] > UINT32_MAX || bpmp_id_set_add(set, (uint32_t)list->items[i])) {
			log_error("--bpmp %s: no room or no such id for 0x%llx", key,
				(unsigned long long)list->items[i]);
			return -EINVAL;
		}
	}
	return 0;
}

static int create_bpmp(struct vm *vm)
{
	const struct options *options = vm->options;
	const struct bpmp_options bpmp = {
		.host = options->bpmp.host,
		.audit = options->bpmp.audit,
		.name = options_name(options),
		.trap = options->bpmp.trap,
		.base = options->bpmp.base ? options->bpmp.base : BPMP_WINDOW_BASE,
	};
	struct bpmp_ids *ids = vm->ids;
	struct device *device;
	int error;

	if (options->bpmp.mode == BPMP_OFF)
		return 0;
	error = widen(&ids->clocks, &options->bpmp.clocks, "clocks");
	if (!error)
		error = widen(&ids->resets, &options->bpmp.resets, "resets");
	if (!error)
		error = widen(&ids->power_domains, &options->bpmp.power_domains, "power-domains");
	if (!error && options->bpmp.mrqs)
		error = bpmp_open_mrqs(options->bpmp.mrqs, &ids->mrqs);
	if (error)
		return error;
	if (options->bpmp.mode == BPMP_AUTO &&
		ids->clocks.count + ids->resets.count + ids->power_domains.count == 0)
		return 0;
	vm->machine.bpmp_phandle = UINT32_MAX; /* there will be one: vmm/tree.c numbers it */
	if (options->bpmp.mode == BPMP_PROXY)
		error = bpmp_proxy_create(&vm->machine, &bpmp, ids, &device);
	else
		error = bpmp_create(&vm->machine, &bpmp, ids, &device);
	return error ? error : add(vm, device);
}

static int create_console(struct vm *vm)
{
	struct device *device;
	int error;

	if (vm->options->console.kind == CONSOLE_NONE)
		return 0;
	error = console_create(&vm->machine, &vm->options->console, &device);
	return error ? error : add(vm, device);
}

/* In the order of the command line: the first is the guest's vda. */
static int create_disks(struct vm *vm)
{
	int error = 0;

	for (size_t i = 0; i < vm->options->disk_count && !error; i++) {
		struct block_options disk = vm->options->disks[i];

		disk.queue_count = vm->vcpu_count < VIRTIO_MMIO_MAX_QUEUES ? vm->vcpu_count
									   : VIRTIO_MMIO_MAX_QUEUES;
		error = block_create(&vm->machine, &disk, &vm->disks[i]);
		if (!error)
			error = add(vm, vm->disks[i]);
	}
	return error;
}

static int create_fs(struct vm *vm)
{
	int error = 0;

	for (size_t i = 0; i < vm->options->fs_count && !error; i++) {
		struct device *device;

		error = fs_create(&vm->machine, &vm->options->fs[i], &device);
		if (!error)
			error = add(vm, device);
	}
	return error;
}

static int create_rng(struct vm *vm)
{
	struct device *device;
	int error;

	if (!vm->options->rng)
		return 0;
	error = rng_create(&vm->machine, &device);
	return error ? error : add(vm, device);
}

static int create_balloon(struct vm *vm)
{
	int error;

	if (!vm->options->balloon)
		return 0;
	error = balloon_create(&vm->machine, &vm->balloon);
	return error ? error : add(vm, vm->balloon);
}

static int create_nets(struct vm *vm)
{
	const struct options *options = vm->options;
	int error = 0;

	for (size_t i = 0; i < options->net_count && !error; i++) {
		struct net_options net = options->nets[i];
		struct device *device;

		net.pairs = vm->vcpu_count < NET_MAX_PAIRS ? vm->vcpu_count : NET_MAX_PAIRS;
		error = net_create(&vm->machine, &net, options->name, i, &device);
		if (!error)
			error = add(vm, device);
	}
	return error;
}

static int create_vsock(struct vm *vm)
{
	struct device *device;
	int error;

	if (vm->options->vsock_cid == 0)
		return 0;
	error = vsock_create(&vm->machine, vm->options->vsock_cid, &device);
	return error ? error : add(vm, device);
}

static int create_serial(struct vm *vm)
{
	int error;

	if (vm->options->serial.kind == CONSOLE_NONE)
		return 0;
	error = serial_create(&vm->machine, &vm->options->serial, &vm->serial);
	return error ? error : add(vm, vm->serial);
}

static int create_pvpanic(struct vm *vm)
{
	struct device *device;
	int error = pvpanic_create(&vm->machine, &device);

	return error ? error : add(vm, device);
}

static int create_power_key(struct vm *vm)
{
	struct device *device;
	int error = gpio_create(&vm->machine, &device);

	if (!error)
		error = add(vm, device);
	if (!error)
		vm->power_key = device;
	return error;
}

static int create_clock(struct vm *vm)
{
	struct device *device;
	int error = rtc_create(&vm->machine, &device);

	return error ? error : add(vm, device);
}

static int create_steal_time(struct vm *vm)
{
	struct device *device;
	int error = steal_time_create(vm, &device);

	return error ? error : add(vm, device);
}

/* Assigned devices before the BPMP: their nodes name the ids that it serves. */
static int (*const device_table[])(struct vm *vm) = {
	create_assigned,
	create_bpmp,
	create_console,
	create_disks,
	create_rng,
	create_nets,
	create_vsock,
	create_fs,
	create_balloon,
	create_serial,
	create_pvpanic,
	create_power_key,
	create_clock,
	create_steal_time,
};

int devices_create(struct vm *vm)
{
	int error = 0;

	vm->ids = calloc(1, sizeof(*vm->ids));
	if (!vm->ids)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(device_table) && !error; i++)
		error = device_table[i](vm);
	return error;
}

int devices_attach(struct vm *vm)
{
	int error = 0;

	for (size_t i = 0; i < vm->device_count && !error; i++) {
		struct device *device = vm->devices[i];

		if (device->ops->attach)
			error = device->ops->attach(device);
	}
	return error;
}

int devices_arm(struct vm *vm)
{
	int error = 0;

	for (size_t i = 0; i < vm->device_count && !error; i++) {
		struct device *device = vm->devices[i];

		if (device->ops->arm)
			error = device->ops->arm(device);
	}
	return error;
}

void devices_quiesce(struct vm *vm)
{
	vm->machine.quiesce_failed = false;
	for (size_t i = 0; i < vm->device_count; i++) {
		struct device *device = vm->devices[i];

		if (device->ops->quiesce)
			device->ops->quiesce(device);
	}
}

void devices_destroy(struct vm *vm)
{
	while (vm->device_count > 0) {
		struct device *device = vm->devices[--vm->device_count];

		device->ops->destroy(device);
	}
	if (vm->container)
		vfio_container_destroy(vm->container);
	vm->container = NULL;
	free(vm->ids);
	vm->ids = NULL;
}
