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

/*
 * Rules for a program that is not ours, which it is started with: it may read and run what its user
 * may, and write to the open file `writable` (-1: none) and /dev/null alone. Where the kernel can
 * say that, it makes no TCP connections, and signals nobody but itself.
 * Returns a descriptor, -EOPNOTSUPP as above, or -errno.
 */
int landlock_program_rules(int writable);

#endif
