/* SPDX-License-Identifier: Apache-2.0 */
/* The process around the guard. Like the BPMP worker it does not die with the machine. */
#include "devices/bpmp/bpmp.h"
#include "devices/bpmp/guard.h"
#include "devices/bpmp/host.h"
#include "seccomp/jail.h"
#include "vmm/base/worker.h"

#include <stdlib.h>

int bpmp_guard_main(int argc, char **argv)
{
	struct bpmp_host_node node;
	struct bpmp_guard guard = {
		.machine = WORKER_SOCKET,
		.lifeline = WORKER_FIRST_FD + BPMP_GUARD_FD_LIFELINE,
		.journal = WORKER_FIRST_FD + BPMP_GUARD_FD_JOURNAL,
		.host = &node.host,
	};

	(void)argc, (void)argv;
	bpmp_host_node_init(&node, WORKER_FIRST_FD + BPMP_GUARD_FD_HOST);
	if (jail_enter_worker(JAIL_GUARD, WORKER_FIRST_FD + BPMP_GUARD_FD_COUNT) < 0)
		return EXIT_FAILURE;
	return bpmp_guard_serve(&guard);
}
