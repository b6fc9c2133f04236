/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of the control socket: a request of any bytes is understood or refused with a cause,
 * and a status of any JSON reaches a terminal as printable characters alone.
 */
#include "vmm/control_request.h"
#include "vmm/status_text.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void request(const char *line, size_t length)
{
	struct control_request parsed;
	char problem[64] = "";
	int error = control_request_parse(&parsed, line, length, problem, sizeof(problem));

	check(error == 0 || error == -EINVAL);
	check((error == 0) == (problem[0] == '\0'));
	check(error || parsed.command < CONTROL_COMMANDS);
	if (error == 0 && parsed.command == CONTROL_RESIZE)
		check(parsed.disk[0] != '\0' && strlen(parsed.disk) < sizeof(parsed.disk) &&
			parsed.size < INT64_MAX);
}

static void answer(const char *text)
{
	struct json_object *status = json_tokener_parse(text);
	char *printed = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&printed, &size);

	check(to != NULL);
	status_text_print(to, status);
	fclose(to);
	for (size_t i = 0; i < size; i++)
		check(printed[i] == '\n' || (printed[i] >= ' ' && printed[i] <= '~'));
	free(printed);
	json_object_put(status);
}

/* Input: which end, then the text. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] & 1)
		answer(text);
	else
		request(text, size - 1);
	free(text);
	return 0;
}
