/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/layout_ids.h"

#include "devices/bpmp/discovery.h"
#include "devices/bpmp/host.h"
#include "devices/bpmp/ids.h"
#include "devices/bpmp/policy.h"
#include "devices/bpmp/undo.h"
#include "vmm/json_values.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What discovery fills in. */
struct found {
	struct bpmp_policy policy;
	struct bpmp_undo undo;
	uint32_t below[BPMP_MAX_CLOCKS]; /* the clock that each ancestor feeds */
};

enum kind { CLOCKS, RESETS, POWER_DOMAINS };

static const struct bpmp_id_set *set_of(const struct bpmp_ids *ids, enum kind kind)
{
	return kind == CLOCKS ? &ids->clocks : kind == RESETS ? &ids->resets : &ids->power_domains;
}

/* The devices whose nodes name the id, "a.serial, b.serial"; else an option has. */
static struct json_object *owner_of(
	const struct layout_ids_request *request, enum kind kind, uint32_t id)
{
	char text[256] = "";
	size_t used = 0;

	for (unsigned int i = 0; i < request->owner_count && used < sizeof(text); i++)
		if (bpmp_id_set_has(set_of(request->owners[i].ids, kind), id))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
				used ? ", " : "", request->owners[i].device);
	return json_text(used ? text : "--bpmp");
}

static void add_row(struct json_object *list, uint32_t id, const char *name, const char *why,
	struct json_object *by)
{
	struct json_object *row = json_object_new_object();

	json_add_number(row, "id", id);
	if (name && *name)
		json_add_text(row, "name", name);
	json_add_text(row, "why", why);
	json_object_object_add(row, "by", by);
	json_object_array_add(list, row);
}

static void add_clock(struct json_object *list, const struct layout_ids_request *request,
	const struct bpmp_clock *clock, uint32_t below)
{
	char text[32];

	/* One of the protected roots is an ancestor though a node names it. */
	if (bpmp_id_set_has(&request->ids->clocks, clock->id)) {
		add_row(list, clock->id, clock->name, clock->owned ? "owned" : "shared root",
			owner_of(request, CLOCKS, clock->id));
		return;
	}
	snprintf(text, sizeof(text), "clock %u", below);
	add_row(list, clock->id, clock->name, "ancestor", json_text(text));
}

/* Which visible clock each visible clock feeds. */
static void find_children(struct bpmp_host *host, struct found *found)
{
	for (size_t i = 0; i < found->policy.clock_count; i++) {
		uint32_t id = found->policy.clocks[i].id;
		struct bpmp_request request = bpmp_clk_request(BPMP_CLK_GET_PARENT, id);
		struct bpmp_response response = { .size = sizeof(uint32_t) };
		uint32_t parent;

		if (host->transfer(host, &request, &response) != 0 || response.error != 0)
			continue;
		parent = bpmp_response_u32(&response);
		for (size_t j = 0; j < found->policy.clock_count; j++)
			if (found->policy.clocks[j].id == parent && parent != id &&
				found->below[j] == 0)
				found->below[j] = id;
	}
}

static struct json_object *describe_clocks(const struct layout_ids_request *request)
{
	struct json_object *list = json_object_new_array();
	struct found *found = calloc(1, sizeof(*found));

	if (!found)
		return list;
	bpmp_policy_init(&found->policy, request->ids);
	bpmp_undo_init(&found->undo, request->ids);
	if (request->host && bpmp_discover(request->host, &found->policy, &found->undo) == 0)
		find_children(request->host, found);
	for (size_t i = 0; i < found->policy.clock_count; i++)
		add_clock(list, request, &found->policy.clocks[i], found->below[i]);
	free(found);
	return list;
}

struct json_object *layout_describe_ids(const struct layout_ids_request *request)
{
	struct json_object *ids = json_object_new_object();
	static const char *const keys[] = {
		[RESETS] = "resets", [POWER_DOMAINS] = "power_domains"
	};

	if (!ids)
		return NULL;
	json_object_object_add(ids, "clocks", describe_clocks(request));
	for (enum kind kind = RESETS; kind <= POWER_DOMAINS; kind++) {
		const struct bpmp_id_set *set = set_of(request->ids, kind);
		struct json_object *list = json_object_new_array();

		for (size_t i = 0; i < set->count; i++)
			add_row(list, set->ids[i], NULL, "owned",
				owner_of(request, kind, set->ids[i]));
		json_object_object_add(ids, keys[kind], list);
	}
	return ids;
}
