/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, parsed for a test. Each test file that includes this has its own options. */
#ifndef TESTS_UNIT_OPTIONS_BENCH_H
#define TESTS_UNIT_OPTIONS_BENCH_H

#include "tests/unit/fakes.h"
#include "vmm/options.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct options options;

/* Parses words that spaces part; one that holds spaces is written with '~' for them. */
static enum options_result parse(const char *line)
{
	static char words[8192];
	char *argv[64] = { (char[]){ "bpmp-vmm" } };
	int argc = 1;

	cr_assert_lt((size_t)snprintf(words, sizeof(words), "%s", line), sizeof(words));
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " ")) {
		cr_assert_lt(argc, 63);
		for (char *tilde = strchr(word, '~'); tilde; tilde = strchr(word, '~'))
			*tilde = ' ';
		argv[argc++] = word;
	}
	return options_parse(&options, argc, argv);
}

/* With a kernel. */
static void assert_right(const char *line)
{
	static char whole[8192];

	snprintf(whole, sizeof(whole), "--kernel Image %s", line);
	cr_assert_eq(parse(whole), OPTIONS_RUN, "%s: %s", line, fake_log_text());
}

#endif
