/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/ids.h"

#include <errno.h>
#include <string.h>

/* Where `id` is or belongs. */
static size_t place_of(const struct bpmp_id_set *set, uint32_t id)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (set->ids[i] >= id)
			break;
	return i;
}

_Bool bpmp_id_set_has(const struct bpmp_id_set *set, uint32_t id)
{
	size_t place = place_of(set, id);

	return place < set->count && set->ids[place] == id;
}

int bpmp_id_set_add(struct bpmp_id_set *set, uint32_t id)
{
	size_t place = place_of(set, id);

	if (place < set->count && set->ids[place] == id)
		return 0;
	if (set->count >= BPMP_MAX_IDS)
		return -ENOSPC;
	memmove(&set->ids[place + 1], &set->ids[place], (set->count - place) * sizeof(set->ids[0]));
	set->ids[place] = id;
	set->count++;
	return 0;
}
