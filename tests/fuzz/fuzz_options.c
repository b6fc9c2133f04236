/* SPDX-License-Identifier: Apache-2.0 */
/* Option values of any text: no access outside, and a cause in one line for what is refused. */
#include "vmm/value.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__asan_default_options(void);

/* Strings of options are never freed by design. */
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

struct target {
	uint64_t size, number;
	const char *string, *compatible;
	bool flag;
	int choice;
	struct value_list list;
};

static const char *const choices[] = { "auto", "mailbox", "off", NULL };

static const struct value_field fields[] = {
	{ "size", VALUE_SIZE, offsetof(struct target, size), NULL },
	{ "base", VALUE_NUMBER, offsetof(struct target, number), NULL },
	{ "host", VALUE_STRING, offsetof(struct target, string), NULL },
	{ "compatible", VALUE_COMPATIBLE, offsetof(struct target, compatible), NULL },
	{ "sandbox", VALUE_BOOL, offsetof(struct target, flag), NULL },
	{ "mode", VALUE_CHOICE, offsetof(struct target, choice), choices },
	{ "clocks", VALUE_LIST, offsetof(struct target, list), NULL },
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void parse(const char *text, size_t first)
{
	struct target target = { .choice = 0 };
	char problem[64] = "";
	/* Another first field has another bare value. */
	int error = value_parse(
		text, fields + first, FIELD_COUNT - first, &target, problem, sizeof(problem));

	check(error == 0 || error == -EINVAL);
	check((error == 0) == (problem[0] == '\0'));
	check(target.list.count <= VALUE_LIST_MAX);
	check(target.choice >= 0 && target.choice < 3);
	check(error || !target.string || strlen(target.string) <= strlen(text));
	check(error || !target.compatible || strlen(target.compatible) <= strlen(text));
}

/* Input: which field comes first, then the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *names[FIELD_COUNT], *close;
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	parse(text, data[0] % FIELD_COUNT);

	for (size_t i = 0; i < FIELD_COUNT; i++)
		names[i] = fields[i].key;
	close = value_suggest(text, names, FIELD_COUNT);
	check(!close || strlen(text) <= strlen(close) + 2);
	free(text);
	return 0;
}
