/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/log_json.h"

#include "vmm/base/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Enough for any VM's name (vmm/options_check.c) and any worker's kind. */
#define LONGEST_PROCESS 256

static const char message_key[] = "\",\"message\":\"", tail[] = "\"}\n";

/* Appends `text` from `used` on, up to `end`. Returns what is used then. */
static size_t put(char *line, size_t used, size_t end, const char *text)
{
	while (*text) {
		size_t length = utf8_length(text);
		bool escape = *text == '"' || *text == '\\';

		if (used + (length ? length : 1) + escape > end)
			break;
		if (escape)
			line[used++] = '\\';
		if (length)
			memcpy(line + used, text, length);
		else
			line[used] = '?';
		length = length ? length : 1;
		used += length;
		text += length;
	}
	return used;
}

size_t log_json(
	char *line, size_t size, const char *level, const char *process, const char *message)
{
	const size_t last = size - (sizeof(tail) - 1);
	int start = snprintf(line, size, "{\"level\":\"%s\",\"process\":\"", level);
	size_t used = start < 0 ? 0 : (size_t)start, room = last - (sizeof(message_key) - 1);

	used = put(
		line, used, room - used < LONGEST_PROCESS ? room : used + LONGEST_PROCESS, process);
	memcpy(line + used, message_key, sizeof(message_key) - 1);
	used = put(line, used + sizeof(message_key) - 1, last, message);
	memcpy(line + used, tail, sizeof(tail) - 1);
	return used + sizeof(tail) - 1;
}
