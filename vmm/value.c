/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/value.h"

#include "vmm/base/edit_distance.h"
#include "vmm/base/util.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_WORD 40

static bool parse_number(const char *text, uint64_t *value, const char **end)
{
	char *stop;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*value = strtoull(text, &stop, text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10);
	*end = stop;
	return errno == 0 && stop != text;
}

static bool parse_size(const char *text, uint64_t *value)
{
	static const char units[] = "KMGT";
	const char *end, *unit;
	unsigned int shift = 0;

	if (!parse_number(text, value, &end))
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
	}
	if (shift && *value >> (64 - shift))
		return false;
	*value <<= shift;
	return true;
}

static bool parse_list(const char *text, struct value_list *list)
{
	const char *end = text;

	list->count = 0;
	do {
		if (list->count == VALUE_LIST_MAX ||
			!parse_number(end + (end != text), &list->items[list->count], &end))
			return false;
		list->count++;
	} while (*end == ':');
	return *end == '\0';
}

static bool join(char **value, const char *text)
{
	const char *before = *value ? *value : "";
	size_t size = strlen(before) + 1 + strlen(text) + 1;
	char *joined = *text ? malloc(size) : NULL;

	if (!joined)
		return false;
	snprintf(joined, size, "%s%s%s", before, *value ? ":" : "", text);
	free(*value);
	*value = joined;
	return true;
}

static bool parse_bool(const char *text, bool *value)
{
	*value = !text || strcmp(text, "on") == 0;
	return *value || strcmp(text, "off") == 0;
}

static bool parse_choice(const char *text, const char *const *choices, int *value)
{
	for (int i = 0; choices[i]; i++) {
		if (strcmp(text, choices[i]) == 0) {
			*value = i;
			return true;
		}
	}
	return false;
}

static void list_choices(const char *const *choices, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; choices[i] && used < size; i++)
		used += (size_t)snprintf(
			text + used, size - used, "%s%s", i ? ", " : "", choices[i]);
}

/* `text` is NULL for a bare key. */
static int store(
	const struct value_field *field, const char *text, void *target, char *problem, size_t size)
{
	void *place = (char *)target + field->offset;
	char choices[256];
	const char *end;

	if (!text && field->type == VALUE_SIZE && field->choices)
		text = field->choices[0];
	if (!text && field->type != VALUE_BOOL) {
		snprintf(problem, size, "'%s' needs a value: %s=...", field->key, field->key);
		return -EINVAL;
	}
	switch (field->type) {
	case VALUE_BOOL:
		if (parse_bool(text, place))
			return 0;
		snprintf(problem, size, "'%s' is 'on' or 'off', not '%.60s'", field->key, text);
		return -EINVAL;
	case VALUE_STRING:
	case VALUE_COMPATIBLE:
		if (*text) {
			*(char **)place = strdup(text);
			return *(char **)place ? 0 : -ENOMEM;
		}
		snprintf(problem, size, "%s is empty", field->key);
		return -EINVAL;
	case VALUE_JOINED:
		if (join(place, text))
			return 0;
		snprintf(problem, size, "%s is empty", field->key);
		return -EINVAL;
	case VALUE_NUMBER:
		if (parse_number(text, place, &end) && !*end)
			return 0;
		snprintf(problem, size, "%s '%.60s' is not a number (decimal or 0x...)", field->key,
			text);
		return -EINVAL;
	case VALUE_SIZE:
		if (parse_size(text, place))
			return 0;
		snprintf(problem, size,
			"%s '%.60s' is not a size below 16 EiB (a number with K, M, G or T)",
			field->key, text);
		return -EINVAL;
	case VALUE_CHOICE:
		if (parse_choice(text, field->choices, place))
			return 0;
		list_choices(field->choices, choices, sizeof(choices));
		snprintf(problem, size, "%s '%.60s' is none of: %s", field->key, text, choices);
		return -EINVAL;
	case VALUE_LIST:
		if (parse_list(text, place))
			return 0;
		snprintf(problem, size, "%s '%.60s' is not a list of up to %d numbers with colons",
			field->key, text, VALUE_LIST_MAX);
		return -EINVAL;
	}
	return -EINVAL;
}

static const struct value_field *find_field(
	const char *key, size_t length, const struct value_field *fields, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(fields[i].key) == length && strncmp(fields[i].key, key, length) == 0)
			return &fields[i];
	return NULL;
}

static int unknown_key(const char *key, size_t length, const struct value_field *fields,
	size_t count, char *problem, size_t size)
{
	const char *names[32], *close;
	char word[LONGEST_WORD + 1];
	size_t n = 0;

	snprintf(word, sizeof(word), "%.*s", (int)length, key);
	for (; n < count && n < ARRAY_SIZE(names); n++)
		names[n] = fields[n].key;
	close = value_suggest(word, names, n);
	if (close)
		snprintf(problem, size, "unknown key '%s'; did you mean '%s'?", word, close);
	else
		snprintf(problem, size, "unknown key '%s'", word);
	return -EINVAL;
}

/* Up to a comma that stands alone: two are one of the value's own. */
static size_t word_length(const char *text)
{
	size_t length = 0;

	while (text[length] && (text[length] != ',' || text[length + 1] == ','))
		length += text[length] == ',' ? 2 : 1;
	return length;
}

/* The first `length` bytes of `text`, malloc'ed, with one comma for each two. */
static char *copy_item(const char *text, size_t length)
{
	char *item = strndup(text, length), *to = item;

	for (const char *from = item; item && *from; from++) {
		*to++ = *from;
		from += from[0] == ',' && from[1] == ',';
	}
	if (to)
		*to = '\0';
	return item;
}

/* How much of `text` is the first item, commas that belong to its value included. */
static size_t item_length(const char *text, const struct value_field *fields, size_t count)
{
	size_t length = word_length(text), key_length = strcspn(text, "=,");
	const struct value_field *field = find_field(text, key_length, fields, count);

	if (!field || field->type != VALUE_COMPATIBLE || text[key_length] != '=')
		return length;
	while (text[length] == ',') {
		const char *word = text + length + 1;
		size_t size = word_length(word);

		if (size == 0 || strcspn(word, "=,") < size ||
			find_field(word, size, fields, count))
			break;
		length += 1 + size;
	}
	return length;
}

/* It begins with a comma that is not half of one in a value. */
static bool has_keys_alone(const char *text)
{
	return text[0] == ',' && text[1] && text[1] != ',';
}

bool value_begins_bare(const char *text)
{
	return !has_keys_alone(text) && text[strcspn(text, "=,")] != '=';
}

int value_parse(const char *text, const struct value_field *fields, size_t field_count,
	void *target, char *problem, size_t problem_size)
{
	bool first = !has_keys_alone(text);

	if (!first)
		text++;
	while (first || *text) {
		size_t length = item_length(text, fields, field_count);
		size_t key_length = strcspn(text, "=,");
		const struct value_field *field = find_field(text, key_length, fields, field_count);
		const char *value = NULL;
		char *item = copy_item(text, length);
		int error;

		if (!item)
			return -ENOMEM;
		if (field && key_length < length) {
			value = item + key_length + 1;
		} else if (first && !(field && field->type == VALUE_BOOL)) {
			/* Not `key=`: the bare first value, which may hold a '=' of its own. */
			field = &fields[0];
			value = item;
		} else if (!field) {
			free(item);
			return unknown_key(
				text, key_length, fields, field_count, problem, problem_size);
		}
		error = store(field, value, target, problem, problem_size);
		free(item);
		if (error)
			return error;
		first = false;
		text += length;
		if (*text == ',' && *++text == '\0') {
			snprintf(problem, problem_size, "it ends in a comma");
			return -EINVAL;
		}
	}
	return 0;
}

const char *value_suggest(const char *word, const char *const *names, size_t count)
{
	const char *closest = NULL;
	size_t least = 3;

	for (size_t i = 0; i < count; i++) {
		size_t d = edit_distance(word, names[i]);

		if (d < least && d < strlen(names[i])) {
			least = d;
			closest = names[i];
		}
	}
	return closest;
}
