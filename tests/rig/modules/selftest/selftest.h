/* SPDX-License-Identifier: Apache-2.0 */
/* The rig's test of its own host modules: runs on a board as root, before anything relies on them.
 */
#ifndef SELFTEST_H
#define SELFTEST_H

#include <stddef.h>

struct results {
	unsigned int passed, failed;
};

/* Counts a check, and prints it if it failed. */
void check(struct results *results, int ok, const char *file, int line, const char *what);
#define CHECK(results, condition) check(results, condition, __FILE__, __LINE__, #condition)

/* The content of a file, cut at `size` - 1 and ended by a zero byte; ends the program on failure.
 */
void read_file(const char *path, char *text, size_t size);
void write_file(const char *path, const char *text);

void test_bpmp(struct results *results);
void test_bpmp_firmware(struct results *results);
void test_iommu(struct results *results, char *const devices[], int count);

#endif
