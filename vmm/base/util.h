/* SPDX-License-Identifier: Apache-2.0 */
/* Small helpers that everything may use. Depends on nothing of this project. */
#ifndef VMM_BASE_UTIL_H
#define VMM_BASE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#define BIT(n)		  (UINT64_C(1) << (n))

/* The structure that has `member` at `pointer`. */
#define container_of(pointer, type, member)                                                        \
	((type *)(void *)&((char *)(pointer))[-(ptrdiff_t)offsetof(type, member)])

/* `alignment` is a power of two; false when the result does not fit. */
static inline bool align_up(uint64_t value, uint64_t alignment, uint64_t *aligned)
{
	if (__builtin_add_overflow(value, alignment - 1, aligned))
		return false;
	*aligned &= ~(alignment - 1);
	return true;
}

/* Whether U+0080 to U+009F is here in UTF-8, of which terminals take some for commands. */
static inline bool is_c1(const char *text)
{
	return text[0] == '\xc2' && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0;
}

/* Closes *fd if it is open and marks it closed. */
static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#endif
