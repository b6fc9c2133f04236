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

int landlock_forbid_files(const struct jail_files *files)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr attributes = { .handled_access_fs = rights_of(version) };
	int ruleset, error = 0;

	if (version < 0)
		return errno == ENOSYS ? -EOPNOTSUPP : -errno;
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
