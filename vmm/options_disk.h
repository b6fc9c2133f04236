/* SPDX-License-Identifier: Apache-2.0 */
/* --disk and --fs, parsed. */
#ifndef VMM_OPTIONS_DISK_H
#define VMM_OPTIONS_DISK_H

#include <stddef.h>

struct options;

/* Adds what `text` describes. Returns 0, or -EINVAL with the cause in `problem`. */
int options_parse_disk(struct options *options, const char *text, char *problem, size_t size);
int options_parse_fs(struct options *options, const char *text, char *problem, size_t size);

#endif
