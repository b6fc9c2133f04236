/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's end of the control socket. Everything happens on the event loop and nothing waits
 * for a client: one that does not take its answer, or says more than a request can be long, is
 * let go of, and so is the most silent one when there are too many.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include "vmm/base/event_loop.h"
#include "vmm/control_request.h"

#include <stddef.h>
#include <stdint.h>

struct json_object;
struct control;

#define CONTROL_MAX_CLIENTS 8

/*
 * Carries out a request and adds what it has to say to `answer`, an object. Returns NULL, or why it
 * was not done; `context` is control_open()'s.
 */
typedef const char *control_handler(
	void *context, const struct control_request *request, struct json_object *answer);

struct control_client {
	struct event_source source; /* fd -1: free */
	struct control *control;
	uint64_t heard; /* the control's turn in which it last said something */
	size_t used;
	char line[CONTROL_LINE_MAX]; /* the beginning of a request */
};

struct control {
	struct event_loop *loop;
	struct event_source listener; /* fd -1: not open */
	const char *path;
	control_handler *handler;
	void *context;
	uint64_t turn;
	struct control_client clients[CONTROL_MAX_CLIENTS];
};

/* Whether control_open() could listen at `path`; changes nothing. Returns 0 or -errno (logged). */
int control_check(const char *path);

/*
 * Listens at `path`, a file for its user alone. Before other threads exist. Returns 0 or -errno
 * (logged), -EADDRINUSE where a VM that runs has it. Strings are kept by reference.
 */
int control_open(struct control *control, struct event_loop *loop, const char *path,
	control_handler *handler, void *context);

/* Lets go of all clients and removes the file. Does nothing where it is not open. */
void control_close(struct control *control);

#endif
