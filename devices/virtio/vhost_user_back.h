/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back-end library: what a worker needs to serve a virtio device over vhost-user. It speaks
 * the protocol on one socket, maps guest memory, and keeps the rings; the device's own poll loop
 * asks it for descriptors to wait on and takes buffers from it. Nothing here blocks. The front end
 * may be the machine or any other that speaks the protocol, such as QEMU.
 */
#ifndef DEVICES_VIRTIO_VHOST_USER_BACK_H
#define DEVICES_VIRTIO_VHOST_USER_BACK_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/virtio/vhost_user.h"
#include "devices/virtio/virtqueue.h"
#include "vmm/base/guest_memory.h"

#define VHOST_USER_BACK_MAX_QUEUES 16

struct vhost_user_back;

/* The device. Constant. */
struct vhost_user_back_device {
	uint64_t features; /* of the device's type; the library adds those of the rings */
	uint32_t queue_count;
	const void *config; /* configuration space, read-only for the driver, not constant itself */
	uint32_t config_size;
	/*
	 * The ring is about to stop: finish what can be finished without waiting, give the rest
	 * back with virtqueue_unpop() and forget it. NULL: nothing to do.
	 */
	void (*queue_stopping)(struct vhost_user_back *back, uint32_t index);
	/*
	 * Guest memory, or a ring that runs, is about to be replaced: when this returns, the device
	 * uses no pointer into guest memory, and has pushed every buffer that it is done with.
	 * NULL: it never keeps any over a turn of its loop.
	 */
	void (*settle)(struct vhost_user_back *back);
	/* VHOST_USER_RESIZE; `config` says the new size afterwards. Returns 0 or -errno (logged).
	 * NULL: the device has no size. */
	int (*resize)(struct vhost_user_back *back, uint64_t bytes);
};

/*
 * A ring is processed while it is started (a kick came after it was set up, and GET_VRING_BASE
 * did not come since), enabled and not broken. A disabled ring waits: the devices here have nothing
 * that could be processed without side effects.
 */
struct vhost_user_back_queue {
	struct virtqueue ring;
	struct virtqueue_addresses addresses;
	bool addresses_set, started, enabled;
	uint16_t base; /* where to start */
	int kick_fd, call_fd, error_fd;
};

struct vhost_user_back {
	const struct vhost_user_back_device *device;
	int socket;
	uint64_t features, protocol_features; /* as the front end acknowledged them */
	uint32_t acknowledged; /* how often it did: each driver that begins has it do so */
	struct guest_memory memory;
	struct vhost_user_back_queue queues[VHOST_USER_BACK_MAX_QUEUES];
	/* The message that is coming in. */
	struct vhost_user_message message;
	size_t received; /* bytes of it */
	int fds[VHOST_USER_MAX_FDS];
	size_t fd_count;
	bool too_many_fds;
};

/* `socket` (SOCK_STREAM, connected) stays the caller's; so does `device`. */
void vhost_user_back_init(
	struct vhost_user_back *back, int socket, const struct vhost_user_back_device *device);

/* Unmaps guest memory and closes the descriptors that the front end sent. */
void vhost_user_back_close(struct vhost_user_back *back);

/*
 * Receives what the socket has, up to one message, and answers it. Call it when the socket is
 * readable. Returns 0, -ECONNRESET when the front end is gone, or another -errno when the
 * conversation cannot go on (logged).
 */
int vhost_user_back_receive(struct vhost_user_back *back);

/*
 * A turn of a device's loop: waits for the front end, at fds[0], and for what the device has put
 * behind it, and serves what the front end says. `timeout` as poll()'s. Returns 0: look at fds; 1:
 * begin again, without waiting, as descriptors may be closed and queues with buffers open since; or
 * -errno: the end, as vhost_user_back_receive().
 */
int vhost_user_back_wait(
	struct vhost_user_back *back, struct pollfd *fds, size_t count, int timeout);

/* Whether buffers may be taken from this queue now. */
bool vhost_user_back_ready(const struct vhost_user_back *back, uint32_t index);

/* The descriptor to wait on for this queue's kicks; -1: none now. */
int vhost_user_back_kick_fd(const struct vhost_user_back *back, uint32_t index);

/* To be called when that descriptor is readable. */
void vhost_user_back_kicked(struct vhost_user_back *back, uint32_t index);

/* As virtqueue_pop(); 0 also when the queue is not ready or broken (the front end is told). */
int vhost_user_back_pop(
	struct vhost_user_back *back, uint32_t index, struct virtqueue_chain *chain);

/* Interrupts the driver if it wants to hear of what was pushed. */
void vhost_user_back_signal(struct vhost_user_back *back, uint32_t index);

#endif
