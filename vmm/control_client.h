/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that speak to a VM that runs: `bpmp-vmm status --control SOCKET`. */
#ifndef VMM_CONTROL_CLIENT_H
#define VMM_CONTROL_CLIENT_H

/*
 * argv[0] is the verb, a name of control_command_find(). Returns the exit status: 0 done, 1 refused
 * or no VM answers (logged), 2 wrong usage (logged).
 */
int control_client_main(int argc, char **argv);

#endif
