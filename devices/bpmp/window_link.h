/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's end of the proxy face's requests: a vCPU thread sends one to the worker and waits
 * for the answer, as the guest's store must not retire before it is there. The wait ends
 *
 *   with the answer;
 *   after `deadline_ms`: the host's BPMP may keep the worker for ten minutes;
 *   `grace_ms` after vCPU threads were asked to leave, so that the VM can be stopped meanwhile.
 *
 * As long as an answer is overdue nothing further is asked: requests fail at once.
 */
#ifndef DEVICES_BPMP_WINDOW_LINK_H
#define DEVICES_BPMP_WINDOW_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct bpmp_window_answer;
struct bpmp_window_request;

struct bpmp_window_link {
	int fd;	      /* SOCK_SEQPACKET, to the worker */
	int leave_fd; /* readable while vCPU threads are to leave (machine->leave_fd) */
	int deadline_ms, grace_ms;
	uint32_t sequence;
	bool overdue; /* the answer to the last request has not come yet */
};

/*
 * One request; fills in its sequence number. The caller lets one thread in at a time.
 * Returns 0; -ETIMEDOUT when the wait ended without an answer; -EBUSY when an earlier one is
 * overdue; -EPIPE when the worker is gone, -EPROTO when it sent what is no answer.
 */
int bpmp_window_link_ask(struct bpmp_window_link *link, struct bpmp_window_request *request,
	struct bpmp_window_answer *answer);

/* The worker has forgotten all requests: so do we. With no vCPU running. */
void bpmp_window_link_reset(struct bpmp_window_link *link);

#endif
