/* SPDX-License-Identifier: Apache-2.0 */
/* The early UART's worker: how it starts, is locked in and ends. */
#include "devices/serial/serial.h"

#include "devices/serial/serial_worker.h"
#include "seccomp/jail.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

int serial_worker_main(int argc, char **argv)
{
	struct serial_worker *worker = malloc(sizeof(*worker));
	struct serial_start start;
	int error;

	(void)argc;
	(void)argv;
	if (worker == NULL)
		return EXIT_FAILURE;
	if (recv(WORKER_SOCKET, &start, sizeof(start), MSG_WAITALL) != (ssize_t)sizeof(start)) {
		log_error("a serial worker is started by bpmp-vmm, not by hand");
		free(worker);
		return EXIT_FAILURE;
	}
	serial_worker_init(worker, WORKER_SOCKET, (enum console_kind)start.kind, SERIAL_FD,
		SERIAL_OUTPUT_FD, SERIAL_WAKE_FD, SERIAL_STOP_FD);
	worker->signal_fd = console_terminal_open_signals();
	/* signalfd took the lowest free number: all others are below it. */
	error = worker->signal_fd < 0 ? -errno
				      : jail_enter_worker(JAIL_SERIAL, worker->signal_fd + 1);
	if (error == 0) {
		error = serial_worker_run(worker);
		console_terminal_restore(&worker->terminal);
	}
	serial_worker_close(worker);
	free(worker);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
