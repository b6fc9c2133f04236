/* SPDX-License-Identifier: Apache-2.0 */
/* What one option alone cannot tell: limits, and options that need or exclude each other. */
#ifndef VMM_OPTIONS_CHECK_H
#define VMM_OPTIONS_CHECK_H

#include "vmm/options.h"

/* Returns OPTIONS_RUN, or OPTIONS_BAD with a line logged that names option and remedy. */
enum options_result options_check(const struct options *options);

#endif
