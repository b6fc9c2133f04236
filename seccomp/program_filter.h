/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A filter for a program that is not ours. Which system calls it makes is not ours to list, and its
 * next version makes others; which ones a server of an image has no business with is.
 */
#ifndef SECCOMP_PROGRAM_FILTER_H
#define SECCOMP_PROGRAM_FILTER_H

#include <linux/filter.h>

/*
 * Makes the filter, for PR_SET_SECCOMP between fork and exec: what it denies fails with EPERM. Free
 * filter->filter. Returns 0 or -errno (logged).
 */
int program_filter_make(struct sock_fprog *filter);

#endif
