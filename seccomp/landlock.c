/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Rights on files by version of the ABI (Documentation/userspace-api/landlock.rst): 13 bits in
 * the first one, then REFER, TRUNCATE, and in the fifth IOCTL_DEV. Later ones add other kinds.
 */
static uint64_t rights_of(long version)
{
	unsigned int bits = version >= 5 ? 16 : version >= 3 ? 15 : version == 2 ? 14 : 13;

	return (UINT64_C(1) << bits) - 1;
}

#define FS_TRUNCATE (UINT64_C(1) << 14) /* LANDLOCK_ACCESS_FS_TRUNCATE, since version 3 */

static int allow_removal(int ruleset, const char *file)
{
	struct landlock_path_beneath_attr rule = {
		.allowed_access = LANDLOCK_ACCESS_FS_REMOVE_FILE,
	};
	const char *slash = strrchr(file, '/');
	char directory[PATH_MAX] = ".";
	size_t length = slash == NULL ? 0 : (size_t)(slash - file) + 1;
	int error = 0;

	if (length >= sizeof(directory))
		return -ENAMETOOLONG;
	if (length > 0) {
		memcpy(directory, file, length);
		directory[length] = '\0';
	}
	rule.parent_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return -errno;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		error = -errno;
	close(rule.parent_fd);
	return error;
}

/* Of this kernel, or -errno. */
static long abi_version(void)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

	if (version < 0)
		return errno == ENOSYS ? -EOPNOTSUPP : -errno;
	return version;
}

int landlock_forbid_files(const struct jail_files *files)
{
	long version = abi_version();
	struct landlock_ruleset_attr attributes = { .handled_access_fs = rights_of(version) };
	int ruleset, error = 0;

	if (version < 0)
		return (int)version;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
	if (ruleset < 0)
		return -errno;
	for (size_t i = 0; i < JAIL_MAX_FILES && error == 0; i++)
		if (files->removable[i] != NULL)
			error = allow_removal(ruleset, files->removable[i]);
	if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		error = -errno;
	close(ruleset);
	return error;
}

static int allow_beneath(int ruleset, int fd, uint64_t rights)
{
	const struct landlock_path_beneath_attr rule = { rights, fd };

	return syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		? -errno
		: 0;
}

static int allow_path(int ruleset, const char *path, uint64_t rights)
{
	int fd = open(path, O_PATH | O_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	error = allow_beneath(ruleset, fd, rights);
	close(fd);
	return error;
}

int landlock_program_rules(int writable)
{
	/* ioctl() on devices is left out: a disk may be one. */
	const long version = abi_version();
	const uint64_t handled = rights_of(version < 4 ? version : 4);
	const uint64_t read = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |
		LANDLOCK_ACCESS_FS_READ_DIR;
	/* struct landlock_ruleset_attr as the sixth version has it. */
	const struct {
		uint64_t fs, net, scoped;
	} attributes = {
		.fs = handled,
		.net = 3,    /* since 4: LANDLOCK_ACCESS_NET_BIND_TCP and _CONNECT_TCP */
		.scoped = 3, /* since 6: LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and _SIGNAL */
	};
	const size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
	const uint64_t write = handled &
		(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE);
	int ruleset, error;

	if (version < 0)
		return (int)version;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, size, 0);
	if (ruleset < 0)
		return -errno;
	error = allow_path(ruleset, "/", read);
	if (error == 0)
		error = allow_path(ruleset, "/dev/null", write);
	if (error == 0 && writable >= 0)
		error = allow_beneath(ruleset, writable, write);
	if (error != 0)
		close(ruleset);
	return error != 0 ? error : ruleset;
}
