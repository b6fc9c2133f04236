/* SPDX-License-Identifier: Apache-2.0 */
/* A vhost-user back end that somebody else started: it listens at a socket, and serves one front
 * end in a thread of its own. */
#ifndef TESTS_UNIT_FOREIGN_BACK_END_H
#define TESTS_UNIT_FOREIGN_BACK_END_H

#include "devices/virtio/vhost_user_back.h"

#include <pthread.h>

struct foreign_back_end {
	const struct vhost_user_back_device *device;
	struct vhost_user_back back; /* what it was told; the thread's until it has ended */
	pthread_t thread;
	int listener;
};

/* Listens at `path`; `device` stays the caller's. */
void foreign_back_end_start(struct foreign_back_end *end, const char *path,
	const struct vhost_user_back_device *device);

/* Waits until its front end has let go. */
void foreign_back_end_join(struct foreign_back_end *end);

#endif
