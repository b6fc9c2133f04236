/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/log.h"

#include "vmm/base/log_json.h"
#include "vmm/base/util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Set once at start, before threads; the only file-scope state of the program. */
static const char *process_name;
static enum log_level log_limit = LOG_INFO;
static enum log_format log_format = LOG_TEXT;

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

void log_set_format(enum log_format format)
{
	log_format = format;
}

enum log_format log_get_format(void)
{
	return log_format;
}

/* What snprintf() left before its NUL; `n` is its result, `size` not 0. */
static size_t written(int n, size_t size)
{
	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}

/* What stands before the text: who says it, and how bad it is. */
static size_t begin(char *line, size_t size, enum log_level level)
{
	static const char *const marks[] = { "error: ", "warning: ", "", "debug: " };
	static const char priorities[] = { '3', '4', '6', '7' }; /* sd-daemon(3), syslog's */
	int n = 0;

	if (log_format == LOG_JOURNAL && process_name)
		n = snprintf(line, size, "<%c>%s: ", priorities[level], process_name);
	else if (log_format == LOG_JOURNAL)
		n = snprintf(line, size, "<%c>", priorities[level]);
	else if (log_format == LOG_TEXT && process_name)
		n = snprintf(line, size, "bpmp-vmm[%s]: %s", process_name, marks[level]);
	else if (log_format == LOG_TEXT)
		n = snprintf(line, size, "bpmp-vmm: %s", marks[level]);
	return written(n, size);
}

static void write_json(enum log_level level, const char *message)
{
	static const char *const names[] = { "error", "warning", "info", "debug" };
	char line[4096]; /* PIPE_BUF: one write() to a pipe does not mix with others */
	size_t length = log_json(line, sizeof(line), names[level],
		process_name ? process_name : "bpmp-vmm", message);

	if (write(STDERR_FILENO, line, length) < 0)
		return; /* nowhere left to say it */
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	size_t used;
	va_list arguments;
	int n;

	if (level > log_limit)
		return;
	used = begin(line, sizeof(line), level);

	va_start(arguments, format);
	n = vsnprintf(line + used, sizeof(line) - used, format, arguments);
	va_end(arguments);
	used += written(n, sizeof(line) - used);

	if (log_format == LOG_JSON) {
		write_json(level, line);
		return;
	}
	/* Part of a line may come from a file name or the host's tree: one line stays one line. */
	for (size_t i = 0; i < used; i++) {
		if (is_c1(line + i))
			line[i] = line[i + 1] = '?';
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[used++] = '\n'; /* in the terminating NUL's place */
	if (write(STDERR_FILENO, line, used) < 0)
		return; /* nowhere left to say it */
}
