/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/console_endpoint.h"

#include "vmm/base/file_check.h"
#include "vmm/base/log.h"
#include "vmm/base/unix_socket.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * A descriptor of our own for `fd`: non-blocking where that needs no change to the open file that
 * others share. A regular file is not opened anew, which would lose its position; a socket cannot
 * be. Without permission to open it again (a terminal of another user) it is shared as it is.
 */
static int private_fd(int fd, int mode)
{
	char path[32];
	struct stat status;
	int copy = -1;

	if (fstat(fd, &status) != 0)
		return -errno;
	if (!S_ISREG(status.st_mode) && !S_ISSOCK(status.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		copy = open(path, mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	}
	if (copy < 0)
		copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return copy < 0 ? -errno : copy;
}

static int open_stdio(struct console_endpoint *endpoint)
{
	endpoint->fd = private_fd(STDIN_FILENO, O_RDONLY);
	endpoint->output_fd = private_fd(STDOUT_FILENO, O_WRONLY);
	if (endpoint->fd < 0 || endpoint->output_fd < 0) {
		log_error("--%s stdio: standard input or output is closed; redirect it to "
			  "/dev/null or choose another end",
			endpoint->option);
		return -EBADF;
	}
	console_terminal_save(&endpoint->terminal, endpoint->fd);
	return 0;
}

static void log_pty(const char *option, int error)
{
	log_error("--%s pty: no pseudo-terminal to be had: %s; is devpts mounted?", option,
		strerror(-error));
}

static int open_pty(struct console_endpoint *endpoint)
{
	char path[64];
	struct termios settings;
	int slave = -1, error = 0;

	endpoint->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (endpoint->fd < 0 || grantpt(endpoint->fd) != 0 || unlockpt(endpoint->fd) != 0 ||
		ptsname_r(endpoint->fd, path, sizeof(path)) != 0)
		error = -errno;
	if (error == 0) {
		/* Raw, or the terminal would echo the guest's output back to it as input. Closing
		 * it again is what makes the master report that nobody has it open. */
		slave = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (slave < 0 || tcgetattr(slave, &settings) != 0)
			error = -errno;
	}
	if (error == 0) {
		cfmakeraw(&settings);
		if (tcsetattr(slave, TCSANOW, &settings) != 0)
			error = -errno;
	}
	close_fd(&slave);
	if (error == 0)
		log_info("the guest's %s is at %s",
			strcmp(endpoint->option, "serial") == 0 ? "early UART" : "console", path);
	else
		log_pty(endpoint->option, error);
	return error;
}

static void log_unix(const char *option, const char *path, int error)
{
	if (error == -ENAMETOOLONG)
		log_error("--%s unix=%s: the path is longer than %zu bytes, use a shorter one",
			option, path, UNIX_SOCKET_LONGEST_PATH);
	else
		log_error("--%s unix=%s: %s", option, path,
			error == -EADDRINUSE
				? "somebody listens there already, or it is no socket; "
				  "choose another path or remove it"
				: strerror(-error));
}

static int open_unix(struct console_endpoint *endpoint, const char *path)
{
	int fd = unix_socket_listen(path, 1, 0777);

	if (fd < 0) {
		log_unix(endpoint->option, path, fd);
		return fd;
	}
	endpoint->fd = fd;
	endpoint->socket_path = path;
	return 0;
}

static void log_file(const char *option, const char *path, int error)
{
	log_error("--%s file=%s: cannot open it for writing: %s", option, path,
		error == -ENXIO ? "nobody reads that pipe" : strerror(-error));
}

static int open_file(struct console_endpoint *endpoint, const char *path)
{
	/* Non-blocking for the case of a device or a pipe. */
	const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	int error;

	endpoint->fd = open(path, flags, 0666);
	if (endpoint->fd >= 0)
		return 0;
	error = -errno;
	log_file(endpoint->option, path, error);
	return error;
}

int console_endpoint_open(struct console_endpoint *endpoint, const char *option,
	const struct console_options *options)
{
	int error;

	*endpoint = (struct console_endpoint){
		.kind = options->kind,
		.option = option,
		.fd = -1,
		.output_fd = -1,
		.terminal.fd = -1,
	};
	switch (options->kind) {
	case CONSOLE_STDIO:
		error = open_stdio(endpoint);
		break;
	case CONSOLE_PTY:
		error = open_pty(endpoint);
		break;
	case CONSOLE_UNIX:
		error = open_unix(endpoint, options->path);
		break;
	case CONSOLE_FILE:
		error = open_file(endpoint, options->path);
		break;
	default:
		error = -EINVAL;
		break;
	}
	if (error != 0)
		console_endpoint_close(endpoint);
	return error;
}

int console_endpoint_check(const char *option, const struct console_options *options)
{
	int error = 0, fd;

	switch (options->kind) {
	case CONSOLE_PTY:
		fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
		error = fd < 0 ? -errno : 0;
		close_fd(&fd);
		if (error != 0)
			log_pty(option, error);
		break;
	case CONSOLE_UNIX:
		error = unix_socket_check(options->path);
		if (error != 0)
			log_unix(option, options->path, error);
		break;
	case CONSOLE_FILE:
		error = file_check_writable(options->path);
		if (error != 0)
			log_file(option, options->path, error);
		break;
	default: /* stdio is open: main() has seen to it */
		break;
	}
	return error;
}

static void restore_terminal(struct console_endpoint *endpoint)
{
	sigset_t ttou, before;

	/* From the background the change would stop us instead. */
	sigemptyset(&ttou);
	sigaddset(&ttou, SIGTTOU);
	pthread_sigmask(SIG_BLOCK, &ttou, &before);
	console_terminal_restore(&endpoint->terminal);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	endpoint->terminal.fd = -1;
}

void console_endpoint_close(struct console_endpoint *endpoint)
{
	if (endpoint->terminal.fd >= 0)
		restore_terminal(endpoint);
	if (endpoint->socket_path != NULL && unlink(endpoint->socket_path) < 0 && errno != ENOENT)
		log_warning("--%s unix=%s: cannot be removed: %s; do that", endpoint->option,
			endpoint->socket_path, strerror(errno));
	endpoint->socket_path = NULL;
	close_fd(&endpoint->fd);
	close_fd(&endpoint->output_fd);
}
