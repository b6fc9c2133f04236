/* SPDX-License-Identifier: Apache-2.0 */
/* Signals between threads and processes: non-blocking eventfds. */
#ifndef VMM_BASE_EVENTFD_H
#define VMM_BASE_EVENTFD_H

#include <stdbool.h>
#include <stdint.h>
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

#endif
