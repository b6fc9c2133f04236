/* SPDX-License-Identifier: Apache-2.0 */
/* --memory and --balloon: what is more than a row of the option table. */
#ifndef VMM_OPTIONS_MEMORY_H
#define VMM_OPTIONS_MEMORY_H

#include "vmm/options.h"

/* Returns 0, or -EINVAL with the cause in `problem`. */
int options_parse_balloon(struct options *options, const char *text, char *problem, size_t size);

/* Whether size, base and pages go together, and the balloon with the rest. False: logged. */
bool options_check_memory(const struct options *options);

#endif
