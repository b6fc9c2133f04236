/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: what clients may do to the event loop, and what not. */
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"
#include "vmm/base/unix_socket.h"
#include "vmm/control.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static struct event_loop loop;
static struct control control;
static const char *path;
static size_t padding; /* bytes that the handler adds to an answer */

static const char *handle(
	void *context, const struct control_request *request, struct json_object *answer)
{
	cr_assert_eq(context, &padding);
	fake_trace("command %d", (int)request->command);
	if (request->command == CONTROL_POWERDOWN)
		return "no key";
	if (padding > 0) {
		char *text = malloc(padding);

		cr_assert(text);
		memset(text, 'x', padding);
		json_object_object_add(
			answer, "status", json_object_new_string_len(text, (int)padding));
		free(text);
	}
	return NULL;
}

static void begin(void)
{
	fixture_create();
	path = fixture_path("control");
	cr_assert_eq(event_loop_open(&loop), 0);
	cr_assert_eq(control_open(&control, &loop, path, handle, &padding), 0);
}

static void end(void)
{
	control_close(&control);
	event_loop_close(&loop);
	fixture_remove();
}

TestSuite(control, .init = begin, .fini = end, .timeout = 20);

static int connect_client(void)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	cr_assert_eq(unix_socket_address(&address, path), 0);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void turn(int times)
{
	while (times-- > 0)
		cr_assert_eq(event_loop_run_once(&loop, 0), 0);
}

static void say(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* What there is to read now; "" for nothing, "end" where the connection has ended. */
static const char *heard(int fd)
{
	static char text[1024];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return "end";
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

Test(control, answers_a_request)
{
	int fd = connect_client();

	say(fd, "{\"command\":\"pause\"}\n");
	turn(2);
	cr_assert_str_eq(heard(fd), "{\"ok\":true}\n");
	cr_assert_str_eq(fake_trace_text(), "command 1\n");
	close(fd);
}

Test(control, says_why_not)
{
	int fd = connect_client();

	say(fd, "{\"command\":\"powerdown\"}\n");
	turn(2);
	cr_assert_str_eq(heard(fd), "{\"ok\":false,\"error\":\"no key\"}\n");
	say(fd, "{\"command\":\"dance\"}\n");
	turn(1);
	cr_assert_str_eq(heard(fd), "{\"ok\":false,\"error\":\"unknown command 'dance'\"}\n");
	close(fd);
}

Test(control, serves_one_request_a_turn)
{
	int fd = connect_client();

	say(fd, "{\"command\":\"pause\"}\n{\"command\":\"resume\"}\n{\"comm");
	turn(2);
	cr_assert_str_eq(fake_trace_text(), "command 1\n");
	turn(1);
	cr_assert_str_eq(fake_trace_text(), "command 1\ncommand 2\n");
	turn(2);
	say(fd, "and\":\"stop\"}\n");
	turn(1);
	cr_assert_str_eq(fake_trace_text(), "command 1\ncommand 2\ncommand 4\n");
	close(fd);
}

Test(control, lets_go_of_a_line_that_is_too_long)
{
	int fd = connect_client();
	char line[CONTROL_LINE_MAX + 1];

	memset(line, ' ', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	say(fd, line);
	turn(3);
	cr_assert_str_eq(
		heard(fd), "{\"ok\":false,\"error\":\"the line is longer than any request\"}\n");
	cr_assert_str_eq(heard(fd), "end");
	close(fd);
}

Test(control, lets_go_of_a_client_that_takes_no_answer)
{
	int fd = connect_client();

	padding = 60000;
	turn(1);
	for (int i = 0; i < 100 && control.clients[0].source.fd >= 0; i++) {
		if (send(fd, "{\"command\":\"status\"}\n", 21, MSG_NOSIGNAL) < 0)
			break;
		turn(1);
	}
	cr_assert_lt(control.clients[0].source.fd, 0);
	close(fd);
}

Test(control, most_silent_client_makes_room)
{
	int fds[CONTROL_MAX_CLIENTS + 1];

	for (int i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		fds[i] = connect_client();
		turn(1);
	}
	/* The first one says something, so that the second is the most silent one. */
	say(fds[0], "{\"command\":\"pause\"}\n");
	turn(1);
	cr_assert_str_eq(heard(fds[0]), "{\"ok\":true}\n");
	fds[CONTROL_MAX_CLIENTS] = connect_client();
	turn(1);
	cr_assert_str_eq(heard(fds[1]), "end");
	cr_assert_str_eq(heard(fds[0]), "");
	say(fds[CONTROL_MAX_CLIENTS], "{\"command\":\"pause\"}\n");
	turn(1);
	cr_assert_str_eq(heard(fds[CONTROL_MAX_CLIENTS]), "{\"ok\":true}\n");
	for (int i = 0; i <= CONTROL_MAX_CLIENTS; i++)
		close(fds[i]);
}

Test(control, client_that_leaves_makes_room)
{
	for (int i = 0; i < 3 * CONTROL_MAX_CLIENTS; i++) {
		int fd = connect_client();

		say(fd, "{\"comm");
		turn(2);
		close(fd);
		turn(1);
		cr_assert_lt(control.clients[0].source.fd, 0);
	}
}

Test(control, file_is_its_users_alone_and_goes)
{
	struct stat status;

	cr_assert_eq(stat(path, &status), 0);
	cr_assert_eq(status.st_mode & 07777, 0600);
	control_close(&control);
	cr_assert_eq(access(path, F_OK), -1);
}

Test(control, one_that_lives_is_refused)
{
	static struct control other;

	fake_log_capture();
	cr_assert_eq(control_open(&other, &loop, path, handle, &padding), -EADDRINUSE);
	cr_assert(strstr(fake_log_text(), "another VM listens there"));
	control_close(&other);
	cr_assert_eq(access(path, F_OK), 0);
}

Test(control, one_left_behind_is_replaced)
{
	static struct control other;
	int client;

	/* As SIGKILL leaves it: nobody listens, and the file is there. */
	close(control.listener.fd);
	control.listener.fd = -1;
	cr_assert_eq(control_open(&other, &loop, path, handle, &padding), 0);
	client = connect_client();
	close(client);
	control_close(&other);
}

Test(control, other_files_are_left_alone)
{
	static struct control other;

	fixture_text("file", "dear");
	fake_log_capture();
	cr_assert_eq(control_open(&other, &loop, fixture_path("file"), handle, NULL), -EADDRINUSE);
	cr_assert_eq(access(fixture_path("file"), F_OK), 0);
}
