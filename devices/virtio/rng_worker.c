/* SPDX-License-Identifier: Apache-2.0 */
/* The entropy device's worker: how it starts, is locked in and ends. */
#include "devices/virtio/rng.h"
#include "devices/virtio/rng_loop.h"
#include "seccomp/jail.h"
#include "vmm/base/worker.h"

#include <stdlib.h>

int rng_worker_main(int argc, char **argv)
{
	struct rng_worker *worker = malloc(sizeof(*worker));
	int error;

	(void)argc;
	(void)argv;
	if (worker == NULL)
		return EXIT_FAILURE;
	rng_worker_init(worker, WORKER_SOCKET);
	error = jail_enter_worker(JAIL_RNG, WORKER_FIRST_FD);
	if (error == 0)
		error = rng_worker_run(worker);
	rng_worker_close(worker);
	free(worker);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
