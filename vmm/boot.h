/* SPDX-License-Identifier: Apache-2.0 */
/* Guest RAM and what is loaded into it: kernel, initrd, device tree. */
#ifndef VMM_BOOT_H
#define VMM_BOOT_H

struct vm;

/* Open and check --kernel and --initrd, if given. Return 0 or -errno (logged). */
int boot_open_kernel(struct vm *vm);
int boot_open_initrd(struct vm *vm);
void boot_close(struct vm *vm);

/*
 * Creates and maps guest RAM and places the three parts in it; no page but huge ones is
 * taken before it is touched. Returns 0 or -errno (logged).
 */
int boot_create_memory(struct vm *vm);

/* Copies them into guest RAM, at start and after each guest reset. Returns 0 or -errno (logged). */
int boot_load(struct vm *vm);

#endif
