/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of others, in JSON. */
#include "vmm/json_values.h"

#include <criterion/criterion.h>
#include <json-c/json.h>

Test(json_values, what_is_no_printable_utf8_becomes_a_question_mark)
{
	/* A stray byte, a letter of two, a control character, and a letter that is cut. */
	struct json_object *value = json_text("a\xff\xc3\xa9\x01\"\xe2\x82");

	cr_assert_str_eq(json_object_get_string(value), "a?\xc3\xa9?\"??");
	json_object_put(value);
}

Test(json_values, no_text_is_null)
{
	struct json_object *object = json_object_new_object();

	json_add_text(object, "name", NULL);
	json_add_text(object, "state", "running");
	json_add_number(object, "largest", UINT64_MAX);
	cr_assert_str_eq(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN),
		"{\"name\":null,\"state\":\"running\",\"largest\":18446744073709551615}");
	json_object_put(object);
}
