/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vm_control.h"

#include "devices/gpio_pl061.h"
#include "devices/virtio/balloon.h"
#include "devices/virtio/block.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/status.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#include <json-c/json.h>
#include <string.h>

static void pause_guest(struct vm *vm)
{
	if (vm->paused)
		return;
	vm->paused = true;
	vcpus_pause(vm);
	notify_send(&vm->notify, "STATUS=the guest is paused");
	log_info("paused through --control");
}

void vm_control_resume(struct vm *vm, const char *by)
{
	if (!vm->paused)
		return;
	vm->paused = false;
	vcpus_run(vm);
	notify_send(&vm->notify, "STATUS=the guest runs");
	log_info("resumed %s", by);
}

static const char *power_down(struct vm *vm)
{
	if (vm->paused)
		return "the guest is paused and cannot power down; resume it first";
	if (!vm->power_key)
		return "this guest has no power key; use stop, which does not ask it";
	gpio_press_power_key(vm->power_key);
	log_info("pressed the guest's power key, through --control");
	return NULL;
}

static const char *set_balloon(struct vm *vm, uint64_t bytes)
{
	if (!vm->balloon)
		return "this VM has no balloon; start it with --balloon";
	if (bytes > vm->options->memory.size)
		return "that is more memory than the guest has; status says how much it has";
	balloon_set_target(vm->balloon, bytes);
	log_info("the guest is asked to make do with %llu MiB, through --control",
		(unsigned long long)bytes >> 20);
	return NULL;
}

static bool is_called(const struct block_options *disk, const char *name)
{
	const char *const names[] = { disk->path, disk->vhost_user, disk->serial };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return true;
	return false;
}

static const char *resize(
	struct vm *vm, const struct control_request *request, struct json_object *answer)
{
	struct device *disk = NULL;
	uint64_t size = request->size;
	const char *reason;

	for (size_t i = 0; i < vm->options->disk_count; i++) {
		if (!is_called(&vm->options->disks[i], request->disk))
			continue;
		if (disk)
			return "several disks are called so; use a serial that one has";
		disk = vm->disks[i];
	}
	if (!disk)
		return "no --disk of this VM has that path or serial";
	reason = block_resize(disk, &size);
	if (!reason)
		json_object_object_add(answer, "size", json_object_new_uint64(size));
	return reason;
}

static const char *handle(
	void *context, const struct control_request *request, struct json_object *answer)
{
	struct vm *vm = context;

	switch (request->command) {
	case CONTROL_STATUS:
		json_object_object_add(answer, "status", status_describe(vm));
		return NULL;
	case CONTROL_PAUSE:
		pause_guest(vm);
		return NULL;
	case CONTROL_RESUME:
		vm_control_resume(vm, "through --control");
		return NULL;
	case CONTROL_POWERDOWN:
		return power_down(vm);
	case CONTROL_RESIZE:
		return resize(vm, request, answer);
	case CONTROL_STOP:
		machine_end(&vm->machine, MACHINE_STOPPED, NULL, "stopped through --control");
		return NULL;
	case CONTROL_BALLOON:
		return set_balloon(vm, request->size);
	case CONTROL_COMMANDS:
		break;
	}
	return "not built";
}

int vm_control_open(struct vm *vm)
{
	if (!vm->options->control)
		return 0;
	return control_open(&vm->control, &vm->loop, vm->options->control, handle, vm);
}
