/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balloon's worker at work (virtio 1.2, section 5.5). Pages that the driver puts into the
 * balloon, and free ones that it reports, are holes in guest memory afterwards: the host has them
 * back, and whoever touches one gets a new one, of zeroes. So nothing need be done when the driver
 * takes pages out again, and a driver that uses pages which it gave away harms itself alone.
 */
#ifndef DEVICES_VIRTIO_BALLOON_LOOP_H
#define DEVICES_VIRTIO_BALLOON_LOOP_H

#include <stdbool.h>

#include "devices/virtio/balloon_pages.h"
#include "devices/virtio/vhost_user_back.h"

/*
 * 5.5.2: inflate, deflate, and without statistics and hints one for reports. The standard gives
 * that number 4; Linux numbers the queues that there are, which makes it 2. No driver has any use
 * for another one, so each of them takes reports.
 */
#define BALLOON_QUEUES	    5

/* Page numbers of one buffer that are heeded; Linux sends 256 at a time. */
#define BALLOON_MAX_NUMBERS 4096

/* A page number stands for so many bytes (5.5.6), whatever pages guest and host have. */
#define BALLOON_PAGE_SIZE   4096u

struct balloon_worker {
	struct vhost_user_back back;
	bool again; /* there is more to do: look at the front end without waiting for it */
	struct virtqueue_chain chain;
	struct balloon_pages pages;
	bool outside_logged, error_logged;
};

/*
 * `socket` is connected to the front end and stays the caller's; pages go through `release`, as in
 * balloon_pages.h.
 */
void balloon_worker_init(struct balloon_worker *worker, int socket, uint64_t page_size,
	int (*release)(void *at, size_t size));
void balloon_worker_close(struct balloon_worker *worker);

/* Works until the front end is gone. Returns 0, or -errno (logged). */
int balloon_worker_run(struct balloon_worker *worker);

#endif
