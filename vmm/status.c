/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/status.h"

#include "devices/virtio/balloon.h"
#include "vmm/base/clock.h"
#include "vmm/json_values.h"
#include "vmm/status_bpmp.h"
#include "vmm/vm.h"

#include <json-c/json.h>
#include <time.h>

static struct json_object *devices(const struct vm *vm)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < vm->device_count; i++)
		json_object_array_add(list, json_text(vm->devices[i]->name));
	return list;
}

static struct json_object *describe_balloon(struct device *device)
{
	const struct balloon_status balloon = balloon_status(device);
	struct json_object *object = json_object_new_object();

	if (object) {
		json_add_number(object, "target_bytes", balloon.target);
		json_add_number(object, "actual_bytes", balloon.actual);
	}
	return object;
}

struct json_object *status_describe(const struct vm *vm)
{
	struct json_object *status = json_object_new_object();

	if (!status)
		return NULL;
	json_add_text(status, "name", vm->options->name);
	json_add_text(status, "state", vm->paused ? "paused" : "running");
	json_add_number(status, "vcpus", vm->vcpu_count);
	json_add_number(status, "memory_bytes", vm->options->memory.size);
	json_add_number(status, "uptime_seconds", (uint64_t)(clock_ms() - vm->started_ms) / 1000);
	json_add_number(status, "restarts", vm->restarts);
	json_add_number(status, "undecodable_accesses", atomic_load(&vm->undecodable));
	json_object_object_add(status, "devices", devices(vm));
	if (vm->balloon)
		json_object_object_add(status, "balloon", describe_balloon(vm->balloon));
	if (vm->machine.bpmp)
		json_object_object_add(status, "bpmp", status_describe_bpmp(vm->machine.bpmp));
	return status;
}
