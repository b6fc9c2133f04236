/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--config FILE`: options as a JSON object, by their names on the command line. A value is what
 * the command line takes, as a string, number or boolean; one that is a list of keys there may be
 * an object; an option that may be repeated takes an array.
 *
 *   { "kernel": "Image", "memory": { "size": "1G" }, "cpus": 2, "no-reboot": true,
 *     "passthrough": [ "3100000.serial", { "device": "9040000.pl011", "compatible": "arm,pl011" } ]
 * }
 */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a file; more is a mistake. */
#define CONFIG_LARGEST (1u << 20)

struct config_value {
	const char *name; /* of the option, without its dashes */
	const char *text; /* as on the command line; NULL: a boolean */
	bool on;	  /* the boolean */
	bool object;	  /* the text was an object */
	bool in_array;	  /* one of several */
};

/* Applies an option. Returns 0, or -errno with the cause in `problem`. Text does not outlive it. */
typedef int config_apply(
	void *context, const struct config_value *value, char *problem, size_t size);

/*
 * Applies each option of the text in order. Returns 0 or -errno, with a line logged that names
 * `path`, line and option.
 */
int config_parse(
	const char *path, const char *text, size_t length, config_apply *apply, void *context);

/* The same for a file. */
int config_read(const char *path, config_apply *apply, void *context);

#endif
