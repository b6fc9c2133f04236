/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log line as a JSON object. Written by hand: vCPU threads and jailed workers log, and have no
 * system call to get memory with, which json-c takes. Of what a string must escape (RFC 8259,
 * section 7) the quote and the backslash are left, since log lines have no control characters.
 */
#ifndef VMM_BASE_LOG_JSON_H
#define VMM_BASE_LOG_JSON_H

#include <stddef.h>

/*
 * Writes {"level":...,"process":...,"message":...} and a newline into `line`, `size` bytes, at
 * least 128; no NUL. What is no UTF-8, and control characters, become '?'; what has no room is cut.
 * `level` is a literal. Returns the length.
 */
size_t log_json(
	char *line, size_t size, const char *level, const char *process, const char *message);

#endif
