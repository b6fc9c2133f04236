/* SPDX-License-Identifier: Apache-2.0 */
/* The worker of a network interface's control queue: how it starts, is locked in and ends. */
#include "devices/virtio/net_control.h"
#include "seccomp/jail.h"
#include "vmm/base/log.h"
#include "vmm/base/worker.h"

#include <stdlib.h>
#include <sys/socket.h>

int net_control_worker_main(int argc, char **argv)
{
	struct net_control *control = malloc(sizeof(*control));
	int taps[NET_MAX_PAIRS], error;
	uint32_t pairs;

	(void)argc;
	(void)argv;
	if (control == NULL)
		return EXIT_FAILURE;
	if (recv(WORKER_SOCKET, &pairs, sizeof(pairs), MSG_WAITALL) != (ssize_t)sizeof(pairs) ||
		pairs == 0 || pairs > NET_MAX_PAIRS) {
		log_error("a control queue's worker is started by bpmp-vmm, not by hand");
		free(control);
		return EXIT_FAILURE;
	}
	for (uint32_t i = 0; i < pairs; i++)
		taps[i] = WORKER_FIRST_FD + (int)i;
	net_control_init(control, WORKER_SOCKET, taps, pairs);
	error = jail_enter_worker(JAIL_NET_CONTROL, WORKER_FIRST_FD + (int)pairs);
	if (error == 0)
		error = net_control_run(control);
	net_control_close(control);
	free(control);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
