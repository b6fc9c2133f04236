/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines on standard error: `bpmp-vmm[console]: text`. Every process of a VM writes its own
 * lines with one write() each, so lines of several processes do not mix. Thread-safe. No memory is
 * allocated, and write() is the only system call.
 */
#ifndef VMM_BASE_LOG_H
#define VMM_BASE_LOG_H

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

enum log_format {
	LOG_TEXT,
	LOG_JSON,    /* an object a line: level, process, message; log_json.h */
	LOG_JOURNAL, /* `<3>console: text`: what a service manager takes off again, sd-daemon(3) */
};

/* Names this process in its lines ("console"); NULL for the machine. Kept by reference. */
void log_set_process(const char *name);

/* Lines less important than `level` are dropped; LOG_INFO at start. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* LOG_TEXT at start. */
void log_set_format(enum log_format format);
enum log_format log_get_format(void);

/* `format` without a newline. Lines longer than 1024 bytes are cut. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_DEBUG, __VA_ARGS__)

#endif
