/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options: `key=value` lists with commas, where the first value may stand without its
 * key and a boolean may be bare. Two commas are one that belongs to a value. One description of the
 * fields serves every source of options.
 */
#ifndef VMM_VALUE_H
#define VMM_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VALUE_LIST_MAX 64

struct value_list {
	size_t count;
	uint64_t items[VALUE_LIST_MAX];
};

enum value_type {
	VALUE_BOOL,   /* bool: bare, on, off */
	VALUE_STRING, /* const char *: what is left after its key, up to a comma */
	/* const char *: as above, but a word that is no key of this option belongs to it:
	 * compatible=arm,pl011,address=host */
	VALUE_COMPATIBLE,
	VALUE_NUMBER, /* uint64_t: decimal or 0x */
	VALUE_SIZE,   /* uint64_t bytes: a number with K, M, G or T */
	VALUE_CHOICE, /* int: the index in `choices` */
	VALUE_LIST,   /* struct value_list: numbers with colons */
	VALUE_JOINED, /* const char *: may be given several times, with colons between them then */
};

/* One key of an option and where its value goes: `offset` bytes into the option's structure. */
struct value_field {
	const char *key;
	enum value_type type;
	size_t offset;
	/* Of VALUE_CHOICE, ending in NULL; of VALUE_SIZE: what the bare key stands for, or NULL. */
	const char *const *choices;
};

/*
 * Parses `text` into `target` by the fields. The first item may be the bare value of field 0, but
 * for a text that begins with a comma: it has keys alone.
 * Strings are copied and never freed: options live as long as the process.
 * Returns 0 or -EINVAL with the cause, without a newline, in `problem`.
 */
int value_parse(const char *text, const struct value_field *fields, size_t field_count,
	void *target, char *problem, size_t problem_size);

/* Whether value_parse() would take the first item of `text` for field 0's value, without a key. */
bool value_begins_bare(const char *text);

/*
 * The entry of names[0..count) that `word` most likely meant (at most two edits away), or NULL.
 */
const char *value_suggest(const char *word, const char *const *names, size_t count);

#endif
