/* SPDX-License-Identifier: Apache-2.0 */
/* An input that is taken piece by piece, what is said of a rule that does not hold, and no log. */
#ifndef TESTS_FUZZ_FUZZ_INPUT_H
#define TESTS_FUZZ_FUZZ_INPUT_H

#include "vmm/base/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

/* In the place of vmm/base/log.c: writing lines would take most of the time. */
void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

static inline void fuzz_check(bool holds)
{
	if (!holds)
		abort();
}

/* Zeroes where the input is at its end. */
static inline void fuzz_take(struct fuzz_input *input, void *value, size_t size)
{
	size_t taken = size < input->left ? size : input->left;

	memset(value, 0, size);
	if (taken)
		memcpy(value, input->data, taken);
	input->data += taken;
	input->left -= taken;
}

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	uint8_t byte;

	fuzz_take(input, &byte, 1);
	return byte;
}

#endif
