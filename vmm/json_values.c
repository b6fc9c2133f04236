/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/json_values.h"

#include "vmm/base/utf8.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

struct json_object *json_text(const char *text)
{
	char *clean = strdup(text);
	struct json_object *value = NULL;

	if (clean) {
		utf8_clean(clean);
		value = json_object_new_string(clean);
	}
	free(clean);
	return value;
}

void json_add_text(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text ? json_text(text) : NULL);
}

void json_add_number(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}
