/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said over the control socket: a JSON object a line, {"command":"status"}. Some commands
 * have more to say: {"command":"balloon","size":268435456}, and {"command":"resize",
 * "disk":"root.img","size":21474836480}, whose answer has the "size". An answer is one line, too:
 * {"ok":true,...} or {"ok":false,"error":"..."}.
 */
#ifndef VMM_CONTROL_REQUEST_H
#define VMM_CONTROL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a request, without its newline. */
#define CONTROL_LINE_MAX 4096

enum control_command {
	CONTROL_STATUS,
	CONTROL_PAUSE,
	CONTROL_RESUME,
	CONTROL_POWERDOWN,
	CONTROL_STOP,
	CONTROL_BALLOON,
	CONTROL_RESIZE,
	CONTROL_COMMANDS
};

struct control_request {
	enum control_command command;
	char disk[CONTROL_LINE_MAX]; /* path or serial; empty where the command has none */
	uint64_t size;		     /* bytes; 0: not said */
};

/*
 * Parses one line, any bytes, without its newline. Returns 0, or -EINVAL or -ENOMEM with the cause
 * in `problem`.
 */
int control_request_parse(struct control_request *request, const char *line, size_t length,
	char *problem, size_t size);

/* What a command says besides its name. */
struct control_form {
	const char *name;
	bool disk;					  /* always */
	enum { NO_SIZE, MAY_HAVE_SIZE, NEEDS_SIZE } size; /* bytes, above 0 */
};

/* The form of the command of this name, and the command; NULL: there is none. */
const struct control_form *control_form_find(const char *name, enum control_command *command);

#endif
