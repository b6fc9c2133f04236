/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/file_check.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int file_check_directory_of(const char *path)
{
	char directory[PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');
	size_t length = slash == path ? 1 : slash != NULL ? (size_t)(slash - path) : 0;

	if (length >= sizeof(directory))
		return -ENAMETOOLONG;
	if (length > 0) {
		memcpy(directory, path, length);
		directory[length] = '\0';
	}
	return faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) == 0 ? 0 : -errno;
}

int file_check_writable(const char *path)
{
	struct stat status;

	if (stat(path, &status) != 0)
		return errno == ENOENT ? file_check_directory_of(path) : -errno;
	if (S_ISDIR(status.st_mode))
		return -EISDIR;
	return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 ? 0 : -errno;
}
