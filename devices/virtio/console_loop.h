/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console's worker at work: one loop that waits for the front end, the guest's kicks and
 * whoever is at the other end, and moves bytes between them. Nothing in it blocks, so the front
 * end is answered at once whatever the others do; but for a write to a regular file, which waits
 * for its file system, and the front end with it.
 *
 * Guest to peer: a buffer whose output was taken in part keeps its place until there is room
 * again. Meanwhile the guest's driver waits, and Linux' does so with interrupts off: after a second
 * in which the peer took nothing, output is dropped until it takes something again. Peer to guest:
 * at most CONSOLE_INPUT_SIZE bytes are read ahead of the guest's buffers, so that Ctrl-A x works
 * with a guest that takes no input; the rest stays with who sent it.
 *
 * When a queue is stopped in the middle of a buffer, the buffer is given back whole: if the front
 * end starts the queue again at the same place, its first bytes are written twice.
 */
#ifndef DEVICES_VIRTIO_CONSOLE_LOOP_H
#define DEVICES_VIRTIO_CONSOLE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/virtio/console_escape.h"
#include "devices/virtio/console_peer.h"
#include "devices/virtio/console_terminal.h"
#include "devices/virtio/vhost_user_back.h"

#define CONSOLE_INPUT_SIZE   4096

/* How often the log says that output was dropped: guest and peer could go on with it for ever. */
#define CONSOLE_TOLD_AT_MOST 8

struct console_worker {
	struct vhost_user_back back;
	struct console_peer peer;
	struct console_escape escape;
	struct console_terminal terminal;
	int stop_fd;   /* eventfd, signalled on Ctrl-A x */
	int signal_fd; /* signalfd of SIGCONT; -1: none */

	/* Input for the guest that it has no buffer for yet. */
	uint8_t input[CONSOLE_INPUT_SIZE + 1];
	size_t input_start, input_end;

	bool again; /* there is more to do: look at the others without waiting for them */

	int64_t stalled_ms; /* since when the peer takes nothing; 0: it does */
	uint64_t dropped;   /* bytes of output since then */
	uint32_t told;	    /* times that this ended, and the log said so */

	/* The guest's buffer that is being written out, and how far. */
	bool sending;
	uint32_t segment, offset;
	struct virtqueue_chain transmit, receive;
};

/* `socket` is connected to the front end. Descriptors stay the caller's. */
void console_worker_init(struct console_worker *worker, int socket, enum console_kind kind, int fd,
	int output_fd, int stop_fd);

void console_worker_close(struct console_worker *worker);

/* Works until the front end is gone. Returns 0, or -errno (logged). */
int console_worker_run(struct console_worker *worker);

#endif
