/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `check`: what would keep a VM from running here, without starting it. */
#ifndef VMM_CHECK_MAIN_H
#define VMM_CHECK_MAIN_H

/* argv[0] is the verb, options follow. Returns the exit status. */
int check_main(int argc, char **argv);

#endif
