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

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const marks[] = { "error: ", "warning: ", "", "debug: " };
	char line[1024];
	size_t used, left;
	va_list arguments;
	int n;

	if (level > log_limit)
		return;
	if (process_name)
		n = snprintf(line, sizeof(line), "bpmp-vmm[%s]: %s", process_name, marks[level]);
	else
		n = snprintf(line, sizeof(line), "bpmp-vmm: %s", marks[level]);
	used = n < 0 ? 0 : (size_t)n;
	left = sizeof(line) - used - 1; /* room for the newline */

	va_start(arguments, format);
	n = vsnprintf(line + used, left, format, arguments);
	va_end(arguments);
	if (n > 0)
		used += (size_t)n < left ? (size_t)n : left - 1;

	/* Part of a line may come from a file name or the host's tree: one line stays one line. */
	for (size_t i = 0; i < used; i++)
		if ((unsigned char)line[i] < ' ')
			line[i] = '?';
	line[used++] = '\n';
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere left to say it */
}
