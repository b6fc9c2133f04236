/* SPDX-License-Identifier: Apache-2.0 */
/* The requests of the protocol, one by one. Inside the back-end library only. */
#ifndef DEVICES_VIRTIO_VHOST_USER_BACK_REQUESTS_H
#define DEVICES_VIRTIO_VHOST_USER_BACK_REQUESTS_H

#include "devices/virtio/vhost_user_back.h"

/*
 * Serves back->message, which came with back->fds; those it keeps are taken out of there. Returns
 * 0, with *reply_size > 0 when the request has an answer of its own, or -errno: refused.
 */
int vhost_user_back_serve(
	struct vhost_user_back *back, union vhost_user_payload *reply, uint32_t *reply_size);

/* Looks the queue's rings up in guest memory, with the features that were negotiated. */
int vhost_user_back_find_rings(
	const struct vhost_user_back *back, struct vhost_user_back_queue *queue);

#endif
