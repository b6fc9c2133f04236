/* SPDX-License-Identifier: Apache-2.0 */
/* --cpus and --pmu, parsed. */
#ifndef VMM_OPTIONS_CPUS_H
#define VMM_OPTIONS_CPUS_H

#include "vmm/options.h"

/* Each takes one option's value. Returns 0, or -EINVAL with the cause in `problem`. */
int options_parse_cpus(struct options *options, const char *text, char *problem, size_t size);

int options_parse_pmu(struct options *options, const char *text, char *problem, size_t size);

/* Whether the number fits the interrupt controller and the list of affinities. False: logged. */
bool options_check_cpus(const struct options *options);

#endif
