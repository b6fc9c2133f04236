/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/log_json.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Enough for any VM's name (vmm/options_check.c) and any worker's kind. */
#define LONGEST_PROCESS 256

static const char message_key[] = "\",\"message\":\"", tail[] = "\"}\n";

/* How long the well-formed sequence at `at` is (Unicode, table 3-7), 0: none. Ends in NUL. */
static size_t sequence_length(const unsigned char *at)
{
	static const struct {
		unsigned char first, last;     /* of the first byte */
		unsigned char lowest, highest; /* of the second */
		size_t length;
	} kinds[] = {
		{ 0x20, 0x7e, 0, 0xff, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (at[0] < kinds[i].first || at[0] > kinds[i].last)
			continue;
		if (kinds[i].length > 1 && (at[1] < kinds[i].lowest || at[1] > kinds[i].highest))
			return 0;
		for (size_t j = 2; j < kinds[i].length; j++)
			if ((at[j] & 0xc0) != 0x80)
				return 0;
		return kinds[i].length;
	}
	return 0;
}

/* Appends `text` from `used` on, up to `end`. Returns what is used then. */
static size_t put(char *line, size_t used, size_t end, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at) {
		size_t length = sequence_length(at);
		bool escape = *at == '"' || *at == '\\';

		if (used + (length ? length : 1) + escape > end)
			break;
		if (escape)
			line[used++] = '\\';
		if (length)
			memcpy(line + used, at, length);
		else
			line[used] = '?';
		length = length ? length : 1;
		used += length;
		at += length;
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
