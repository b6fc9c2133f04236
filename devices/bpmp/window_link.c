/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/window_link.h"

#include "devices/bpmp/window.h"
#include "vmm/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

/* Returns 0 with the answer to the last request, -EAGAIN when none is there, or an error. */
static int receive(struct bpmp_window_link *link, struct bpmp_window_answer *answer)
{
	ssize_t size = recv(link->fd, answer, sizeof(*answer), MSG_DONTWAIT | MSG_TRUNC);

	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
	if (size == 0)
		return -EPIPE;
	if (size != (ssize_t)sizeof(*answer) || answer->sequence != link->sequence)
		return -EPROTO;
	link->overdue = false;
	return 0;
}

static int wait_for_answer(struct bpmp_window_link *link, struct bpmp_window_answer *answer)
{
	struct pollfd polled[] = {
		{ .fd = link->fd, .events = POLLIN },
		{ .fd = link->leave_fd, .events = POLLIN },
	};
	int64_t until = clock_ms() + link->deadline_ms, left;
	int error;

	for (;;) {
		error = receive(link, answer);
		if (error != -EAGAIN)
			return error;
		left = until - clock_ms();
		if (left <= 0)
			return -ETIMEDOUT;
		/* A signal to this thread ends the call; the eventfd says what it was for. */
		if (poll(polled, 2, (int)left) > 0 && polled[1].revents) {
			polled[1].fd = -1;
			left = clock_ms() + link->grace_ms;
			until = left < until ? left : until;
		}
	}
}

int bpmp_window_link_ask(struct bpmp_window_link *link, struct bpmp_window_request *request,
	struct bpmp_window_answer *answer)
{
	int error;

	if (link->overdue) {
		error = receive(link, answer);
		if (error)
			return error == -EAGAIN ? -EBUSY : error;
	}
	request->sequence = ++link->sequence;
	if (send(link->fd, request, sizeof(*request), MSG_NOSIGNAL | MSG_DONTWAIT) !=
		(ssize_t)sizeof(*request))
		return -EPIPE;
	link->overdue = true;
	return wait_for_answer(link, answer);
}

void bpmp_window_link_reset(struct bpmp_window_link *link)
{
	struct bpmp_window_answer answer;

	while (recv(link->fd, &answer, sizeof(answer), MSG_DONTWAIT) > 0)
		;
	link->overdue = false;
}
