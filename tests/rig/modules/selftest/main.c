/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   selftest DEVICE...    the platform or amba devices that are bound to VFIO on this board
 *
 * Prints one line per check that fails and "selftest: N passed, N failed".
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "selftest.h"

void check(struct results *results, int ok, const char *file, int line, const char *what)
{
	if (ok) {
		results->passed++;
	} else {
		results->failed++;
		printf("selftest: FAILED %s:%d: %s\n",
			strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line, what);
	}
}

static void die(const char *path)
{
	perror(path);
	exit(1);
}

void read_file(const char *path, char *text, size_t size)
{
	size_t length = 0;
	ssize_t got = 1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	while (got > 0 && length < size - 1) {
		got = read(fd, text + length, size - 1 - length);
		if (got < 0)
			die(path);
		length += (size_t)got;
	}
	text[length] = '\0';
	close(fd);
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
	close(fd);
}

int main(int argc, char **argv)
{
	struct results results = { 0 };

	test_bpmp(&results);
	test_bpmp_firmware(&results);
	test_iommu(&results, argv + 1, argc - 1);
	printf("selftest: %u passed, %u failed\n", results.passed, results.failed);
	return results.failed ? 1 : 0;
}
