/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/event_loop.h"

#include "vmm/base/util.h"

#include <errno.h>
#include <sys/epoll.h>

int event_loop_open(struct event_loop *loop)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll_fd < 0 ? -errno : 0;
}

void event_loop_close(struct event_loop *loop)
{
	close_fd(&loop->epoll_fd);
}

int event_loop_add(struct event_loop *loop, struct event_source *source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

int event_loop_add_hang_up(struct event_loop *loop, struct event_source *source)
{
	struct epoll_event event = { .events = EPOLLRDHUP, .data.ptr = source };

	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0 ? -errno : 0;
}

void event_loop_remove(struct event_loop *loop, struct event_source *source)
{
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
}

int event_loop_run_once(struct event_loop *loop, int timeout_ms)
{
	struct epoll_event event;
	int n;

	/* One at a time: a callback may remove another source. */
	n = epoll_wait(loop->epoll_fd, &event, 1, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 1) {
		struct event_source *source = event.data.ptr;

		source->ready(source);
	}
	return 0;
}
