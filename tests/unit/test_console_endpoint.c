/* SPDX-License-Identifier: Apache-2.0 */
/* Standard input and output, pseudo-terminals, sockets and files as the console's other end. */
#include "devices/virtio/console_endpoint.h"
#include "tests/unit/console_guest.h"
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static struct console_endpoint endpoint;

static int open_kind(enum console_kind kind, const char *path)
{
	const struct console_options options = { .kind = kind, .path = path };

	return console_endpoint_open(&endpoint, "console", &options);
}

static void begin(void)
{
	fake_log_capture();
	fixture_create();
	fixture_directory("console");
}

static void end(void)
{
	fixture_remove();
}

TestSuite(console_endpoint, .init = begin, .fini = end, .timeout = 60);

/* --- files ------------------------------------------------------------------------------------ */

static const char *file_text(const char *path)
{
	static char text[PIECE + 1];
	int fd = open(path, O_RDONLY);
	ssize_t count = read(fd, text, PIECE);

	close(fd);
	text[count < 0 ? 0 : count] = '\0';
	return text;
}

Test(console_endpoint, file_is_truncated_and_written)
{
	const char *path = fixture_path("console/log");

	fixture_text("console/log", "what was there before");
	cr_assert_eq(open_kind(CONSOLE_FILE, path), 0);
	guest_start(CONSOLE_FILE, endpoint.fd, endpoint.output_fd);
	guest_start_driver(0);
	guest_offer_receive(0);
	guest_print("one ");
	guest_print("two");
	cr_assert_str_eq(guest_receive(100), "nothing");
	guest_end();
	console_endpoint_close(&endpoint);
	cr_assert_str_eq(file_text(path), "one two");
}

Test(console_endpoint, file_that_cannot_be_written_is_named)
{
	cr_assert_eq(open_kind(CONSOLE_FILE, fixture_path("console")), -EISDIR);
	cr_assert_not_null(strstr(fake_log_text(), "--console file="));
	cr_assert_eq(open_kind(CONSOLE_FILE, fixture_path("nowhere/log")), -ENOENT);
	cr_assert_eq(mkfifo(fixture_path("console/pipe"), 0600), 0);
	cr_assert_eq(open_kind(CONSOLE_FILE, fixture_path("console/pipe")), -ENXIO);
	cr_assert_not_null(strstr(fake_log_text(), "nobody reads that pipe"));
}

Test(console_endpoint, full_disk_is_said_once_and_blocks_nothing)
{
	const char *first;

	cr_assert_eq(open_kind(CONSOLE_FILE, "/dev/full"), 0);
	guest_start(CONSOLE_FILE, endpoint.fd, endpoint.output_fd);
	guest_start_driver(0);
	guest_print("lost");
	guest_print("lost");
	first = strstr(fake_log_text(), "the console's output is lost: No space left");
	cr_assert_not_null(first);
	cr_assert_null(strstr(first + 1, "the console's output is lost"));
	guest_end();
	console_endpoint_close(&endpoint);
}

/* --- standard input and output ---------------------------------------------------------------- */

Test(console_endpoint, shared_descriptions_are_not_made_non_blocking)
{
	int input[2], output[2], flags;

	cr_assert_eq(pipe(input) | pipe(output), 0);
	dup2(input[0], STDIN_FILENO);
	dup2(output[1], STDOUT_FILENO);
	cr_assert_eq(open_kind(CONSOLE_STDIO, NULL), 0);
	flags = fcntl(STDIN_FILENO, F_GETFL) | fcntl(STDOUT_FILENO, F_GETFL);
	cr_assert_eq(flags & O_NONBLOCK, 0, "the shell would find it so");
	cr_assert(fcntl(endpoint.fd, F_GETFL) & O_NONBLOCK);
	cr_assert(fcntl(endpoint.output_fd, F_GETFL) & O_NONBLOCK);
	console_endpoint_close(&endpoint);
}

Test(console_endpoint, regular_files_keep_their_position)
{
	int input, output;

	fixture_text("console/in", "head tail");
	fixture_text("console/out", "12345");
	input = open(fixture_path("console/in"), O_RDONLY);
	output = open(fixture_path("console/out"), O_WRONLY);
	cr_assert_eq(lseek(input, 5, SEEK_SET), 5);
	cr_assert_eq(lseek(output, 5, SEEK_SET), 5);
	dup2(input, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	cr_assert_eq(open_kind(CONSOLE_STDIO, NULL), 0);
	guest_start(CONSOLE_STDIO, endpoint.fd, endpoint.output_fd);
	guest_start_driver(0);
	guest_offer_receive(0);
	guest_notify(RECEIVE);
	cr_assert_str_eq(guest_receive(5000), "tail");
	cr_assert_str_eq(guest_receive(100), "nothing");
	guest_print("678");
	guest_end();
	console_endpoint_close(&endpoint);
	cr_assert_str_eq(file_text(fixture_path("console/out")), "12345678");
}

Test(console_endpoint, closed_standard_input_is_an_error)
{
	close(STDIN_FILENO);
	cr_assert_eq(open_kind(CONSOLE_STDIO, NULL), -EBADF);
	cr_assert_not_null(strstr(fake_log_text(), "redirect it to /dev/null"));
}

/* --- pseudo-terminals ------------------------------------------------------------------------- */

static int open_slave(void)
{
	char path[64];

	cr_assert_eq(ptsname_r(endpoint.fd, path, sizeof(path)), 0);
	cr_assert_not_null(strstr(fake_log_text(), path), "the path is not printed");
	return open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
}

/* Prints until it comes out at `fd`: the worker looks for a user only now and then. */
static void print_until_seen(const char *text, int fd)
{
	for (int i = 0; i < 100; i++) {
		guest_print(text);
		if (test_wait_for(fd, POLLIN, 50))
			break;
	}
	cr_assert_str_eq(test_read_text(fd), text);
}

Test(console_endpoint, pty_users_come_and_go)
{
	cr_assert_eq(open_kind(CONSOLE_PTY, NULL), 0);
	guest_start(CONSOLE_PTY, endpoint.fd, endpoint.output_fd);
	guest_start_driver(0);
	guest_offer_receive(0);
	for (int user = 0; user < 2; user++) {
		int slave;

		for (int i = 0; i < 2000; i++)
			guest_print("nobody reads this, and it fills no buffer");
		slave = open_slave();
		print_until_seen("hello", slave);
		cr_assert_eq(write(slave, "typed\n", 6), 6);
		cr_assert_str_eq(guest_receive(5000), "typed\n");
		cr_assert_eq(write(slave, "bye", 3), 3);
		close(slave);
		cr_assert_str_eq(guest_receive(5000), "bye", "typed just before it was closed");
	}
	guest_end();
	console_endpoint_close(&endpoint);
}

Test(console_endpoint, pty_does_not_echo_the_guest)
{
	int slave;

	cr_assert_eq(open_kind(CONSOLE_PTY, NULL), 0);
	guest_start(CONSOLE_PTY, endpoint.fd, endpoint.output_fd);
	guest_start_driver(0);
	guest_offer_receive(0);
	slave = open_slave();
	print_until_seen("$ ", slave);
	cr_assert_str_eq(guest_receive(300), "nothing", "its output came back as input");
	guest_end();
	console_endpoint_close(&endpoint);
	close(slave);
}

static int64_t worker_microseconds(void)
{
	struct timespec used;
	clockid_t clock;

	pthread_getcpuclockid(guest.worker_thread, &clock);
	clock_gettime(clock, &used);
	return used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

Test(console_endpoint, pty_without_a_user_does_not_spin)
{
	int64_t before;

	cr_assert_eq(open_kind(CONSOLE_PTY, NULL), 0);
	guest_start(CONSOLE_PTY, endpoint.fd, endpoint.output_fd);
	guest_start_driver(0);
	guest_offer_receive(0);
	guest_print("x");
	before = worker_microseconds();
	usleep(500 * 1000);
	cr_assert_lt(worker_microseconds() - before, 50 * 1000);
	guest_end();
	console_endpoint_close(&endpoint);
}

/* --- sockets ---------------------------------------------------------------------------------- */

static int connect_client(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

Test(console_endpoint, socket_clients_come_one_after_the_other)
{
	const char *path = fixture_path("console/socket");
	int first, second;

	cr_assert_eq(open_kind(CONSOLE_UNIX, path), 0);
	guest_start(CONSOLE_UNIX, endpoint.fd, endpoint.output_fd);
	guest_start_driver(0);
	guest_offer_receive(0);
	guest_print("nobody is there");
	first = connect_client(path);
	cr_assert_geq(first, 0);
	print_until_seen("first", first);
	cr_assert_eq(write(first, "one", 3), 3);
	cr_assert_str_eq(guest_receive(5000), "one");

	second = connect_client(path);
	cr_assert_eq(write(second, "two", 3), 3);
	cr_assert_str_eq(guest_receive(100), "nothing", "it waits for its turn");
	guest_print("still the first's");
	cr_assert_str_eq(test_read_text(first), "still the first's");
	cr_assert_eq(write(first, " and last", 9), 9);
	close(first);
	cr_assert_str_eq(guest_receive(5000), " and last");
	cr_assert_str_eq(guest_receive(5000), "two");
	print_until_seen("second", second);
	/* It only stops talking; it still listens. */
	shutdown(second, SHUT_WR);
	cr_assert_str_eq(guest_receive(100), "nothing");
	guest_print("to the end");
	cr_assert_str_eq(test_read_text(second), "to the end");
	close(second);
	guest_end();
	console_endpoint_close(&endpoint);
	cr_assert_eq(access(path, F_OK), -1, "the socket file is left behind");
}

Test(console_endpoint, last_words_are_not_cut_off_by_the_next_client)
{
	const char *path = fixture_path("console/socket");
	char much[PIECE * 16];
	size_t got = 0;
	int first, second;

	cr_assert_eq(open_kind(CONSOLE_UNIX, path), 0);
	guest_start(CONSOLE_UNIX, endpoint.fd, endpoint.output_fd);
	guest_start_driver(0);
	first = connect_client(path);
	memset(much, 'a', sizeof(much));
	cr_assert_eq(write(first, much, sizeof(much)), (ssize_t)sizeof(much));
	close(first);
	second = connect_client(path);
	cr_assert_eq(write(second, "b", 1), 1);
	/* The guest is slow: each time the other client waits longer for it than it takes. */
	guest_offer_receive(0);
	guest_notify(RECEIVE);
	while (got < sizeof(much)) {
		const char *text = guest_receive(5000);

		cr_assert_neq(text[0], 'n', "only %zu bytes came", got);
		cr_assert_neq(text[0], 'b', "only %zu bytes came before the next client's", got);
		got += strlen(text);
		usleep(20 * 1000);
	}
	cr_assert_str_eq(guest_receive(5000), "b");
	close(second);
	guest_end();
	console_endpoint_close(&endpoint);
}

Test(console_endpoint, client_that_left_makes_room_though_nobody_read_it)
{
	const char *path = fixture_path("console/socket");
	char much[PIECE * 4] = "";
	int first, second;
	int64_t before;

	cr_assert_eq(open_kind(CONSOLE_UNIX, path), 0);
	guest_start(CONSOLE_UNIX, endpoint.fd, endpoint.output_fd);
	guest_start_driver(0);
	first = connect_client(path);
	print_until_seen("first", first);
	cr_assert_gt(write(first, much, sizeof(much)), PIECE + 1);
	usleep(50 * 1000);
	close(first);
	before = worker_microseconds();
	usleep(300 * 1000);
	cr_assert_lt(worker_microseconds() - before, 50 * 1000, "a hang-up makes it spin");
	second = connect_client(path);
	print_until_seen("second", second);
	close(second);
	guest_end();
	console_endpoint_close(&endpoint);
}

Test(console_endpoint, blocked_client_that_leaves_frees_the_guest)
{
	const char *path = fixture_path("console/socket");
	uint32_t head, written;
	int client;

	cr_assert_eq(open_kind(CONSOLE_UNIX, path), 0);
	guest_start(CONSOLE_UNIX, endpoint.fd, endpoint.output_fd);
	guest_start_driver(0);
	client = connect_client(path);
	print_until_seen("first", client);
	test_ring_set(&guest.rings[TRANSMIT], 0, TRANSMIT_GPA, 0x200000, 0, 0);
	test_ring_offer(&guest.rings[TRANSMIT], 0);
	guest_notify(TRANSMIT);
	cr_assert_not(guest_take(TRANSMIT, &head, &written, 200), "nobody reads it");
	close(client);
	cr_assert(guest_take(TRANSMIT, &head, &written, 5000));
	guest_end();
	console_endpoint_close(&endpoint);
}

Test(console_endpoint, stale_socket_is_replaced_and_a_live_one_is_not)
{
	const char *path = fixture_path("console/socket");
	struct console_endpoint first;

	cr_assert_eq(open_kind(CONSOLE_UNIX, path), 0);
	first = endpoint;
	cr_assert_eq(open_kind(CONSOLE_UNIX, path), -EADDRINUSE);
	cr_assert_not_null(strstr(fake_log_text(), "somebody listens there already"));
	cr_assert_eq(access(path, F_OK), 0, "the live one was removed");
	/* As if the machine had been killed: the file stays. */
	close(first.fd);
	cr_assert_eq(open_kind(CONSOLE_UNIX, path), 0);
	cr_assert_geq(connect_client(path), 0);
	console_endpoint_close(&endpoint);
	cr_assert_eq(access(path, F_OK), -1);
}

Test(console_endpoint, other_files_are_not_replaced)
{
	const char *path = fixture_path("console/precious");
	char long_path[200];

	fixture_text("console/precious", "data");
	cr_assert_eq(open_kind(CONSOLE_UNIX, path), -EADDRINUSE);
	cr_assert_str_eq(file_text(path), "data");
	cr_assert_eq(open_kind(CONSOLE_UNIX, fixture_path("nowhere/socket")), -ENOENT);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	cr_assert_eq(open_kind(CONSOLE_UNIX, long_path), -ENAMETOOLONG);
	cr_assert_not_null(strstr(fake_log_text(), "use a shorter one"));
}
