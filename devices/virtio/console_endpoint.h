/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other end of the guest's console, opened by the machine before it locks itself in and
 * handed to the worker.
 *
 * stdio   standard input and output. A terminal, pipe or device is opened anew, non-blocking, so
 *         that the user's shell does not find its own descriptors changed.
 * pty     a new pseudo-terminal; its path is logged. Output while nobody has it open is discarded.
 * unix    a listening socket, one client at a time, output without a client is discarded. A
 *         socket file that nobody listens on is replaced; ours is removed at the end.
 * file    output only; what the file held is truncated.
 */
#ifndef DEVICES_VIRTIO_CONSOLE_ENDPOINT_H
#define DEVICES_VIRTIO_CONSOLE_ENDPOINT_H

#include <stdint.h>

#include "devices/virtio/console.h"
#include "devices/virtio/console_terminal.h"
#include "vmm/base/worker.h"

/* The descriptors in the worker. */
#define CONSOLE_STOP_FD	  (WORKER_FIRST_FD + 0) /* eventfd: Ctrl-A x was typed */
#define CONSOLE_FD	  (WORKER_FIRST_FD + 1) /* input, pty, listening socket or file */
#define CONSOLE_OUTPUT_FD (WORKER_FIRST_FD + 2) /* of stdio */

/* What the machine sends on the worker's socket before the vhost-user conversation. */
struct console_start {
	uint32_t kind; /* enum console_kind */
};

struct console_endpoint {
	enum console_kind kind;
	const char *option;		  /* "console", for messages */
	int fd;				  /* CONSOLE_FD */
	int output_fd;			  /* CONSOLE_OUTPUT_FD; -1 for other kinds than stdio */
	struct console_terminal terminal; /* of stdio */
	const char *socket_path;	  /* the caller's; removed at the end */
};

/*
 * `option` is whose end it is, "console" or "serial". Returns 0 or -errno with a line logged that
 * names it, the cause and the remedy.
 */
int console_endpoint_open(struct console_endpoint *endpoint, const char *option,
	const struct console_options *options);

/* Whether it could be opened; changes nothing. Returns 0 or -errno (logged as above). */
int console_endpoint_check(const char *option, const struct console_options *options);

/* Closes the descriptors, restores the terminal and removes the socket file. */
void console_endpoint_close(struct console_endpoint *endpoint);

#endif
