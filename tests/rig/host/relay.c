/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Joins standard input and output to a unix socket or a terminal, until either side ends:
 *
 *   rig-relay PATH      waits for 30 s until somebody listens there
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

static int open_path(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct termios raw;
	struct stat status;
	int fd;

	if (stat(path, &status))
		return -1;
	if (S_ISSOCK(status.st_mode)) {
		strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
			return fd;
		close(fd);
		return -1;
	}
	fd = open(path, O_RDWR | O_NOCTTY);
	if (fd >= 0 && !tcgetattr(fd, &raw)) {
		cfmakeraw(&raw);
		tcsetattr(fd, TCSANOW, &raw);
	}
	return fd;
}

/* Returns 0 at the end of `from`. */
static int copy(int from, int to)
{
	char chunk[4096];
	ssize_t size = read(from, chunk, sizeof(chunk)), done = 0, n;

	while (done < size) {
		n = write(to, chunk + done, (size_t)(size - done));
		if (n < 0)
			return 0;
		done += n;
	}
	return size > 0;
}

int main(int argc, char **argv)
{
	struct pollfd ends[2] = { { .fd = 0, .events = POLLIN }, { .events = POLLIN } };

	if (argc != 2)
		return 2;
	for (int tries = 0; (ends[1].fd = open_path(argv[1])) < 0 && tries < 10000; tries++)
		usleep(3000);
	if (ends[1].fd < 0) {
		perror(argv[1]);
		return 1;
	}
	for (;;) {
		poll(ends, 2, -1);
		if (ends[1].revents && !copy(ends[1].fd, 1))
			return 0;
		/* What comes back after the end of the input is still passed on. */
		if (ends[0].revents && !copy(0, ends[1].fd))
			ends[0].fd = -1;
	}
}
