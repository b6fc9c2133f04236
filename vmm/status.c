/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/status.h"

#include "vmm/base/clock.h"
#include "vmm/status_bpmp.h"
#include "vmm/vm.h"

#include <json-c/json.h>
#include <time.h>

static void add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text ? json_object_new_string(text) : NULL);
}

static struct json_object *devices(const struct vm *vm)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; list && i < vm->device_count; i++)
		json_object_array_add(list, json_object_new_string(vm->devices[i]->name));
	return list;
}

struct json_object *status_describe(const struct vm *vm)
{
	struct json_object *status = json_object_new_object();

	if (!status)
		return NULL;
	add_text(status, "name", vm->options->name);
	add_text(status, "state", vm->paused ? "paused" : "running");
	add_number(status, "vcpus", vm->vcpu_count);
	add_number(status, "memory_bytes", vm->options->memory.size);
	add_number(status, "uptime_seconds", (uint64_t)(clock_ms() - vm->started_ms) / 1000);
	add_number(status, "restarts", vm->restarts);
	add_number(status, "undecodable_accesses", atomic_load(&vm->undecodable));
	json_object_object_add(status, "devices", devices(vm));
	if (vm->machine.bpmp)
		json_object_object_add(status, "bpmp", status_describe_bpmp(vm->machine.bpmp));
	return status;
}
