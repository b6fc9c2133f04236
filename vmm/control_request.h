/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said over the control socket: a JSON object a line, {"command":"status"}. An answer is
 * one line, too: {"ok":true,...} or {"ok":false,"error":"..."}. Some have more to say:
 * {"command":"balloon","size":268435456}, and
 * {"command":"resize","disk":"root.img","size":21474836480}, whose answer has the "size".
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
	char disk[CONTROL_LINE_MAX]; /* CONTROL_RESIZE: path or serial, not empty */
	/* Bytes. CONTROL_RESIZE: 0: not said; CONTROL_BALLOON: what the guest keeps, not 0 */
	uint64_t size;
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
