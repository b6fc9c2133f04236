/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a VM: create, start, reset, stop, in the order of docs/architecture.md. */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <stdbool.h>

struct options;

/* bpmp-vmm's exit status, as the man page lists them. */
enum exit_status {
	EXIT_POWERED_OFF = 0,
	EXIT_OTHER = 1,
	EXIT_USAGE = 2,
	EXIT_HOST = 3,
	EXIT_RESET = 4,
	EXIT_PANIC = 5,
	EXIT_DEVICE = 6,
	EXIT_STOPPED = 7,
};

struct vm;

/*
 * Claims the guest's addresses and interrupts as machine_run() would, and starts nothing; needs no
 * KVM. The GIC's version is a guess where `*guessed`. machine_plan_free() frees *planned, also
 * after an error. Returns 0 or -errno (logged).
 */
int machine_plan(const struct options *options, struct vm **planned, bool *guessed);
void machine_plan_free(struct vm *vm);

/* Whether KVM takes the planned VM: makes it and closes it. Returns 0 or -errno (logged). */
int machine_try(struct vm *vm);

/* Runs one VM to its end. */
enum exit_status machine_run(const struct options *options);

#endif
