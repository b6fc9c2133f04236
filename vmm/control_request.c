/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/control_request.h"

#include "vmm/base/util.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

/* An object, and the values in it. */
#define DEEPEST 2

static const struct control_form forms[CONTROL_COMMANDS] = {
	[CONTROL_STATUS] = { .name = "status" },
	[CONTROL_PAUSE] = { .name = "pause" },
	[CONTROL_RESUME] = { .name = "resume" },
	[CONTROL_POWERDOWN] = { .name = "powerdown" },
	[CONTROL_STOP] = { .name = "stop" },
	[CONTROL_BALLOON] = { .name = "balloon", .size = NEEDS_SIZE },
	[CONTROL_RESIZE] = { .name = "resize", .disk = true, .size = MAY_HAVE_SIZE },
};

const struct control_form *control_form_find(const char *name, enum control_command *command)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		if (strcmp(name, forms[i].name) == 0) {
			*command = (enum control_command)i;
			return &forms[i];
		}
	}
	return NULL;
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

static int read_size(struct control_request *request, const struct control_form *form,
	struct json_object *object, char *problem, size_t size)
{
	struct json_object *bytes = json_object_object_get(object, "size");
	int64_t number =
		json_object_is_type(bytes, json_type_int) ? json_object_get_int64(bytes) : 0;

	if (!bytes && form->size == MAY_HAVE_SIZE)
		return 0;
	/* json-c makes the largest of what is too large. */
	if (number <= 0 || number == INT64_MAX) {
		snprintf(problem, size, "'size' is %s", bytes ? "no number of bytes" : "missing");
		return -EINVAL;
	}
	request->size = (uint64_t)number;
	return 0;
}

/* Whether it belongs to the request. */
static bool is_key(const struct control_form *form, const char *key)
{
	return strcmp(key, "command") == 0 || (form->disk && strcmp(key, "disk") == 0) ||
		(form->size != NO_SIZE && strcmp(key, "size") == 0);
}

/* What an object asks for. */
static int read_object(
	struct control_request *request, struct json_object *object, char *problem, size_t size)
{
	const struct control_form *form;
	struct json_object *command;
	const char *name;
	int error = 0;

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
	form = name ? control_form_find(name, &request->command) : NULL;
	if (!form) {
		snprintf(problem, size, "unknown command '%.40s'", json_object_get_string(command));
		return -EINVAL;
	}
	json_object_object_foreach(object, key, value)
	{
		(void)value;
		if (!is_key(form, key)) {
			snprintf(problem, size, "unknown key '%.40s'", key);
			return -EINVAL;
		}
	}
	request->disk[0] = '\0';
	request->size = 0;
	if (form->disk)
		error = read_disk(request, object, problem, size);
	if (error == 0 && form->size != NO_SIZE)
		error = read_size(request, form, object, problem, size);
	return error;
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
