/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of the file system behind Landlock, on this machine's kernel. */
#include "seccomp/landlock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char directory[] = "/tmp/landlock-XXXXXX", elsewhere[] = "/tmp/landlock-file-XXXXXX";
static char ours[64], other[64];
static int kept;

static void make_files(void)
{
	int fd = mkstemp(elsewhere);

	cr_assert_geq(fd, 0);
	close(fd);
	cr_assert_not_null(mkdtemp(directory));
	snprintf(ours, sizeof(ours), "%s/socket", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	kept = open(ours, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq(kept, 0);
	fd = open(other, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	close(fd);
}

static void remove_files(void)
{
	unlink(ours);
	unlink(other);
	rmdir(directory);
	unlink(elsewhere);
}

TestSuite(landlock, .init = make_files, .fini = remove_files, .timeout = 30);

/* In the child: the first line whose promise does not hold, or 0. */
#define HOLDS(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			return __LINE__;                                                           \
	} while (0)
#define DENIED(call) HOLDS((call) < 0 && errno == EACCES)

/* `check` runs behind the lock, in a process of its own. */
static void behind(const struct jail_files *files, int (*check)(void))
{
	int *result = mmap(
		NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child;

	cr_assert_neq(result, MAP_FAILED);
	*result = -1;
	child = fork();
	if (child == 0) {
		int error = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0
			? -errno
			: landlock_forbid_files(files);

		*result = error == 0 ? check() : error;
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	if (*result == -EOPNOTSUPP)
		cr_skip_test("this kernel has no Landlock");
	cr_assert_eq(*result, 0, "line %d", *result);
}

static int nothing_at(const char *path)
{
	char there[80];

	snprintf(there, sizeof(there), "%s.new", path);
	DENIED(open(path, O_RDONLY | O_CLOEXEC));
	DENIED(open(path, O_WRONLY | O_CLOEXEC));
	DENIED(open(there, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	DENIED(rename(path, there));
	DENIED(mkdir(there, 0700));
	return 0;
}

static int no_files(void)
{
	HOLDS(nothing_at(ours) == 0);
	HOLDS(nothing_at(elsewhere) == 0);
	DENIED(unlink(ours));
	DENIED(open("/dev/null", O_RDWR | O_CLOEXEC));
	HOLDS(write(kept, "x", 1) == 1); /* what is open stays open */
	return 0;
}

Test(landlock, a_worker_has_no_files)
{
	static const struct jail_files none;

	behind(&none, no_files);
}

static int its_socket(void)
{
	HOLDS(nothing_at(ours) == 0);
	HOLDS(unlink(ours) == 0);
	HOLDS(unlink(other) == 0); /* as docs/threat-model.md says */
	DENIED(unlink(elsewhere));
	return 0;
}

Test(landlock, the_machine_removes_its_socket_and_no_more)
{
	const struct jail_files files = { .removable = { NULL, ours } };

	behind(&files, its_socket);
}

Test(landlock, a_directory_that_is_not_there)
{
	const struct jail_files files = { .removable = { "/tmp/landlock-no-such/socket" } };
	int error;

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	error = landlock_forbid_files(&files);
	cr_assert(error == -ENOENT || error == -EOPNOTSUPP);
}
