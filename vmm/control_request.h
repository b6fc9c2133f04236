/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said over the control socket: a JSON object a line, {"command":"status"}, and for a
 * balloon {"command":"balloon","memory_bytes":268435456}. An answer is one line, too:
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
	CONTROL_COMMANDS
};

struct control_request {
	enum control_command command;
	uint64_t memory_bytes; /* CONTROL_BALLOON: what the guest is to make do with; not 0 */
};

/*
 * Parses one line, any bytes, without its newline. Returns 0, or -EINVAL or -ENOMEM with the cause
 * in `problem`.
 */
int control_request_parse(struct control_request *request, const char *line, size_t length,
	char *problem, size_t size);

/* The command of this name; false: there is none. */
bool control_command_find(const char *name, enum control_command *command);

#endif
