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
	[CONTROL_RESIZE] = "resize",
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

/* A string without a NUL, which would hide what comes behind it; else NULL. */
static const char *text_of(struct json_object *value)
{
	const char *text =
		json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;

	return text && strlen(text) == (size_t)json_object_get_string_len(value) ? text : NULL;
}

static int read_disk(
	struct control_request *request, struct json_object *object, char *problem, size_t size)
{
	const char *disk = text_of(json_object_object_get(object, "disk"));

	if (!disk || !*disk || strlen(disk) >= sizeof(request->disk)) {
		snprintf(problem, size, "'disk' is missing, or no path and no serial");
		return -EINVAL;
	}
	memcpy(request->disk, disk, strlen(disk) + 1);
	return 0;
}

/* In bytes; 0 where it is not there and need not be. */
static int read_size(struct control_request *request, struct json_object *object, bool needed,
	char *problem, size_t size)
{
	struct json_object *bytes = json_object_object_get(object, "size");
	int64_t number =
		json_object_is_type(bytes, json_type_int) ? json_object_get_int64(bytes) : 0;

	/* json-c makes the largest of what is too large. */
	if ((bytes || needed) && (number <= 0 || number == INT64_MAX)) {
		snprintf(problem, size, "'size' is %s",
			bytes ? "no number of bytes" : "missing: a number of bytes");
		return -EINVAL;
	}
	request->size = (uint64_t)number;
	return 0;
}

/* Whether it belongs to the request. */
static bool is_key(const struct control_request *request, const char *key)
{
	const bool resize = request->command == CONTROL_RESIZE;

	return strcmp(key, "command") == 0 || (resize && strcmp(key, "disk") == 0) ||
		((resize || request->command == CONTROL_BALLOON) && strcmp(key, "size") == 0);
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
	name = text_of(command);
	if (!name || !control_command_find(name, &request->command)) {
		snprintf(problem, size, "unknown command '%.40s'", json_object_get_string(command));
		return -EINVAL;
	}
	json_object_object_foreach(object, key, value)
	{
		(void)value;
		if (!is_key(request, key)) {
			snprintf(problem, size, "unknown key '%.40s'", key);
			return -EINVAL;
		}
	}
	if (request->command == CONTROL_BALLOON)
		return read_size(request, object, true, problem, size);
	if (request->command != CONTROL_RESIZE)
		return 0;
	if (read_disk(request, object, problem, size) != 0)
		return -EINVAL;
	return read_size(request, object, false, problem, size);
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
