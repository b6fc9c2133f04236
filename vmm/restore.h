/* SPDX-License-Identifier: Apache-2.0 */
/* `bpmp-vmm restore NAME`: what a VM that is gone left changed at the host's BPMP is put back. */
#ifndef VMM_RESTORE_H
#define VMM_RESTORE_H

/* argv[0] is the command, "restore". Returns the program's exit status. */
int restore_main(int argc, char **argv);

#endif
