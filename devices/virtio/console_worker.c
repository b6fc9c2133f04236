/* SPDX-License-Identifier: Apache-2.0 */
/* The console's worker: how it starts, is locked in and ends. */
#include "devices/virtio/console.h"

#include "devices/virtio/console_endpoint.h"
#include "devices/virtio/console_loop.h"
#include "seccomp/jail.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int console_worker_main(int argc, char **argv)
{
	struct console_worker *worker = malloc(sizeof(*worker));
	struct console_start start;
	int error;

	(void)argc;
	(void)argv;
	if (worker == NULL)
		return EXIT_FAILURE;
	if (recv(WORKER_SOCKET, &start, sizeof(start), MSG_WAITALL) != (ssize_t)sizeof(start)) {
		log_error("a console's worker is started by bpmp-vmm, not by hand");
		free(worker);
		return EXIT_FAILURE;
	}
	console_worker_init(worker, WORKER_SOCKET, (enum console_kind)start.kind, CONSOLE_FD,
		CONSOLE_OUTPUT_FD, CONSOLE_STOP_FD);
	worker->signal_fd = console_terminal_open_signals();
	/* signalfd took the lowest free number: all others are below it. */
	error = worker->signal_fd < 0 ? -errno
				      : jail_enter_worker(JAIL_CONSOLE, worker->signal_fd + 1);
	if (error == 0) {
		error = console_worker_run(worker);
		console_terminal_restore(&worker->terminal);
	}
	console_worker_close(worker);
	free(worker);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
