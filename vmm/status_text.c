/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/status_text.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <stdint.h>
#include <string.h>

/* Of one string; a name is shorter. */
#define LONGEST 200

static void print_string(FILE *to, const char *text)
{
	for (size_t i = 0; text && text[i] && i < LONGEST; i++)
		fputc(text[i] < ' ' || text[i] > '~' ? '?' : text[i], to);
}

static const char *string_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
		!json_object_is_type(value, json_type_string))
		return NULL;
	return json_object_get_string(value);
}

static uint64_t number_of(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value) ||
		!json_object_is_type(value, json_type_int))
		return 0;
	return json_object_get_uint64(value);
}

static void print_padded(FILE *to, const char *text, size_t width)
{
	print_string(to, text);
	for (size_t i = strnlen(text, LONGEST); i < width; i++)
		fputc(' ', to);
}

static void print_line(FILE *to, const char *label, const char *text)
{
	fprintf(to, "%-10s", label);
	print_string(to, text ? text : "-");
	fputc('\n', to);
}

static void print_devices(FILE *to, struct json_object *status)
{
	struct json_object *devices;
	size_t count;

	if (!json_object_object_get_ex(status, "devices", &devices) ||
		!json_object_is_type(devices, json_type_array))
		return;
	count = json_object_array_length(devices);
	fprintf(to, "%-10s", "devices");
	for (size_t i = 0; i < count; i++) {
		struct json_object *device = json_object_array_get_idx(devices, i);

		fputs(i ? ", " : "", to);
		if (json_object_is_type(device, json_type_string))
			print_string(to, json_object_get_string(device));
	}
	fputc('\n', to);
}

static void print_counts(FILE *to, struct json_object *counts)
{
	size_t count = json_object_array_length(counts);

	if (count > 0)
		fprintf(to, "\n%-14s%6s  %-28s%9s%9s%9s%9s%9s\n", "kind", "id", "name", "requests",
			"refused", "failed", "mean us", "max us");
	for (size_t i = 0; i < count; i++) {
		struct json_object *row = json_object_array_get_idx(counts, i), *id;
		const char *kind = string_of(row, "kind"), *name = string_of(row, "name");
		char text[24] = "-", mrq[24];

		snprintf(mrq, sizeof(mrq), "MRQ %" PRIu64, number_of(row, "mrq"));
		if (json_object_object_get_ex(row, "id", &id))
			snprintf(text, sizeof(text), "%" PRIu64, number_of(row, "id"));
		print_padded(to, kind ? kind : mrq, 14);
		fprintf(to, "%6s  ", text);
		print_padded(to, name ? name : "", 28);
		fprintf(to, "%9" PRIu64 "%9" PRIu64 "%9" PRIu64 "%9" PRIu64 "%9" PRIu64 "\n",
			number_of(row, "requests"), number_of(row, "refused"),
			number_of(row, "failed"), number_of(row, "mean_us"),
			number_of(row, "max_us"));
	}
}

static void print_bpmp(FILE *to, struct json_object *status)
{
	struct json_object *bpmp, *counts;

	if (!json_object_object_get_ex(status, "bpmp", &bpmp))
		return;
	if (string_of(bpmp, "error")) {
		print_line(to, "bpmp", string_of(bpmp, "error"));
		return;
	}
	fprintf(to,
		"%-10s%" PRIu64 " clocks, %" PRIu64 " requests, %" PRIu64 " refused, %" PRIu64
		" failed at the host\n",
		"bpmp", number_of(bpmp, "clocks"), number_of(bpmp, "requests"),
		number_of(bpmp, "refused"), number_of(bpmp, "failed"));
	if (json_object_object_get_ex(bpmp, "counts", &counts) &&
		json_object_is_type(counts, json_type_array))
		print_counts(to, counts);
}

static void print_balloon(FILE *to, struct json_object *status)
{
	struct json_object *balloon;

	if (!json_object_object_get_ex(status, "balloon", &balloon))
		return;
	fprintf(to, "%-10s%" PRIu64 " MiB are left to the guest, asked for %" PRIu64 " MiB\n",
		"balloon", number_of(balloon, "actual_bytes") >> 20,
		number_of(balloon, "target_bytes") >> 20);
}

void status_text_print(FILE *to, struct json_object *status)
{
	uint64_t seconds = number_of(status, "uptime_seconds");

	print_line(to, "name", string_of(status, "name"));
	print_line(to, "state", string_of(status, "state"));
	fprintf(to, "%-10s%" PRIu64 "\n", "vCPUs", number_of(status, "vcpus"));
	fprintf(to, "%-10s%" PRIu64 " MiB\n", "memory", number_of(status, "memory_bytes") >> 20);
	print_balloon(to, status);
	fprintf(to, "%-10s%" PRIu64 ":%02" PRIu64 ":%02" PRIu64 ", restarted %" PRIu64 " times\n",
		"uptime", seconds / 3600, seconds / 60 % 60, seconds % 60,
		number_of(status, "restarts"));
	print_devices(to, status);
	print_bpmp(to, status);
}
