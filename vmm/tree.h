/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's device tree: the machine's own nodes, then each device's. */
#ifndef VMM_TREE_H
#define VMM_TREE_H

struct vm;

/*
 * Builds vm->boot.tree. Devices exist and the layout is final. Returns 0, -ERANGE when --cmdline is
 * too long with what is added to it, or another -errno (all logged).
 */
int tree_build(struct vm *vm);

/* Writes it to --dump-dtb, if that was given. Returns 0 or -errno (logged). */
int tree_dump(const struct vm *vm);

/* Whether it could be written; writes nothing. Returns 0 or -errno (logged). */
int tree_check_dump(const struct vm *vm);

/* New random seeds for the guest's next boot. Returns 0 or -errno (logged). */
int tree_refresh_seeds(struct vm *vm);

#endif
