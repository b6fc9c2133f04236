/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/control.h"

#include "vmm/base/log.h"
#include "vmm/base/unix_socket.h"
#include "vmm/base/util.h"
#include "vmm/json_values.h"

#include <errno.h>
#include <json-c/json.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void let_go(struct control_client *client)
{
	event_loop_remove(client->control->loop, &client->source);
	close_fd(&client->source.fd);
	client->used = 0;
}

/* Sends the answer, or lets go of a client that has no room for it. */
static void send_answer(struct control_client *client, struct json_object *answer)
{
	size_t length;
	const char *text =
		json_object_to_json_string_length(answer, JSON_C_TO_STRING_PLAIN, &length);
	char newline[] = "\n", *start;

	if (text) {
		/* sendmsg() does not write to what it sends. */
		memcpy(&start, &text, sizeof(start));
		struct iovec parts[] = { { start, length }, { newline, 1 } };
		const struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

		if (sendmsg(client->source.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
			(ssize_t)(length + 1))
			return;
	}
	log_debug("--control: a client that does not take its answer was let go of");
	let_go(client);
}

static void refuse(struct json_object *answer, const char *problem)
{
	json_object_object_add(answer, "ok", json_object_new_boolean(0));
	json_add_text(answer, "error", problem);
}

static void serve(struct control_client *client, const char *line, size_t length)
{
	struct control *control = client->control;
	struct json_object *answer = json_object_new_object();
	struct control_request request;
	const char *refusal = NULL;
	char problem[160] = "";

	if (!answer) {
		let_go(client);
		return;
	}
	if (control_request_parse(&request, line, length, problem, sizeof(problem)))
		refusal = problem;
	else
		refusal = control->handler(control->context, &request, answer);
	if (refusal)
		refuse(answer, refusal);
	else
		json_object_object_add(answer, "ok", json_object_new_boolean(1));
	send_answer(client, answer);
	json_object_put(answer);
}

static void too_long(struct control_client *client)
{
	struct json_object *answer = json_object_new_object();

	if (answer) {
		refuse(answer, "the line is longer than any request");
		send_answer(client, answer);
		json_object_put(answer);
	}
	if (client->source.fd >= 0)
		let_go(client);
}

/*
 * Takes one request at most: what follows it stays in the socket, and the loop comes back for it
 * when it has served everybody else.
 */
static void on_client(struct event_source *source)
{
	struct control_client *client = container_of(source, struct control_client, source);
	size_t room = sizeof(client->line) - client->used, take;
	char *at = client->line + client->used, *end;
	ssize_t n = recv(source->fd, at, room, MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		let_go(client);
		return;
	}
	client->heard = ++client->control->turn;
	end = memchr(at, '\n', (size_t)n);
	take = end ? (size_t)(end - at) + 1 : (size_t)n;
	/* Into the same place: the same bytes, and no more. */
	if (recv(source->fd, at, take, MSG_DONTWAIT) != (ssize_t)take) {
		let_go(client);
		return;
	}
	client->used += take;
	if (end) {
		size_t length = client->used - 1;

		client->used = 0;
		serve(client, client->line, length);
	} else if (client->used == sizeof(client->line)) {
		too_long(client);
	}
}

static struct control_client *free_client(struct control *control)
{
	struct control_client *silent = &control->clients[0];

	for (size_t i = 0; i < ARRAY_SIZE(control->clients); i++) {
		struct control_client *client = &control->clients[i];

		if (client->source.fd < 0)
			return client;
		if (client->heard < silent->heard)
			silent = client;
	}
	/* Those who hold connections and say nothing must not lock out an administrator. */
	log_debug("--control: more than %d clients; the most silent one was let go of",
		CONTROL_MAX_CLIENTS);
	let_go(silent);
	return silent;
}

static void on_listener(struct event_source *source)
{
	struct control *control = container_of(source, struct control, listener);
	struct control_client *client;
	int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return; /* it has gone again, or there are no descriptors */
	client = free_client(control);
	client->source = (struct event_source){ fd, on_client };
	client->heard = ++control->turn;
	if (event_loop_add(control->loop, &client->source))
		close_fd(&client->source.fd);
}

/*
 * json-c takes its hash seed at the first key, and opens /dev/urandom where getrandom() has none
 * yet, early in the host's boot. The jail would end the VM for that.
 */
static void settle_json(void)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "ok", NULL);
	json_object_put(object);
}

static void log_socket(const char *path, int error)
{
	if (error == -ENAMETOOLONG)
		log_error("--control %s: the path is longer than %zu bytes, use a shorter one",
			path, UNIX_SOCKET_LONGEST_PATH);
	else if (error == -EADDRINUSE)
		log_error("--control %s: another VM listens there, or it is no socket; choose "
			  "another path",
			path);
	else
		log_error("--control %s: %s; check the directory", path, strerror(-error));
}

int control_check(const char *path)
{
	int error = unix_socket_check(path);

	if (error)
		log_socket(path, error);
	return error;
}

int control_open(struct control *control, struct event_loop *loop, const char *path,
	control_handler *handler, void *context)
{
	int fd = unix_socket_listen(path, CONTROL_MAX_CLIENTS, 0600), error = fd < 0 ? fd : 0;

	settle_json();
	control->loop = loop;
	control->path = path;
	control->handler = handler;
	control->context = context;
	control->listener = (struct event_source){ -1, on_listener };
	for (size_t i = 0; i < ARRAY_SIZE(control->clients); i++) {
		control->clients[i].source.fd = -1;
		control->clients[i].control = control;
	}
	if (error) {
		log_socket(path, error);
		return error;
	}
	control->listener.fd = fd;
	error = event_loop_add(loop, &control->listener);
	if (error) {
		log_error("--control %s: %s", path, strerror(-error));
		control_close(control);
	}
	return error;
}

void control_close(struct control *control)
{
	if (control->listener.fd < 0)
		return;
	/* The name first: without a listener behind it, it is free for the next VM. */
	if (unlink(control->path) < 0 && errno != ENOENT)
		log_warning("--control %s: cannot be removed: %s; do that", control->path,
			strerror(errno));
	event_loop_remove(control->loop, &control->listener);
	close_fd(&control->listener.fd);
	for (size_t i = 0; i < ARRAY_SIZE(control->clients); i++)
		if (control->clients[i].source.fd >= 0)
			let_go(&control->clients[i]);
}
