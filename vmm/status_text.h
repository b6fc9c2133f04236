/* SPDX-License-Identifier: Apache-2.0 */
/* A VM's status for people. */
#ifndef VMM_STATUS_TEXT_H
#define VMM_STATUS_TEXT_H

#include <stdio.h>

struct json_object;

/*
 * Prints what status_describe() made. It comes from the VM's process, which its guest may have
 * taken over: any JSON is printed somehow, and nothing in it reaches the terminal as a control
 * character.
 */
void status_text_print(FILE *to, struct json_object *status);

#endif
