/* SPDX-License-Identifier: Apache-2.0 */
/* --net and --vsock, parsed. */
#ifndef VMM_OPTIONS_NET_H
#define VMM_OPTIONS_NET_H

#include "vmm/options.h"

/* Takes one option's value. Returns 0, or -EINVAL with the cause in `problem`. */
int options_parse_net(struct options *options, const char *text, char *problem, size_t size);
int options_parse_vsock(struct options *options, const char *text, char *problem, size_t size);

#endif
