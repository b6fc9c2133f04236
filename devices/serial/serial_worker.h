/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The early UART's worker: moves bytes between the machine's socket and whoever is at the other
 * end, with the console's code for that. Nothing in it blocks. What it has taken from the machine
 * and nobody takes is bounded; the rest waits in the socket, and then in the guest's UART.
 */
#ifndef DEVICES_SERIAL_SERIAL_WORKER_H
#define DEVICES_SERIAL_SERIAL_WORKER_H

#include "devices/virtio/console_escape.h"
#include "devices/virtio/console_peer.h"
#include "devices/virtio/console_terminal.h"
#include "vmm/base/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The descriptors in the worker. */
#define SERIAL_STOP_FD	 (WORKER_FIRST_FD + 0) /* eventfd: Ctrl-A x was typed */
#define SERIAL_WAKE_FD	 (WORKER_FIRST_FD + 1) /* eventfd: bytes were taken or given */
#define SERIAL_FD	 (WORKER_FIRST_FD + 2) /* input, pty, listening socket or file */
#define SERIAL_OUTPUT_FD (WORKER_FIRST_FD + 3) /* of stdio */

#define SERIAL_BUFFER	 4096

/* What the machine sends on the worker's socket before the bytes. */
struct serial_start {
	uint32_t kind; /* enum console_kind */
};

struct serial_buffer {
	uint8_t bytes[SERIAL_BUFFER + 1]; /* the escape's filter may add one */
	size_t start, end;
};

struct serial_worker {
	struct console_peer peer;
	struct console_escape escape;
	struct console_terminal terminal;
	int socket; /* of the machine, non-blocking */
	int wake_fd, stop_fd;
	int signal_fd; /* signalfd of SIGCONT; -1: none */
	struct serial_buffer output, input;
	bool hung_up; /* the machine is gone: what it has sent is still written */
	bool ending;  /* and all of that is in `output` */
};

/* Descriptors stay the caller's. */
void serial_worker_init(struct serial_worker *worker, int socket, enum console_kind kind, int fd,
	int output_fd, int wake_fd, int stop_fd);

void serial_worker_close(struct serial_worker *worker);

/* Works until the machine's socket is closed and its last words are out. 0 or -errno (logged). */
int serial_worker_run(struct serial_worker *worker);

#endif
