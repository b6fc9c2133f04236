/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/config.h"

#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The file's object, an option's array, its object, a list in that; json-c counts one more. */
#define DEEPEST	      5

/* Of an option's value. */
#define LONGEST_VALUE 8192

#define IN_NO_ARRAY   SIZE_MAX

struct config {
	const char *path, *text;
	size_t length;
	config_apply *apply;
	void *context;
};

static unsigned int line_at(const struct config *config, size_t offset)
{
	unsigned int line = 1;

	for (size_t i = 0; i < offset && i < config->length; i++)
		line += config->text[i] == '\n';
	return line;
}

/* Behind the string that starts at `at`, in text that json-c has accepted. */
static size_t skip_string(const struct config *config, size_t at)
{
	for (at++; at < config->length && config->text[at] != '"'; at++)
		if (config->text[at] == '\\')
			at++;
	return at + 1;
}

static size_t skip_blanks(const struct config *config, size_t at)
{
	while (at < config->length && config->text[at] && strchr(" \t\r\n", config->text[at]))
		at++;
	return at;
}

/*
 * Where the file's object has this key, as json-c does not remember it: 0 with *count 0 where it
 * is written with escapes. The text has been accepted by json-c.
 */
static size_t find_key(const struct config *config, const char *key, unsigned int *count)
{
	size_t length = strlen(key), found = 0, at = 0;
	int depth = 0;

	*count = 0;
	while (at < config->length) {
		char c = config->text[at];
		size_t end;

		if (c != '"') {
			depth += (c == '{' || c == '[') - (c == '}' || c == ']');
			at++;
			continue;
		}
		end = skip_string(config, at);
		if (depth == 1 && end - at == length + 2 &&
			memcmp(config->text + at + 1, key, length) == 0) {
			size_t next = skip_blanks(config, end);

			if (next < config->length && config->text[next] == ':') {
				found = at;
				++*count;
			}
		}
		at = end;
	}
	return found;
}

/* Where value number `index` begins of the array behind the key at `at`. */
static size_t find_value(const struct config *config, size_t at, size_t index)
{
	int depth = 0;

	at = skip_string(config, at);
	while (at < config->length) {
		char c = config->text[at];

		if (c == '"') {
			at = skip_string(config, at);
			continue;
		}
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		at++;
		if (depth == 1 && (c == '[' || c == ',') && index-- == 0)
			break;
	}
	return skip_blanks(config, at);
}

/* `index`: of the value in the key's array; IN_NO_ARRAY. */
static int complain(const struct config *config, const char *key, size_t index, const char *problem)
{
	unsigned int count;
	size_t at = find_key(config, key, &count);
	char place[32] = "";

	if (index != IN_NO_ARRAY) {
		snprintf(place, sizeof(place), "[%zu]", index);
		if (count > 0)
			at = find_value(config, at, index);
	}
	log_error("--config %s: line %u: \"%.60s\"%s: %s", config->path, line_at(config, at), key,
		place, problem);
	return -EINVAL;
}

/* The text of a string, number or boolean; `doubled`: commas of it become two. */
static bool write_scalar(FILE *to, struct json_object *value, bool doubled)
{
	const char *text;

	switch (json_object_get_type(value)) {
	case json_type_string:
		text = json_object_get_string(value);
		if (strlen(text) != (size_t)json_object_get_string_len(value))
			return false;
		for (; *text; text++) {
			if (doubled && *text == ',')
				fputc(',', to);
			fputc(*text, to);
		}
		return true;
	case json_type_int:
		fprintf(to, "%s", json_object_get_string(value));
		return true;
	case json_type_boolean:
		fputs(json_object_get_boolean(value) ? "on" : "off", to);
		return true;
	default:
		return false;
	}
}

/* A list with colons, as in address=1:2. */
static bool write_list(FILE *to, struct json_object *value)
{
	size_t count;

	if (!json_object_is_type(value, json_type_array))
		return write_scalar(to, value, true);
	count = json_object_array_length(value);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			fputc(':', to);
		if (!write_scalar(to, json_object_array_get_idx(value, i), true))
			return false;
	}
	return count > 0;
}

/* ,key=value,key=value: the first comma says that nothing stands without its key. */
static bool write_object(FILE *to, struct json_object *object)
{
	bool first = true;

	json_object_object_foreach(object, key, value)
	{
		/* What would be another key or value in the text is none of the option's keys. */
		if (!*key || strpbrk(key, "=,"))
			return false;
		fprintf(to, ",%s=", key);
		if (!write_list(to, value))
			return false;
		first = false;
	}
	return !first;
}

/* One value of an option, or `index` of its array; `value` is no array. */
static int apply_value(
	const struct config *config, const char *key, struct json_object *value, size_t index)
{
	char text[LONGEST_VALUE] = "", problem[512] = "";
	struct config_value applied = { .name = key, .in_array = index != IN_NO_ARRAY };
	FILE *to = fmemopen(text, sizeof(text), "w");
	bool written, object = json_object_is_type(value, json_type_object);

	if (!to)
		return -ENOMEM;
	setvbuf(to, NULL, _IONBF, 0);
	written = object ? write_object(to, value) : write_scalar(to, value, false);
	if (ferror(to) || (written && (size_t)ftell(to) >= sizeof(text) - 1)) {
		snprintf(problem, sizeof(problem), "the value is too long");
		written = false;
	}
	fclose(to);
	if (!written)
		return complain(config, key, index,
			problem[0]	 ? problem
				: object ? "an object has keys of the option, with strings, whole "
					   "numbers, true or false, or lists of them"
					 : "a value is a string, a whole number, true or false, "
					   "or an object");
	applied.object = object;
	if (json_object_is_type(value, json_type_boolean))
		applied.on = json_object_get_boolean(value);
	else
		applied.text = text;
	if (config->apply(config->context, &applied, problem, sizeof(problem)))
		return complain(config, key, index, problem);
	return 0;
}

static int apply_option(const struct config *config, const char *key, struct json_object *value)
{
	unsigned int count;
	int error = 0;

	find_key(config, key, &count);
	if (count > 1)
		return complain(
			config, key, IN_NO_ARRAY, "given more than once; an array holds several");
	if (!json_object_is_type(value, json_type_array))
		return apply_value(config, key, value, IN_NO_ARRAY);
	for (size_t i = 0; i < json_object_array_length(value) && !error; i++)
		error = apply_value(config, key, json_object_array_get_idx(value, i), i);
	return error;
}

/* The file's object, or NULL (logged). */
static struct json_object *parse(const struct config *config, struct json_tokener *tokener)
{
	struct json_object *object =
		json_tokener_parse_ex(tokener, config->text, (int)config->length);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	size_t end = skip_blanks(config, json_tokener_get_parse_end(tokener));

	if (error == json_tokener_continue)
		log_error("--config %s: line %u: the JSON ends too early", config->path,
			line_at(config, config->length));
	else if (error != json_tokener_success)
		log_error("--config %s: line %u: not JSON: %s", config->path, line_at(config, end),
			json_tokener_error_desc(error));
	else if (end != config->length)
		log_error("--config %s: line %u: something follows the object", config->path,
			line_at(config, end));
	else if (!json_object_is_type(object, json_type_object))
		log_error("--config %s: not an object: { \"kernel\": \"Image\" }", config->path);
	else
		return object;
	json_object_put(object);
	return NULL;
}

int config_parse(
	const char *path, const char *text, size_t length, config_apply *apply, void *context)
{
	const struct config config = { path, text, length, apply, context };
	struct json_tokener *tokener;
	struct json_object *object;
	int error = 0;

	if (length > CONFIG_LARGEST) {
		log_error("--config %s: larger than %u bytes", path, CONFIG_LARGEST);
		return -EINVAL;
	}
	tokener = json_tokener_new_ex(DEEPEST);
	if (!tokener)
		return -ENOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	object = parse(&config, tokener);
	json_tokener_free(tokener);
	if (!object)
		return -EINVAL;
	json_object_object_foreach(object, key, value)
	{
		error = apply_option(&config, key, value);
		if (error)
			break;
	}
	json_object_put(object);
	return error;
}

int config_read(const char *path, config_apply *apply, void *context)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), error = fd < 0 ? -errno : 0;
	char *text = malloc(CONFIG_LARGEST + 1);
	size_t used = 0;
	ssize_t n = 1;

	if (!error && !text)
		error = -ENOMEM;
	while (!error && n > 0 && used <= CONFIG_LARGEST) {
		n = read(fd, text + used, CONFIG_LARGEST + 1 - used);
		if (n < 0)
			error = -errno;
		used += n > 0 ? (size_t)n : 0;
	}
	if (error)
		log_error("--config %s: %s; check the path", path, strerror(-error));
	else
		error = config_parse(path, text, used, apply, context);
	close_fd(&fd);
	free(text);
	return error;
}
