/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entropy device's worker at work: each of the guest's buffers is filled, up to
 * RNG_REQUEST_MAX bytes, from the host's generator, which does not run dry and does not block once
 * it was seeded. A device may use less than the whole buffer (virtio 1.2, section 5.4.6).
 */
#ifndef DEVICES_VIRTIO_RNG_LOOP_H
#define DEVICES_VIRTIO_RNG_LOOP_H

#include <stdbool.h>

#include "devices/virtio/vhost_user_back.h"

/* Bytes for one buffer. Linux asks for less than a hundred at a time, or for a page. */
#define RNG_REQUEST_MAX 4096

struct rng_worker {
	struct vhost_user_back back;
	bool again; /* there is more to do: look at the front end without waiting for it */
	struct virtqueue_chain chain;
};

/* `socket` is connected to the front end and stays the caller's. */
void rng_worker_init(struct rng_worker *worker, int socket);
void rng_worker_close(struct rng_worker *worker);

/* Works until the front end is gone. Returns 0, or -errno (logged). */
int rng_worker_run(struct rng_worker *worker);

#endif
