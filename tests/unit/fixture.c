/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fixture.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void must(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

void fixture_create(void)
{
	strcpy(root, "/tmp/bpmp-vmm-unit-XXXXXX");
	must(mkdtemp(root) != NULL, root);
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

void fixture_remove(void)
{
	nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *fixture_path(const char *path)
{
	static char paths[8][512];
	static unsigned int next;
	char *result = paths[next++ % 8];

	snprintf(result, sizeof(paths[0]), "%s/%s", root, path);
	return result;
}

static void make_directories(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		must(mkdir(path, 0755) == 0 || errno == EEXIST, path);
		*slash = '/';
	}
}

/* The absolute path, with the directories above it in place. */
static const char *prepare(const char *path)
{
	static char whole[512];

	strcpy(whole, fixture_path(path));
	make_directories(whole);
	return whole;
}

void fixture_directory(const char *path)
{
	const char *whole = prepare(path);

	must(mkdir(whole, 0755) == 0 || errno == EEXIST, whole);
}

void fixture_bytes(const char *path, const void *data, size_t size)
{
	const char *whole = prepare(path);
	int fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size, whole);
	close(fd);
}

void fixture_text(const char *path, const char *text)
{
	fixture_bytes(path, text, strlen(text));
}

void fixture_link(const char *path, const char *target)
{
	const char *whole = prepare(path);

	unlink(whole);
	must(symlink(fixture_path(target), whole) == 0, whole);
}

void fixture_cell_array(const char *path, const uint32_t *cells, size_t count)
{
	uint32_t big_endian[64];

	must(count <= 64, "fixture_cells");
	for (size_t i = 0; i < count; i++)
		big_endian[i] = htobe32(cells[i]);
	fixture_bytes(path, big_endian, count * sizeof(big_endian[0]));
}
