/* SPDX-License-Identifier: Apache-2.0 */
/* --passthrough, parsed. */
#ifndef VMM_OPTIONS_PASSTHROUGH_H
#define VMM_OPTIONS_PASSTHROUGH_H

#include <stddef.h>

struct options;

/* Adds a device. Returns 0, or -EINVAL with the cause in `problem`. */
int options_parse_passthrough(
	struct options *options, const char *text, char *problem, size_t size);

#endif
