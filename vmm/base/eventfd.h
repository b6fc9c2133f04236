/* SPDX-License-Identifier: Apache-2.0 */
/* Signals between threads and processes: non-blocking eventfds. */
#ifndef VMM_BASE_EVENTFD_H
#define VMM_BASE_EVENTFD_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

/*
 * A counter that is full is a signal that was not seen yet: nothing is lost. Does nothing for a
 * descriptor that is closed (-1).
 */
static inline void event_signal(int fd)
{
	const uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

/* Takes all signals at once, as it does the expirations of a timerfd. False when there are none. */
static inline bool event_take(int fd)
{
	uint64_t count;

	return fd >= 0 && read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

/*
 * The same for an eventfd that a program which is not ours has too. That it does not block is a
 * state of the two together, which the other may have changed: these wait for nobody all the same
 * (a read since Linux 5.8; a write unless the other fills the counter in between).
 */
static inline void event_signal_shared(int fd)
{
	struct pollfd room = { .fd = fd, .events = POLLOUT };

	if (poll(&room, 1, 0) == 1 && (room.revents & POLLOUT) != 0)
		event_signal(fd);
}

static inline bool event_take_shared(int fd)
{
	uint64_t count;
	const struct iovec whole = { .iov_base = &count, .iov_len = sizeof(count) };

	return fd >= 0 && preadv2(fd, &whole, 1, -1, RWF_NOWAIT) == (ssize_t)sizeof(count);
}

#endif
