/* SPDX-License-Identifier: Apache-2.0 */
/* --disk */
#ifndef VMM_OPTIONS_DISK_H
#define VMM_OPTIONS_DISK_H

#include <stddef.h>

struct options;

/* Adds the disk that `text` describes. Returns 0, or -EINVAL with the cause in `problem`. */
int options_parse_disk(struct options *options, const char *text, char *problem, size_t size);

#endif
