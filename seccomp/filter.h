/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls of each role, and their filter. Internal to the jail. */
#ifndef SECCOMP_FILTER_H
#define SECCOMP_FILTER_H

#include "seccomp/jail.h"

#include <stddef.h>

enum filter_match {
	MATCH_ANY,	/* whatever the arguments */
	MATCH_ARGUMENT, /* argument `argument` is `value` (its low 32 bits) */
	MATCH_OWN_PID,	/* argument `argument` is this process */
	MATCH_WHOLE,	/* argument `argument` is `value`, all 64 bits of it */
	MATCH_CLEAR,	/* argument `argument` has none of the bits `value` */
};

struct filter_rule {
	int syscall;
	enum filter_match match;
	unsigned int argument;
	unsigned long value;
};

struct filter_list {
	const struct filter_rule *rules;
	size_t count;
};

/* The lists that make up a role; `*lists` has `*count` entries. seccomp/rules.c. */
void filter_rules(enum jail_role role, const struct filter_list **lists, size_t *count);

/* How many different system calls a role may make, for the log. */
size_t filter_syscall_count(enum jail_role role);

/* Loads the filter of `role` for the calling thread. Returns 0 or -errno (logged). */
int filter_load(enum jail_role role);

#endif
