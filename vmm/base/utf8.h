/* SPDX-License-Identifier: Apache-2.0 */
/* Which bytes of a text are printable UTF-8. */
#ifndef VMM_BASE_UTF8_H
#define VMM_BASE_UTF8_H

#include <stddef.h>

/*
 * Bytes of the well-formed sequence at `text`, which ends in NUL; 0: there is none, or it is a
 * control character.
 */
size_t utf8_length(const char *text);

/* Puts a '?' in the place of each byte that is part of none. */
void utf8_clean(char *text);

#endif
