/* SPDX-License-Identifier: Apache-2.0 */
/* --console and --serial, parsed. */
#ifndef VMM_OPTIONS_CONSOLE_H
#define VMM_OPTIONS_CONSOLE_H

#include <stddef.h>

struct options;

/* Takes one option's value. Returns 0, or -EINVAL with the cause in `problem`. */
int options_parse_console(struct options *options, const char *text, char *problem, size_t size);
int options_parse_serial(struct options *options, const char *text, char *problem, size_t size);

#endif
