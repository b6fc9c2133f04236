/* SPDX-License-Identifier: Apache-2.0 */
/* A file of options, any bytes: accepted or refused, and what is applied is text that ends. */
#include "vmm/base/log.h"
#include "vmm/config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the place of vmm/base/log.c: writing lines would take most of the time. */
void log_line(enum log_level level, const char *format, ...)
{
	(void)level, (void)format;
}

static int apply(void *context, const struct config_value *value, char *problem, size_t size)
{
	size_t *applied = context;

	(void)problem, (void)size;
	if (!value->name || (value->text && strlen(value->text) >= 8192))
		abort();
	++*applied;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t applied = 0;
	char *text = malloc(size + 1);
	int error;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	error = config_parse("input", text, size, apply, &applied);
	if (error != 0 && error != -EINVAL)
		abort();
	if (applied > size)
		abort();
	free(text);
	return 0;
}
