/* SPDX-License-Identifier: Apache-2.0 */
/* A listening socket that only its maker is connected to. */
#include "tests/unit/fakes.h"
#include "vmm/base/unix_socket.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char directory[] = "/tmp/unix-socket-XXXXXX";

static void begin(void)
{
	fake_log_capture();
	cr_assert_not_null(mkdtemp(directory));
	setenv("RUNTIME_DIRECTORY", directory, 1);
}

static void end(void)
{
	rmdir(directory);
}

TestSuite(unix_socket, .init = begin, .fini = end, .timeout = 30);

Test(unix_socket, unnamed_is_connected_and_leaves_no_file)
{
	int listener, connection, accepted;
	char byte = 'x';

	cr_assert_eq(unix_socket_listen_unnamed(&listener, &connection), 0);
	cr_assert(fcntl(listener, F_GETFD) & FD_CLOEXEC);
	cr_assert(fcntl(connection, F_GETFD) & FD_CLOEXEC);
	cr_assert_eq(rmdir(directory), 0, "nothing is left in it");
	accepted = accept(listener, NULL, NULL);
	cr_assert_geq(accepted, 0);
	cr_assert_eq(write(accepted, "a", 1), 1);
	cr_assert_eq(read(connection, &byte, 1), 1);
	cr_assert_eq(byte, 'a');
}

/* As a program that ends before it has accepted leaves it. */
Test(unix_socket, unnamed_ends_with_its_listener)
{
	int listener, connection;
	char byte;

	cr_assert_eq(unix_socket_listen_unnamed(&listener, &connection), 0);
	close(listener);
	cr_assert_leq(read(connection, &byte, 1), 0);
}

/* Longer than a socket's path may be. */
Test(unix_socket, unnamed_in_a_deep_directory)
{
	char deep[256];
	int listener, connection;

	snprintf(deep, sizeof(deep), "%s/%0120d", directory, 0);
	cr_assert_eq(mkdir(deep, 0700), 0);
	setenv("RUNTIME_DIRECTORY", deep, 1);
	cr_assert_eq(unix_socket_listen_unnamed(&listener, &connection), 0);
	cr_assert_eq(rmdir(deep), 0);
}

Test(unix_socket, unnamed_goes_where_it_can)
{
	int listener, connection;

	setenv("RUNTIME_DIRECTORY", "/none/there", 1);
	setenv("XDG_RUNTIME_DIR", directory, 1);
	cr_assert_eq(unix_socket_listen_unnamed(&listener, &connection), 0);
	cr_assert_str_eq(fake_log_text(), "");
}

/* Each connection that its listener has not accepted takes room; then the next one waits. */
Test(unix_socket, listener_that_accepts_nobody_is_not_waited_for_without_end)
{
	char path[64];
	int listener, fds[8], count = 0, error = 0;

	snprintf(path, sizeof(path), "%s/socket", directory);
	listener = unix_socket_listen(path, 1, 0600);
	cr_assert_geq(listener, 0);
	while (count < 8 && error == 0) {
		fds[count] = unix_socket_connect(path, 1);
		if (fds[count] < 0)
			error = fds[count];
		else
			count++;
	}
	cr_assert_eq(error, -ETIMEDOUT);
	cr_assert_eq(count, 2);
	close(accept(listener, NULL, NULL));
	fds[count] = unix_socket_connect(path, 1);
	cr_assert_geq(fds[count], 0);
	cr_assert_eq(unlink(path), 0);
}
