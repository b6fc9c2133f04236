/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own that looks like part of the host: /sys, /dev/vfio. */
#ifndef TESTS_UNIT_FIXTURE_H
#define TESTS_UNIT_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

/* Makes the directory, and removes it with all that is in it. */
void fixture_create(void);
void fixture_remove(void);

/* `path` inside the directory, as an absolute path; overwritten by the 8th call that follows. */
const char *fixture_path(const char *path);

/* Each makes the directories that its path needs. */
void fixture_directory(const char *path);
void fixture_bytes(const char *path, const void *data, size_t size);
void fixture_text(const char *path, const char *text);
/* `target` inside the directory as well; it need not exist. */
void fixture_link(const char *path, const char *target);
void fixture_cell_array(const char *path, const uint32_t *cells, size_t count);

/* A string list as in a device tree: fixture_strings("x/compatible", "a\0b"). */
#define fixture_strings(path, literal) fixture_bytes(path, literal, sizeof(literal))

#define fixture_cells(path, ...)                                                                   \
	fixture_cell_array(path, (const uint32_t[]){ __VA_ARGS__ },                                \
		sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))

#endif
