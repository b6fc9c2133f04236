/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/control_client.h"

#include "vmm/base/log.h"
#include "vmm/base/unix_socket.h"
#include "vmm/base/util.h"
#include "vmm/control_request.h"
#include "vmm/json_values.h"
#include "vmm/machine.h"
#include "vmm/status_text.h"
#include "vmm/value.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

/* A VM answers at once, but for what it waits for: the host's BPMP, a worker that stands still. */
#define ANSWER_SECONDS 60

/* More than any answer: the VM may be in its guest's hands, and is not to fill our memory. */
#define ANSWER_MAX     (1u << 20)

struct client_options {
	const char *verb, *socket;
	const struct control_form *form; /* the verb's */
	bool json;
	const char *disk;
	uint64_t size; /* bytes; 0: not said */
};

/* What follows a verb without dashes: DISK, then SIZE. False (logged) where it is neither. */
static bool take_word(struct client_options *options, const char *word)
{
	static const struct value_field size[] = {
		{ "size", VALUE_SIZE, offsetof(struct client_options, size), NULL },
	};
	char problem[160];

	if (options->form->disk && !options->disk) {
		options->disk = word;
		return true;
	}
	if (options->form->size == NO_SIZE || options->size != 0)
		snprintf(problem, sizeof(problem), "'%.60s' is one word too many", word);
	else if (value_parse(word, size, 1, options, problem, sizeof(problem)) == 0) {
		if (options->size != 0)
			return true;
		snprintf(problem, sizeof(problem), "SIZE is 0");
	}
	log_error("%s: %s; give%s%s --control SOCKET", options->verb, problem,
		options->form->disk ? " DISK" : "",
		options->form->size == NO_SIZE		       ? ""
			: options->form->size == MAY_HAVE_SIZE ? " [SIZE]"
							       : " SIZE, for example 256M,");
	return false;
}

/* Whether the verb has all it needs. */
static bool is_complete(const struct client_options *options)
{
	if (options->form->disk && (!options->disk || !*options->disk)) {
		log_error("%s needs the disk: its path or serial, as the VM's --disk has it",
			options->verb);
		return false;
	}
	if (options->form->size == NEEDS_SIZE && options->size == 0) {
		log_error("%s needs SIZE, for example 256M", options->verb);
		return false;
	}
	if (!options->socket || !*options->socket) {
		log_error("%s needs --control SOCKET, the VM's", options->verb);
		return false;
	}
	return true;
}

static bool parse(struct client_options *options, int argc, char **argv)
{
	static const char control[] = "--control=";
	enum control_command command;

	options->verb = argv[0];
	options->form = control_form_find(argv[0], &command);
	if (!options->form)
		return false;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--control") == 0 && i + 1 < argc) {
			options->socket = argv[++i];
		} else if (strncmp(argv[i], control, sizeof(control) - 1) == 0) {
			options->socket = argv[i] + sizeof(control) - 1;
		} else if (strcmp(argv[i], "--json") == 0 && command == CONTROL_STATUS) {
			options->json = true;
		} else if (argv[i][0] != '-') {
			if (!take_word(options, argv[i]))
				return false;
		} else {
			log_error("%s: '%.200s' is none of its options; give --control SOCKET%s",
				argv[0], argv[i], command == CONTROL_STATUS ? " [--json]" : "");
			return false;
		}
	}
	return is_complete(options);
}

/* Returns a connected socket, or -errno (logged). */
static int connect_to(const char *path)
{
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	int fd = unix_socket_connect(path, ANSWER_SECONDS), error = fd < 0 ? fd : 0;

	if (!error && setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0)
		error = -errno;
	if (!error)
		return fd;
	log_error("--control %s: %s", path,
		error == -ECONNREFUSED		 ? "no VM listens there any more; start it again"
			: error == -ENOENT	 ? "no VM is there; check the path"
			: error == -ENAMETOOLONG ? "the path is too long"
						 : strerror(-error));
	close_fd(&fd);
	return error;
}

static int send_request(int fd, const struct client_options *options)
{
	struct json_object *request = json_object_new_object();
	const char *text;
	char line[CONTROL_LINE_MAX + 2];
	int length;

	if (!request)
		return -ENOMEM;
	json_object_object_add(request, "command", json_object_new_string(options->verb));
	if (options->disk)
		json_object_object_add(request, "disk", json_object_new_string(options->disk));
	if (options->size != 0)
		json_object_object_add(request, "size", json_object_new_uint64(options->size));
	text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	length = snprintf(line, sizeof(line), "%s\n", text ? text : "");
	json_object_put(request);
	if (length >= (int)sizeof(line))
		return -ENAMETOOLONG;
	return send(fd, line, (size_t)length, MSG_NOSIGNAL) == length ? 0 : -errno;
}

/*
 * One line into `line`, ANSWER_MAX bytes, without its newline. Returns 0, -EPIPE (the VM has gone),
 * -EMSGSIZE or -errno, -EAGAIN where it does not answer.
 */
static int receive_line(int fd, char *line)
{
	size_t used = 0;

	while (used < ANSWER_MAX) {
		ssize_t n = recv(fd, line + used, ANSWER_MAX - used, 0);

		if (n < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		if (n == 0)
			return -EPIPE;
		used += (size_t)n;
		if (line[used - 1] == '\n') {
			line[used - 1] = '\0';
			return 0;
		}
	}
	return -EMSGSIZE;
}

/* The answer, an object, or NULL (logged). */
static struct json_object *ask(int fd, const struct client_options *options)
{
	char *line = malloc(ANSWER_MAX);
	struct json_object *answer = NULL;
	int error = line ? send_request(fd, options) : -ENOMEM;

	if (!error)
		error = receive_line(fd, line);
	if (!error) {
		answer = json_tokener_parse(line);
		error = json_object_is_type(answer, json_type_object) ? 0 : -EMSGSIZE;
	}
	free(line);
	if (!error)
		return answer;
	log_error("--control %s: the VM %s", options->socket,
		error == -EMSGSIZE	   ? "answers nonsense"
			: error == -EAGAIN ? "does not answer"
			: error == -EPIPE  ? "ended before it answered"
					   : strerror(-error));
	json_object_put(answer);
	return NULL;
}

/* After `stop`: the connection ends when the VM has put everything back. */
static int wait_for_end(int fd, const char *path)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);

	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return EXIT_SUCCESS;
	log_error("--control %s: the VM was told to stop, and is there still after %d s", path,
		ANSWER_SECONDS);
	return EXIT_FAILURE;
}

/* The VM is hostile, this may be a terminal: control characters beyond JSON's are escaped, too. */
static void print_json(const char *text)
{
	for (; *text; text++)
		if (is_c1(text))
			printf("\\u%04x", (unsigned char)*++text);
		else if (*text == 0x7f)
			printf("\\u007f");
		else
			putchar(*text);
	putchar('\n');
}

static int show(const struct client_options *options, int fd, struct json_object *answer)
{
	struct json_object *ok, *error, *status, *size;

	if (!json_object_object_get_ex(answer, "ok", &ok) || !json_object_get_boolean(ok)) {
		error = json_object_object_get(answer, "error");
		log_error("%s: %.500s", options->verb,
			json_object_is_type(error, json_type_string) ? json_object_get_string(error)
								     : "the VM does not say why");
		return EXIT_FAILURE;
	}
	if (json_object_object_get_ex(answer, "status", &status)) {
		if (options->json)
			print_json(json_object_to_json_string_ext(status, JSON_C_TO_STRING_PRETTY));
		else
			status_text_print(stdout, status);
	}
	if (options->disk && json_object_object_get_ex(answer, "size", &size))
		printf("%llu bytes\n", (unsigned long long)json_object_get_uint64(size));
	if (strcmp(options->verb, "stop") == 0)
		return wait_for_end(fd, options->socket);
	return EXIT_SUCCESS;
}

int control_client_main(int argc, char **argv)
{
	struct client_options options = { 0 };
	struct json_object *answer;
	int fd, status = EXIT_FAILURE;

	if (!parse(&options, argc, argv))
		return EXIT_USAGE;
	fd = connect_to(options.socket);
	if (fd < 0)
		return EXIT_FAILURE;
	answer = ask(fd, &options);
	if (answer)
		status = show(&options, fd, answer);
	json_object_put(answer);
	close(fd);
	return status;
}
