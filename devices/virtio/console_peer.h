/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is at the other end of the guest's console, as the worker sees it: standard input and
 * output, the user of a pseudo-terminal, the client of a socket, a file. People come and go; the
 * console goes on. What the guest says while nobody listens is discarded.
 */
#ifndef DEVICES_VIRTIO_CONSOLE_PEER_H
#define DEVICES_VIRTIO_CONSOLE_PEER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "devices/virtio/console.h"

/* One direction. */
struct console_stream {
	int fd;		    /* -1: nobody is there */
	bool is_socket;	    /* MSG_DONTWAIT does what O_NONBLOCK may not do: it is shared */
	size_t write_limit; /* a blocking descriptor takes this much after POLLOUT; 0: no limit */
	bool ended;	    /* end of input; or nobody takes output any more */
};

struct console_peer {
	enum console_kind kind;
	int listen_fd; /* CONSOLE_UNIX, else -1 */
	struct console_stream input, output;
	bool readable;	    /* input was reported to have something (also: its end) */
	bool hung_up;	    /* a client that has gone, though its last words may still be unread */
	bool unopened;	    /* CONSOLE_PTY: nobody has it open */
	bool in_background; /* input comes from a terminal that is another job's now */
	bool write_error_logged;
	int64_t last_read_ms; /* when a client last had something to say */
};

/* How many poll entries it needs. */
#define CONSOLE_PEER_POLL_FDS 3

/*
 * `fd` and `output_fd` are as in console_endpoint.h. They stay the caller's; the peer owns the
 * clients that it accepts.
 */
void console_peer_init(struct console_peer *peer, enum console_kind kind, int fd, int output_fd);
void console_peer_close(struct console_peer *peer);

/*
 * Fills `fds` with what to wait for. Returns for how long poll() may wait: -1, or milliseconds
 * until console_peer_polled() should look again.
 */
int console_peer_prepare(const struct console_peer *peer, struct pollfd fds[CONSOLE_PEER_POLL_FDS],
	bool want_input, bool want_output);

/* Takes note of what poll() said, accepts a client. */
void console_peer_polled(struct console_peer *peer, const struct pollfd fds[CONSOLE_PEER_POLL_FDS]);

/* Reads what is there, at most once per console_peer_polled(). Returns bytes, 0: nothing now. */
size_t console_peer_read(struct console_peer *peer, void *data, size_t size);

/* Returns how many bytes are dealt with (written or discarded); 0: wait for room. */
size_t console_peer_write(struct console_peer *peer, const void *data, size_t size);

#endif
