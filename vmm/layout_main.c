/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/layout_main.h"

#include "devices/bpmp/host.h"
#include "devices/bpmp/ids.h"
#include "vmm/base/log.h"
#include "vmm/json_values.h"
#include "vmm/layout_ids.h"
#include "vmm/machine.h"
#include "vmm/options.h"
#include "vmm/options_check.h"
#include "vmm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct json_object *ranges(const struct layout *layout)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < layout->count; i++) {
		struct json_object *row = json_object_new_object();

		json_add_number(row, "address", layout->ranges[i].base);
		json_add_number(row, "size", layout->ranges[i].size);
		json_add_text(row, "name", layout->ranges[i].name);
		json_object_array_add(list, row);
	}
	return list;
}

static struct json_object *interrupts(const struct layout *layout)
{
	struct json_object *list = json_object_new_array();

	for (uint32_t spi = 0; spi < LAYOUT_MAX_SPI; spi++) {
		const char *owner = layout_spi_owner(layout, spi);
		struct json_object *row;

		if (!owner)
			continue;
		row = json_object_new_object();
		json_add_number(row, "spi", spi);
		json_add_text(row, "name", owner);
		json_object_array_add(list, row);
	}
	return list;
}

static void note(struct json_object *unknown, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void note(struct json_object *unknown, const char *format, ...)
{
	va_list arguments;
	char line[256];

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	json_object_array_add(unknown, json_text(line));
}

static struct json_object *bpmp(const struct vm *vm, struct json_object *unknown)
{
	const struct options *options = vm->options;
	struct layout_owner owners[MAX_PASSTHROUGH];
	struct layout_ids_request request = { .ids = vm->ids };
	struct bpmp_host_node node;
	struct json_object *ids;
	int fd = open(options->bpmp.host, O_RDWR | O_CLOEXEC | O_NOCTTY);

	for (size_t i = 0; i < options->passthrough_count; i++)
		owners[i] = (struct layout_owner){ options->passthrough[i].device,
			&vm->planned_ids[i] };
	request.owners = owners;
	request.owner_count = (unsigned int)options->passthrough_count;
	if (fd >= 0) {
		bpmp_host_node_init(&node, fd);
		request.host = &node.host;
	} else {
		note(unknown, "names and ancestors of clocks: %s: %s", options->bpmp.host,
			strerror(errno));
	}
	ids = layout_describe_ids(&request);
	if (fd >= 0)
		close(fd);
	return ids;
}

static struct json_object *describe(const struct vm *vm, bool guessed)
{
	struct json_object *object = json_object_new_object(), *unknown = json_object_new_array();

	if (guessed)
		note(unknown, "the GIC's version, without KVM: GICv%d is assumed", vm->gic.version);
	for (size_t i = 0; i < vm->options->passthrough_count; i++)
		if (vm->unplanned & 1u << i)
			note(unknown,
				"size and interrupts of %s, which this host has not; what is "
				"placed behind it may move",
				vm->options->passthrough[i].device);
	json_object_object_add(object, "addresses", ranges(&vm->layout));
	json_object_object_add(object, "interrupts", interrupts(&vm->layout));
	if (vm->machine.bpmp_phandle)
		json_object_object_add(object, "bpmp", bpmp(vm, unknown));
	json_object_object_add(object, "unknown", unknown);
	return object;
}

static uint64_t number(struct json_object *row, const char *key)
{
	return json_object_get_uint64(json_object_object_get(row, key));
}

static const char *text(struct json_object *row, const char *key)
{
	const char *value = json_object_get_string(json_object_object_get(row, key));

	return value ? value : "";
}

static void print_ids(struct json_object *ids, const char *key, const char *noun)
{
	struct json_object *list = json_object_object_get(ids, key);

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *row = json_object_array_get_idx(list, i);

		printf("%-12s  %6" PRIu64 "  %-28s  %s: %s\n", noun, number(row, "id"),
			text(row, "name"), text(row, "why"), text(row, "by"));
	}
}

static void print_table(struct json_object *object)
{
	struct json_object *list = json_object_object_get(object, "addresses"), *ids;

	printf("%18s  %12s  what\n", "address", "size");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *row = json_object_array_get_idx(list, i);

		printf("0x%016" PRIx64 "  0x%10" PRIx64 "  %s\n", number(row, "address"),
			number(row, "size"), text(row, "name"));
	}
	list = json_object_object_get(object, "interrupts");
	printf("\n%18s  what\n", "interrupt (SPI)");
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *row = json_object_array_get_idx(list, i);

		printf("%18" PRIu64 "  %s\n", number(row, "spi"), text(row, "name"));
	}
	if (json_object_object_get_ex(object, "bpmp", &ids)) {
		printf("\n%-12s  %6s  %-28s  why\n", "BPMP", "id", "name");
		print_ids(ids, "clocks", "clock");
		print_ids(ids, "resets", "reset");
		print_ids(ids, "power_domains", "power domain");
	}
	list = json_object_object_get(object, "unknown");
	for (size_t i = 0; i < json_object_array_length(list); i++)
		printf("\nnot known: %s\n",
			json_object_get_string(json_object_array_get_idx(list, i)));
}

int layout_main(int argc, char **argv)
{
	struct json_object *object;
	struct options options;
	enum options_result result;
	struct vm *vm = NULL;
	bool guessed = false;
	int error;

	result = options_parse(&options, argc, argv);
	if (result != OPTIONS_RUN)
		return options_exit_status(result);
	options_take_effect(&options);
	error = machine_plan(&options, &vm, &guessed);
	if (!error) {
		object = describe(vm, guessed);
		if (options.json)
			printf("%s\n",
				json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY));
		else
			print_table(object);
		json_object_put(object);
	}
	machine_plan_free(vm);
	return error == 0 ? EXIT_POWERED_OFF : error == -ENOMEM ? EXIT_OTHER : EXIT_USAGE;
}
