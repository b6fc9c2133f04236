/* SPDX-License-Identifier: Apache-2.0 */
/* How far a misspelt word is from one that exists. */
#ifndef VMM_BASE_EDIT_DISTANCE_H
#define VMM_BASE_EDIT_DISTANCE_H

#include <stddef.h>

/* Longer words are not compared. */
#define EDIT_DISTANCE_LONGEST 64

/*
 * How many characters must be added, taken away or changed to make one of the other
 * (Levenshtein); SIZE_MAX where a word is longer than EDIT_DISTANCE_LONGEST.
 */
size_t edit_distance(const char *a, const char *b);

#endif
