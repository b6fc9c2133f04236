/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values of texts that may be no UTF-8, as paths and names of others may be. */
#ifndef VMM_JSON_VALUES_H
#define VMM_JSON_VALUES_H

#include <stdint.h>

struct json_object;

/* A string; what is no printable UTF-8 becomes '?'. NULL, which is JSON's null, without memory. */
struct json_object *json_text(const char *text);

/* Adds them under `key`, which is a literal. A text that is NULL is JSON's null. */
void json_add_text(struct json_object *object, const char *key, const char *text);
void json_add_number(struct json_object *object, const char *key, uint64_t value);

#endif
