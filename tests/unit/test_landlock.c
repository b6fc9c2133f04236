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
#include <sys/syscall.h>
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
static void behind_rules(int (*lock)(const struct jail_files *files),
	const struct jail_files *files, int (*check)(void))
{
	int *result = mmap(
		NULL, sizeof(*result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t child;

	cr_assert_neq(result, MAP_FAILED);
	*result = -1;
	child = fork();
	if (child == 0) {
		int error = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : lock(files);

		*result = error == 0 ? check() : error;
		_exit(0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	if (*result == -EOPNOTSUPP)
		cr_skip_test("this kernel has no Landlock");
	cr_assert_eq(*result, 0, "line %d", *result);
}

static void behind(const struct jail_files *files, int (*check)(void))
{
	behind_rules(landlock_forbid_files, files, check);
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

static int program_with_one_file(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	HOLDS(fd >= 0);
	fd = open(ours, O_RDWR | O_CLOEXEC);
	HOLDS(fd >= 0 && ftruncate(fd, 1) == 0);
	fd = open(other, O_RDONLY | O_CLOEXEC);
	HOLDS(fd >= 0);
	DENIED(open(other, O_WRONLY | O_CLOEXEC));
	DENIED(unlink(ours));
	DENIED(open("/tmp/landlock-new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	return 0;
}

static int program_without_files(void)
{
	HOLDS(open(ours, O_RDONLY | O_CLOEXEC) >= 0);
	DENIED(open(ours, O_RDWR | O_CLOEXEC));
	return 0;
}

static int bind_program_to_ours(const struct jail_files *files)
{
	int rules = landlock_program_rules(files == NULL ? -1 : kept);

	if (rules < 0)
		return rules;
	return syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? -errno : 0;
}

Test(landlock, a_program_writes_to_its_file_and_no_other)
{
	static const struct jail_files none;

	behind_rules(bind_program_to_ours, &none, program_with_one_file);
	behind_rules(bind_program_to_ours, NULL, program_without_files);
}

Test(landlock, a_directory_that_is_not_there)
{
	const struct jail_files files = { .removable = { "/tmp/landlock-no-such/socket" } };
	int error;

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	error = landlock_forbid_files(&files);
	cr_assert(error == -ENOENT || error == -EOPNOTSUPP);
}
