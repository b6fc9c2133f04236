/* SPDX-License-Identifier: Apache-2.0 */
/* A network interface's worker: how it starts, is locked in and ends. */
#include "devices/virtio/net.h"
#include "devices/virtio/net_loop.h"
#include "seccomp/jail.h"
#include "vmm/base/log.h"
#include "vmm/base/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

int net_worker_main(int argc, char **argv)
{
	struct net_worker *worker = malloc(sizeof(*worker));
	struct net_tap tap;
	int error;

	(void)argc;
	(void)argv;
	if (worker == NULL)
		return EXIT_FAILURE;
	if (recv(WORKER_SOCKET, &tap, sizeof(tap), MSG_WAITALL) != (ssize_t)sizeof(tap)) {
		log_error("a network interface's worker is started by bpmp-vmm, not by hand");
		free(worker);
		return EXIT_FAILURE;
	}
	signal(SIGPIPE, SIG_IGN);
	tap.fd = WORKER_FIRST_FD;
	tap.name[sizeof(tap.name) - 1] = '\0';
	error = net_worker_init(worker, WORKER_SOCKET, &tap);
	if (error != 0) {
		free(worker);
		return EXIT_FAILURE;
	}
	error = jail_enter_worker(JAIL_NET, WORKER_FIRST_FD + 1);
	if (error == 0)
		error = net_worker_run(worker);
	net_worker_close(worker);
	free(worker);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
