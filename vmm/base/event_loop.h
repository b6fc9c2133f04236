/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's event loop: one epoll set, one thread. Callbacks never block. */
#ifndef VMM_BASE_EVENT_LOOP_H
#define VMM_BASE_EVENT_LOOP_H

#include <stdbool.h>

/* Embedded by its owner; stays in place while it is in a loop. */
struct event_source {
	int fd;
	void (*ready)(struct event_source *source); /* fd is readable, or at its end */
};

struct event_loop {
	int epoll_fd;
};

int event_loop_open(struct event_loop *loop);
void event_loop_close(struct event_loop *loop);

/* Returns 0 or -errno. The descriptor stays the caller's. */
int event_loop_add(struct event_loop *loop, struct event_source *source);

/* The same, but for the other end of a connected socket: ready() is called when it is closed. */
int event_loop_add_hang_up(struct event_loop *loop, struct event_source *source);
void event_loop_remove(struct event_loop *loop, struct event_source *source);

/* Waits up to `timeout_ms` (-1: for ever) and serves what is ready. Returns 0 or -errno. */
int event_loop_run_once(struct event_loop *loop, int timeout_ms);

#endif
