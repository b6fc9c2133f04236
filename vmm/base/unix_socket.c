/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/unix_socket.h"

#include "vmm/base/file_check.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

/* 0 where the file is a socket that is left over from a listener which is gone, or -errno. */
static int check_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int probe, error;

	if (lstat(address->sun_path, &status) != 0)
		return -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EADDRINUSE;
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return -errno;
	error = connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(probe);
	return error == ECONNREFUSED ? 0 : error == EACCES ? -EACCES : -EADDRINUSE;
}

static int bind_socket(int fd, const struct sockaddr_un *address)
{
	int error;

	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return 0;
	error = -errno;
	if (error == -EADDRINUSE)
		error = check_stale(address);
	/* One that has just been removed makes room as well. */
	if (error != 0 && error != -ENOENT)
		return error;
	if ((error == 0 && unlink(address->sun_path) != 0) ||
		bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return -errno;
	return 0;
}

int unix_socket_check(const char *path)
{
	struct sockaddr_un address;
	int error = unix_socket_address(&address, path);

	if (error == 0)
		error = check_stale(&address);
	return error != 0 && error != -ENOENT ? error : file_check_directory_of(path);
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

/* A listener that accepts nobody has room for some, and lets the next one wait. */
static int connect_in_time(int fd, const struct sockaddr_un *address, int seconds)
{
	const struct timeval most = { .tv_sec = seconds }, none = { 0 };

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most)) != 0 ||
		connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return -1;
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
}

int unix_socket_connect(const char *path, int seconds)
{
	struct sockaddr_un address;
	int error = unix_socket_address(&address, path), fd;

	if (error != 0)
		return error;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect_in_time(fd, &address, seconds) == 0)
		return fd;
	error = errno == EAGAIN ? -ETIMEDOUT : -errno;
	close_fd(&fd);
	return error;
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

/* Where sockets may be, best first; a service of systemd's may write to the first alone. */
static int make_directory(char *path, size_t size)
{
	const char *service = getenv("RUNTIME_DIRECTORY"), *user = getenv("XDG_RUNTIME_DIR");
	const char *const places[] = { service, user, "/run", "/tmp" };
	int error = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (places[i] == NULL || places[i][0] != '/')
			continue;
		snprintf(path, size, "%.*s/bpmp-vmm-XXXXXX", (int)strcspn(places[i], ":"),
			places[i]);
		if (mkdtemp(path) != NULL)
			return 0;
		error = -errno;
	}
	return error;
}

/* Who owns the place may have put another directory there since. */
static int check_owner(int directory)
{
	struct stat status;

	if (fstat(directory, &status) != 0)
		return -errno;
	return status.st_uid == geteuid() && (status.st_mode & 077) == 0 ? 0 : -EPERM;
}

/* By the directory's descriptor: its path may be longer than a socket's. */
static int connect_within(int directory, int *listener, int *connection)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct sockaddr *to = (const struct sockaddr *)&address;
	int error = 0;

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/s", directory);
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*listener < 0 || *connection < 0 || bind(*listener, to, sizeof(address)) != 0)
		return -errno;
	if (listen(*listener, 1) != 0 || connect(*connection, to, sizeof(address)) != 0)
		error = -errno;
	unlinkat(directory, "s", 0);
	return error;
}

int unix_socket_listen_unnamed(int *listener, int *connection)
{
	char path[PATH_MAX];
	int directory, error = make_directory(path, sizeof(path));

	*listener = *connection = -1;
	if (error == 0) {
		directory = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		error = directory < 0 ? -errno : check_owner(directory);
		if (error == 0)
			error = connect_within(directory, listener, connection);
		close_fd(&directory);
		rmdir(path);
	}
	if (error == 0)
		return 0;
	log_error("cannot make a socket in $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR, /run or /tmp: %s; "
		  "name a directory that this user can write as RUNTIME_DIRECTORY",
		strerror(-error));
	close_fd(listener);
	close_fd(connection);
	return error;
}
