/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a VM: create, start, reset, stop, in the order of docs/architecture.md. */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

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

/* Runs one VM to its end. */
enum exit_status machine_run(const struct options *options);

#endif
