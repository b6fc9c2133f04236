/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/status_bpmp.h"

#include "devices/bpmp/abi.h"
#include "devices/bpmp/supervisor.h"
#include "vmm/json_values.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* What the id of a request with this MRQ is; NULL where it has none. */
static const char *kind_of(uint32_t mrq)
{
	switch (mrq) {
	case BPMP_MRQ_CLK:
		return "clock";
	case BPMP_MRQ_RESET:
		return "reset";
	case BPMP_MRQ_PG:
		return "power-domain";
	default:
		return NULL;
	}
}

/* Of a worker that may have been taken over, and may not have ended the name. */
static void add_name(struct json_object *object, const char *name)
{
	char copy[BPMP_NAME_SIZE + 1] = "";

	memcpy(copy, name, strnlen(name, BPMP_NAME_SIZE));
	if (copy[0])
		json_add_text(object, "name", copy);
}

static struct json_object *describe_row(const struct bpmp_statistics_row *row)
{
	struct json_object *object = json_object_new_object();
	const char *kind = kind_of(row->mrq);

	if (!object)
		return NULL;
	if (row->mrq != BPMP_STATISTICS_OTHER)
		json_add_number(object, "mrq", row->mrq);
	if (kind)
		json_add_text(object, "kind", kind);
	if (row->id != BPMP_STATISTICS_OTHER)
		json_add_number(object, "id", row->id);
	add_name(object, row->name);
	json_add_number(object, "requests", row->requests);
	json_add_number(object, "refused", row->refused);
	json_add_number(object, "failed", row->failed);
	json_add_number(
		object, "mean_us", row->requests ? row->total_ns / row->requests / 1000 : 0);
	json_add_number(object, "max_us", row->max_ns / 1000);
	return object;
}

struct json_object *status_describe_counts(const struct bpmp_statistics *statistics)
{
	struct json_object *object = json_object_new_object(), *rows = json_object_new_array();
	uint64_t requests = 0, refused = 0, failed = 0;

	if (!object || !rows) {
		json_object_put(object);
		json_object_put(rows);
		return NULL;
	}
	for (uint32_t i = 0; i < statistics->row_count && i < BPMP_STATISTICS_ROWS; i++) {
		const struct bpmp_statistics_row *row = &statistics->rows[i];

		requests += row->requests;
		refused += row->refused;
		failed += row->failed;
		json_object_array_add(rows, describe_row(row));
	}
	json_add_number(object, "clocks", statistics->clock_count);
	json_add_number(object, "requests", requests);
	json_add_number(object, "refused", refused);
	json_add_number(object, "failed", failed);
	json_object_object_add(object, "counts", rows);
	return object;
}

struct json_object *status_describe_bpmp(struct bpmp_supervisor *supervisor)
{
	struct bpmp_statistics *statistics = malloc(sizeof(*statistics));
	int error = statistics ? bpmp_supervisor_statistics(supervisor, statistics) : -ENOMEM;
	struct json_object *object = NULL;

	if (!error) {
		object = status_describe_counts(statistics);
	} else {
		object = json_object_new_object();
		if (object)
			json_add_text(object, "error",
				error == -ETIMEDOUT
					? "its worker does not answer: it waits for the "
					  "host's BPMP"
					: "its worker is gone");
	}
	free(statistics);
	return object;
}
