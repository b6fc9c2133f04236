/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/control_request.h"

#include "vmm/base/util.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/* An object, and the values in it. */
#define DEEPEST 2

static const char *const command_names[] = {
	[CONTROL_STATUS] = "status",
	[CONTROL_PAUSE] = "pause",
	[CONTROL_RESUME] = "resume",
	[CONTROL_POWERDOWN] = "powerdown",
	[CONTROL_STOP] = "stop",
	[CONTROL_BALLOON] = "balloon",
};

bool control_command_find(const char *name, enum control_command *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(command_names); i++) {
		if (strcmp(name, command_names[i]) == 0) {
			*command = (enum control_command)i;
			return true;
		}
	}
	return false;
}

static bool knows_key(const struct control_request *request, const char *key)
{
	return strcmp(key, "command") == 0 ||
		(request->command == CONTROL_BALLOON && strcmp(key, "memory_bytes") == 0);
}

static int read_memory_bytes(
	struct control_request *request, struct json_object *object, char *problem, size_t size)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, "memory_bytes", &value) ||
		!json_object_is_type(value, json_type_int) || json_object_get_int64(value) <= 0) {
		snprintf(problem, size, "'memory_bytes' is missing, or no number above 0");
		return -EINVAL;
	}
	request->memory_bytes = (uint64_t)json_object_get_int64(value);
	return 0;
}

/* What an object asks for. */
static int read_object(
	struct control_request *request, struct json_object *object, char *problem, size_t size)
{
	struct json_object *command;
	const char *name;

	if (!json_object_is_type(object, json_type_object)) {
		snprintf(problem, size, "a request is an object: {\"command\":\"status\"}");
		return -EINVAL;
	}
	if (!json_object_object_get_ex(object, "command", &command) ||
		!json_object_is_type(command, json_type_string)) {
		snprintf(problem, size, "'command' is missing, or no string");
		return -EINVAL;
	}
	name = json_object_get_string(command);
	/* A NUL in the string would hide what comes behind it. */
	if (strlen(name) != (size_t)json_object_get_string_len(command) ||
		!control_command_find(name, &request->command)) {
		snprintf(problem, size, "unknown command '%.40s'", name);
		return -EINVAL;
	}
	json_object_object_foreach(object, key, value)
	{
		(void)value;
		if (!knows_key(request, key)) {
			snprintf(problem, size, "unknown key '%.40s'", key);
			return -EINVAL;
		}
	}
	if (request->command == CONTROL_BALLOON)
		return read_memory_bytes(request, object, problem, size);
	return 0;
}

int control_request_parse(struct control_request *request, const char *line, size_t length,
	char *problem, size_t size)
{
	struct json_tokener *tokener = json_tokener_new_ex(DEEPEST);
	struct json_object *object = NULL;
	enum json_tokener_error parsed;
	int error = -EINVAL;

	if (!tokener) {
		snprintf(problem, size, "no memory");
		return -ENOMEM;
	}
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	if (length > CONTROL_LINE_MAX) {
		snprintf(problem, size, "a request has at most %d bytes", CONTROL_LINE_MAX);
		goto out;
	}
	object = json_tokener_parse_ex(tokener, line, (int)length);
	parsed = json_tokener_get_error(tokener);
	if (parsed == json_tokener_continue)
		snprintf(problem, size, "not JSON: it ends too early");
	else if (parsed != json_tokener_success)
		snprintf(problem, size, "not JSON: %s", json_tokener_error_desc(parsed));
	else if (json_tokener_get_parse_end(tokener) != length)
		snprintf(problem, size, "something follows the request; one to a line");
	else
		error = read_object(request, object, problem, size);
out:
	json_object_put(object);
	json_tokener_free(tokener);
	return error;
}
