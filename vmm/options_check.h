/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one option alone cannot tell: limits, options that need or exclude each other, and what
 * follows from all of them.
 */
#ifndef VMM_OPTIONS_CHECK_H
#define VMM_OPTIONS_CHECK_H

#include "vmm/options.h"

/* Whether `name` can be a VM's: it becomes a file's. */
bool options_name_fits(const char *name);

/*
 * The VM's name, for what is kept of it on the host: --name, else its first device's, else "vm". A
 * device is given to one VM at a time.
 */
const char *options_name(const struct options *options);

/* What they say of this process itself: its log, and whether its workers are jailed. */
void options_take_effect(const struct options *options);

/* The exit status of a program whose options say that nothing is to be run, or are wrong. */
int options_exit_status(enum options_result result);

/* Returns OPTIONS_RUN, or OPTIONS_BAD with a line logged that names option and remedy. */
enum options_result options_check(const struct options *options);

#endif
