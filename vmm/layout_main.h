/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `layout`: where a guest would find what, without starting it. */
#ifndef VMM_LAYOUT_MAIN_H
#define VMM_LAYOUT_MAIN_H

/* argv[0] is the verb, options follow. Returns the exit status. */
int layout_main(int argc, char **argv);

#endif
