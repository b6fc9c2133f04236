/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: the kernel's own refusal of every file that a path could name. */
#ifndef SECCOMP_LANDLOCK_H
#define SECCOMP_LANDLOCK_H

#include "seccomp/jail.h"

/*
 * From now on this thread, and those that it starts, can neither open, create, run, rename nor
 * remove anything by its path, but what `files` says. Descriptors that are open stay as they are.
 * Needs no_new_privs. Returns 0, -EOPNOTSUPP where this kernel has no Landlock or does not use it,
 * or -errno.
 */
int landlock_forbid_files(const struct jail_files *files);

#endif
