/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process around the BPMP worker. Unlike other workers it does not die with the machine: it
 * is the one that can put back what the guest changed at the host's BPMP.
 */
#include "devices/bpmp/bpmp.h"
#include "devices/bpmp/host.h"
#include "devices/bpmp/worker.h"
#include "devices/bpmp/worker_protocol.h"
#include "seccomp/jail.h"
#include "vmm/base/log.h"
#include "vmm/base/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int run(struct bpmp_worker *worker, struct bpmp_host_node *node)
{
	/* Without an audit file the number is nobody's. */
	int first_unused_fd = worker->audit.fd + 1;

	worker->journal_fd = WORKER_FIRST_FD + BPMP_FD_JOURNAL;
	signal(SIGXFSZ, SIG_IGN); /* an audit file at its resource limit is an error of write() */
	bpmp_host_node_init(node, WORKER_FIRST_FD + BPMP_FD_HOST);
	if (jail_enter_worker(JAIL_BPMP, first_unused_fd) < 0)
		return EXIT_FAILURE;
	return bpmp_worker_serve(worker);
}

int bpmp_worker_main(int argc, char **argv)
{
	struct bpmp_host_node node;
	struct bpmp_worker worker = {
		.socket = WORKER_SOCKET,
		.host = &node.host,
		.doorbell = WORKER_FIRST_FD + BPMP_MAILBOX_FD_DOORBELL,
		.answer = WORKER_FIRST_FD + BPMP_MAILBOX_FD_ANSWER,
		.requests = -1,
		.audit.fd = WORKER_FIRST_FD + BPMP_MAILBOX_FD_AUDIT,
	};

	(void)argc, (void)argv;
	worker.shared = mmap(NULL, BPMP_SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		WORKER_FIRST_FD + BPMP_MAILBOX_FD_SHARED, 0);
	if (worker.shared == MAP_FAILED) {
		log_error("cannot map the guest's mailbox: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	return run(&worker, &node);
}

int bpmp_proxy_worker_main(int argc, char **argv)
{
	struct bpmp_host_node node;
	struct bpmp_worker worker = {
		.socket = WORKER_SOCKET,
		.host = &node.host,
		.doorbell = -1,
		.answer = -1,
		.requests = WORKER_FIRST_FD + BPMP_PROXY_FD_REQUESTS,
		.audit.fd = WORKER_FIRST_FD + BPMP_PROXY_FD_AUDIT,
	};

	(void)argc, (void)argv;
	return run(&worker, &node);
}
