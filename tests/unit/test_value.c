/* SPDX-License-Identifier: Apache-2.0 */
/* Values of options. */
#include "vmm/value.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static struct target {
	uint64_t size, number;
	const char *string, *compatible;
	bool flag;
	int choice;
	struct value_list list;
	const char *joined;
} target;

static const char *const choices[] = { "red", "green", NULL };

static const struct value_field fields[] = {
	{ "size", VALUE_SIZE, offsetof(struct target, size), NULL },
	{ "number", VALUE_NUMBER, offsetof(struct target, number), NULL },
	{ "string", VALUE_STRING, offsetof(struct target, string), NULL },
	{ "compatible", VALUE_COMPATIBLE, offsetof(struct target, compatible), NULL },
	{ "flag", VALUE_BOOL, offsetof(struct target, flag), NULL },
	{ "choice", VALUE_CHOICE, offsetof(struct target, choice), choices },
	{ "list", VALUE_LIST, offsetof(struct target, list), NULL },
	{ "joined", VALUE_JOINED, offsetof(struct target, joined), NULL },
};
#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static char problem[512];

static int parse(const char *text)
{
	memset(&target, 0, sizeof(target));
	strcpy(problem, "not set");
	return value_parse(text, fields, FIELD_COUNT, &target, problem, sizeof(problem));
}

static void assert_wrong(const char *text, const char *words)
{
	cr_assert_eq(parse(text), -EINVAL, "'%s' is accepted", text);
	cr_assert_not_null(strstr(problem, words), "%s: '%s' is not in '%s'", text, words, problem);
	cr_assert_null(strchr(problem, '\n'));
}

/* Strings are never freed by design. */
TestSuite(value, .timeout = 20);

Test(value, what_is_given_several_times_is_joined)
{
	cr_assert_eq(parse("1,joined=a"), 0);
	cr_assert_str_eq(target.joined, "a");
	cr_assert_eq(parse("1,joined=a,flag,joined=b:c,joined=d"), 0);
	cr_assert_str_eq(target.joined, "a:b:c:d");
	cr_assert(target.flag);
	assert_wrong("1,joined=a,joined=", "joined is empty");
}

Test(value, numbers)
{
	cr_assert_eq(parse("1,number=0"), 0);
	cr_assert_eq(target.number, 0);
	cr_assert_eq(parse("1,number=010"), 0);
	cr_assert_eq(target.number, 10, "not octal");
	cr_assert_eq(parse("1,number=0xFfffFFFFffffffff"), 0);
	cr_assert_eq(target.number, UINT64_MAX);
	cr_assert_eq(parse("1,number=0X1f"), 0);
	cr_assert_eq(target.number, 0x1f);
	cr_assert_eq(parse("1,number=18446744073709551615"), 0);
	cr_assert_eq(target.number, UINT64_MAX);
}

Test(value, wrong_numbers)
{
	static const char *const wrong[] = { "", " 1", "-1", "+1", "1 ", "1x", "0x", "0xg", "x1",
		"1K", "0x-1", "0x 1", "18446744073709551616", "0x10000000000000000", "1.5", "one" };
	char text[64];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "1,number=%s", wrong[i]);
		assert_wrong(text, "is not a number (decimal or 0x...)");
		cr_assert_not_null(strstr(problem, wrong[i]));
	}
}

Test(value, sizes)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} sizes[] = {
		{ "0", 0 },
		{ "0T", 0 },
		{ "1", 1 },
		{ "65536", 65536 },
		{ "1K", 1024 },
		{ "1k", 1024 },
		{ "0x10K", 16384 },
		{ "512M", 512ull << 20 },
		{ "3g", 3ull << 30 },
		{ "2T", 2ull << 40 },
		{ "16777215T", 16777215ull << 40 },
		{ "18014398509481983K", 18014398509481983ull << 10 },
		{ "18446744073709551615", UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		cr_assert_eq(parse(sizes[i].text), 0, "%s", sizes[i].text);
		cr_assert_eq(target.size, sizes[i].bytes, "%s", sizes[i].text);
	}
}

Test(value, wrong_sizes)
{
	static const char *const wrong[] = { "", "K", "1KB", "1KK", "1P", "1 K", "-1K", "1,5M",
		"16777216T", "18014398509481984K", "18446744073709551616", "0x", "lots" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		cr_assert_eq(parse(wrong[i]), -EINVAL, "%s", wrong[i]);
	assert_wrong("16777216T", "size '16777216T' is not a size below 16 EiB");
}

Test(value, booleans)
{
	cr_assert_eq(parse("1,flag"), 0);
	cr_assert(target.flag);
	cr_assert_eq(parse("1,flag=on"), 0);
	cr_assert(target.flag);
	cr_assert_eq(parse("1,flag,flag=off"), 0);
	cr_assert_not(target.flag);
	assert_wrong("1,flag=", "'flag' is 'on' or 'off', not ''");
	assert_wrong("1,flag=yes", "not 'yes'");
	assert_wrong("1,flag=ON", "not 'ON'");
}

Test(value, choices_are_listed_when_wrong)
{
	cr_assert_eq(parse("1,choice=red"), 0);
	cr_assert_eq(target.choice, 0);
	cr_assert_eq(parse("1,choice=green"), 0);
	cr_assert_eq(target.choice, 1);
	assert_wrong("1,choice=blue", "choice 'blue' is none of: red, green");
	assert_wrong("1,choice=gree", "none of");
	assert_wrong("1,choice=", "none of");
}

Test(value, lists)
{
	cr_assert_eq(parse("1,list=155"), 0);
	cr_assert_eq(target.list.count, 1);
	cr_assert_eq(parse("1,list=155:0x66:7"), 0);
	cr_assert_eq(target.list.count, 3);
	cr_assert_eq(target.list.items[0], 155);
	cr_assert_eq(target.list.items[1], 0x66);
	cr_assert_eq(target.list.items[2], 7);
	assert_wrong("1,list=", "not a list");
	assert_wrong("1,list=1:", "not a list");
	assert_wrong("1,list=:1", "not a list");
	assert_wrong("1,list=1::2", "not a list");
	assert_wrong("1,list=1-2", "not a list");
	assert_wrong("1,list=1:18446744073709551616", "not a list");
}

Test(value, lists_have_an_end)
{
	char text[4 * VALUE_LIST_MAX + 16];
	size_t used = (size_t)snprintf(text, sizeof(text), "1,list=0");

	for (int i = 1; i < VALUE_LIST_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, ":%d", i);
	cr_assert_eq(parse(text), 0);
	cr_assert_eq(target.list.count, VALUE_LIST_MAX);
	cr_assert_eq(target.list.items[VALUE_LIST_MAX - 1], VALUE_LIST_MAX - 1);
	snprintf(text + used, sizeof(text) - used, ":9");
	assert_wrong(text, "up to 64 numbers");
}

Test(value, strings_hold_anything_but_a_comma)
{
	cr_assert_eq(parse("1,string=a=b: c/d"), 0);
	cr_assert_str_eq(target.string, "a=b: c/d");
	assert_wrong("1,string=", "string is empty");
	assert_wrong("1,string", "'string' needs a value: string=...");
}

Test(value, first_value_needs_no_key)
{
	cr_assert_eq(parse("4K"), 0);
	cr_assert_eq(target.size, 4096);
	cr_assert_eq(parse("size=4K"), 0);
	cr_assert_eq(target.size, 4096);
	cr_assert_eq(parse("number=3"), 0);
	cr_assert_eq(target.number, 3);
	cr_assert_eq(target.size, 0);
	assert_wrong("number=3,4K", "unknown key '4K'");
}

Test(value, bare_first_string_may_hold_an_equals_sign)
{
	static const struct value_field one[] = { { "path", VALUE_STRING, 0, NULL } };
	const char *path = NULL;

	cr_assert_eq(value_parse("a=b", one, 1, &path, problem, sizeof(problem)), 0);
	cr_assert_str_eq(path, "a=b");
}

Test(value, bare_first_boolean)
{
	static const struct value_field one[] = { { "sandbox", VALUE_BOOL, 0, NULL } };
	bool flag = true;

	cr_assert_eq(value_parse("off", one, 1, &flag, problem, sizeof(problem)), 0);
	cr_assert_not(flag);
	cr_assert_eq(value_parse("sandbox", one, 1, &flag, problem, sizeof(problem)), 0);
	cr_assert(flag);
}

/* A compatible string has a comma of its own. */
Test(value, compatible_takes_words_that_are_no_keys)
{
	cr_assert_eq(parse("1,compatible=arm,pl011,string=host"), 0);
	cr_assert_str_eq(target.compatible, "arm,pl011");
	cr_assert_str_eq(target.string, "host");
	cr_assert_eq(parse("1,compatible=arm,pl011,flag"), 0);
	cr_assert_str_eq(target.compatible, "arm,pl011");
	cr_assert(target.flag);
	cr_assert_eq(parse("compatible=nvidia,tegra234-uart,number=2"), 0);
	cr_assert_str_eq(target.compatible, "nvidia,tegra234-uart");
	cr_assert_eq(parse("1,compatible=ns16550a,flag"), 0);
	cr_assert_str_eq(target.compatible, "ns16550a");
	/* A misspelt key is one still. */
	assert_wrong("1,compatible=arm,pl011,sting=host", "did you mean 'string'?");
}

Test(value, compatible_needs_its_value)
{
	assert_wrong("1,compatible", "'compatible' needs a value");
	assert_wrong("1,compatible,arm", "'compatible' needs a value");
	assert_wrong("1,compatible=", "compatible is empty");
	assert_wrong("1,compatible=arm,", "ends in a comma");
	assert_wrong("1,compatible=arm,,,", "ends in a comma");
}

Test(value, two_commas_are_one_of_the_values)
{
	cr_assert_eq(parse("1,string=a,,b,number=2"), 0);
	cr_assert_str_eq(target.string, "a,b");
	cr_assert_eq(target.number, 2);
	cr_assert_eq(parse("1,string=,,,,x,,,flag"), 0);
	cr_assert_str_eq(target.string, ",,x,");
	cr_assert(target.flag);
	cr_assert_eq(parse("1,compatible=arm,,pl011,primecell,flag"), 0);
	cr_assert_str_eq(target.compatible, "arm,pl011,primecell");
	cr_assert_eq(parse("1,compatible=arm,,flag"), 0);
	cr_assert_str_eq(target.compatible, "arm,flag");
	cr_assert_not(target.flag);
}

Test(value, comma_in_front_leaves_no_bare_value)
{
	cr_assert_eq(parse(",number=2,string=x=y"), 0);
	cr_assert_eq(target.number, 2);
	cr_assert_str_eq(target.string, "x=y");
	assert_wrong(",1", "unknown key '1'");
	assert_wrong(",sise=1", "did you mean 'size'?");
}

Test(value, later_values_win)
{
	cr_assert_eq(parse("1,size=2,size=3"), 0);
	cr_assert_eq(target.size, 3);
}

Test(value, unknown_keys_are_named_with_the_close_one)
{
	assert_wrong("1,nmber=3", "unknown key 'nmber'; did you mean 'number'?");
	assert_wrong("1,frobnicate=3", "unknown key 'frobnicate'");
	cr_assert_null(strstr(problem, "did you mean"));
	assert_wrong("1,=3", "unknown key ''");
	assert_wrong("1,Number=3", "did you mean 'number'?");
}

Test(value, stray_commas)
{
	assert_wrong("1,", "it ends in a comma");
	assert_wrong("1,,flag", "size '1,flag' is not a size");
	assert_wrong("1,,,", "size '1,' is not a size");
	assert_wrong(",", "size '' is not a size");
	assert_wrong("", "size '' is not a size");
}

/* The cause must survive a text longer than the buffer. */
Test(value, long_texts_do_not_hide_the_cause)
{
	char text[4096];

	memset(text, '9', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_wrong(text, "is not a size");
	memcpy(text, "1,number=", 9);
	assert_wrong(text, "is not a number");
	memset(text, 'k', 100);
	memcpy(text, "1,", 2);
	assert_wrong(text, "unknown key 'kkkk");
}

Test(value, problem_is_cut_to_its_buffer)
{
	char small[8];

	cr_assert_eq(value_parse("x", fields, FIELD_COUNT, &target, small, sizeof(small)), -EINVAL);
	cr_assert_str_eq(small, "size 'x");
}

/* --- suggestions ------------------------------------------------------------------------------ */

static const char *suggest(const char *word)
{
	static const char *const names[] = { "kernel", "console", "cpus", "on", "log-level" };

	return value_suggest(word, names, sizeof(names) / sizeof(names[0]));
}

Test(value, suggests_what_is_at_most_two_edits_away)
{
	cr_assert_str_eq(suggest("kernl"), "kernel");
	cr_assert_str_eq(suggest("kernell"), "kernel");
	cr_assert_str_eq(suggest("krenel"), "kernel");
	cr_assert_str_eq(suggest("kernel"), "kernel");
	cr_assert_str_eq(suggest("loglevel"), "log-level");
	cr_assert_str_eq(suggest("consoles"), "console");
	cr_assert_null(suggest("krnl-x"));
	cr_assert_null(suggest("frobnicate"));
}

Test(value, suggests_nothing_that_shares_nothing)
{
	cr_assert_null(suggest("xy"));
	cr_assert_null(suggest(""));
	cr_assert_null(value_suggest("kernel", NULL, 0));
}

Test(value, suggests_nothing_for_endless_words)
{
	char word[100];

	memset(word, 'k', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	cr_assert_null(suggest(word));
}
