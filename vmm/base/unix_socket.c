/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/unix_socket.h"

#include "vmm/base/file_check.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

int unix_socket_address(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Whether the socket file is left over from a listener that is gone. */
static bool is_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int probe, error;

	if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
		return false;
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return false;
	error = connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(probe);
	return error == ECONNREFUSED;
}

static int bind_socket(int fd, const struct sockaddr_un *address)
{
	int error;

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 0;
	error = -errno;
	if (error != -EADDRINUSE || !is_stale(address))
		return error;
	if (unlink(address->sun_path) != 0 ||
		bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return -errno;
	return 0;
}

int unix_socket_check(const char *path)
{
	struct sockaddr_un address;
	struct stat status;
	int error = unix_socket_address(&address, path);

	if (error == 0 && lstat(path, &status) == 0 && !is_stale(&address))
		error = -EADDRINUSE;
	return error != 0 ? error : file_check_directory_of(path);
}

int unix_socket_check_peer(const char *path)
{
	struct sockaddr_un address;
	struct stat status;
	int error = unix_socket_address(&address, path);

	if (error != 0)
		return error;
	if (stat(path, &status) != 0)
		return -errno;
	return S_ISSOCK(status.st_mode) ? file_check_writable(path) : -ENOTSOCK;
}

int unix_socket_listen(const char *path, int backlog, mode_t mode)
{
	struct sockaddr_un address;
	mode_t before;
	int fd, error = unix_socket_address(&address, path);

	if (error != 0)
		return error;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* The file has its mode from its first moment on; chmod() would come too late. */
	before = umask(0);
	umask(before | (~mode & 0777));
	error = bind_socket(fd, &address);
	umask(before);
	if (error == 0 && listen(fd, backlog) != 0) {
		error = -errno;
		unlink(path);
	}
	if (error != 0) {
		close(fd);
		return error;
	}
	return fd;
}
