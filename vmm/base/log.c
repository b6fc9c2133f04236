/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Set once at start, before threads; the only file-scope state of the program. */
static const char *process_name;
static enum log_level log_limit = LOG_INFO;

void log_set_process(const char *name)
{
	process_name = name;
}

void log_set_level(enum log_level level)
{
	log_limit = level;
}

enum log_level log_get_level(void)
{
	return log_limit;
}

/* What snprintf() left before its NUL; `n` is its result, `size` not 0. */
static size_t written(int n, size_t size)
{
	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const marks[] = { "error: ", "warning: ", "", "debug: " };
	char line[1024];
	size_t used;
	va_list arguments;
	int n;

	if (level > log_limit)
		return;
	if (process_name)
		n = snprintf(line, sizeof(line), "bpmp-vmm[%s]: %s", process_name, marks[level]);
	else
		n = snprintf(line, sizeof(line), "bpmp-vmm: %s", marks[level]);
	used = written(n, sizeof(line));

	va_start(arguments, format);
	n = vsnprintf(line + used, sizeof(line) - used, format, arguments);
	va_end(arguments);
	used += written(n, sizeof(line) - used);

	/* Part of a line may come from a file name or the host's tree: one line stays one line. */
	for (size_t i = 0; i < used; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[used++] = '\n'; /* in the terminating NUL's place */
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere left to say it */
}
