/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options_console.h"

#include "vmm/base/util.h"
#include "vmm/options.h"

#include <errno.h>
#include <stdio.h>

/* `--console` and `--serial` as they are written: stdio|pty|none|unix=PATH|file=PATH. */
struct console_text {
	int kind;
	const char *unix_path, *file_path;
};

static const char *const console_choices[] = { "none", "stdio", "pty", NULL };
static const struct value_field console_fields[] = {
	{ "kind", VALUE_CHOICE, offsetof(struct console_text, kind), console_choices },
	{ "unix", VALUE_STRING, offsetof(struct console_text, unix_path), NULL },
	{ "file", VALUE_STRING, offsetof(struct console_text, file_path), NULL },
};

static int parse_end(struct console_options *end, const char *text, char *problem, size_t size)
{
	struct console_text console = { .kind = -1 };
	int given;

	if (value_parse(text, console_fields, ARRAY_SIZE(console_fields), &console, problem, size))
		return -EINVAL;
	given = (console.kind >= 0) + (console.unix_path != NULL) + (console.file_path != NULL);
	if (given != 1) {
		snprintf(problem, size, "give one of stdio, pty, none, unix=PATH, file=PATH");
		return -EINVAL;
	}
	if (console.unix_path)
		*end = (struct console_options){ CONSOLE_UNIX, console.unix_path };
	else if (console.file_path)
		*end = (struct console_options){ CONSOLE_FILE, console.file_path };
	else
		*end = (struct console_options){ (enum console_kind)console.kind, NULL };
	return 0;
}

int options_parse_console(struct options *options, const char *text, char *problem, size_t size)
{
	return parse_end(&options->console, text, problem, size);
}

int options_parse_serial(struct options *options, const char *text, char *problem, size_t size)
{
	return parse_end(&options->serial, text, problem, size);
}
