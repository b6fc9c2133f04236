/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/console_peer.h"

#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/*
 * A pseudo-terminal does not say when it is opened, nor a terminal when it is ours again: look so
 * often while it is not.
 */
#define LOOK_MS		     250

/*
 * The last words of a client that has left stay until the guest takes them; if it takes nothing for
 * so long, the next client matters more.
 */
#define LAST_WORDS_MS	     2000

/*
 * What a blocking terminal or pipe that reported POLLOUT takes without making us wait. A pipe has
 * room for PIPE_BUF; a terminal promises less.
 */
#define BLOCKING_WRITE_LIMIT 64

enum { LISTEN, INPUT, OUTPUT };

static void open_stream(struct console_stream *stream, int fd)
{
	struct stat status;
	int flags = fcntl(fd, F_GETFL);

	*stream = (struct console_stream){ .fd = fd };
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
		return; /* never waits in the sense of poll() */
	stream->is_socket = S_ISSOCK(status.st_mode);
	if (!stream->is_socket && flags >= 0 && (flags & O_NONBLOCK) == 0)
		stream->write_limit = BLOCKING_WRITE_LIMIT;
}

static const struct console_stream nobody = { .fd = -1, .ended = true };

void console_peer_init(struct console_peer *peer, enum console_kind kind, int fd, int output_fd)
{
	*peer = (struct console_peer){
		.kind = kind,
		.listen_fd = -1,
		.input = nobody,
		.output = nobody,
	};
	switch (kind) {
	case CONSOLE_STDIO:
		open_stream(&peer->input, fd);
		open_stream(&peer->output, output_fd);
		break;
	case CONSOLE_PTY:
		open_stream(&peer->input, fd);
		open_stream(&peer->output, fd);
		peer->unopened = true;
		break;
	case CONSOLE_UNIX:
		peer->listen_fd = fd;
		break;
	case CONSOLE_FILE:
		open_stream(&peer->output, fd);
		break;
	default:
		break;
	}
}

static void drop_client(struct console_peer *peer)
{
	close_fd(&peer->input.fd);
	peer->input = nobody;
	peer->output = nobody;
	peer->hung_up = false;
	peer->readable = false;
}

void console_peer_close(struct console_peer *peer)
{
	if (peer->kind == CONSOLE_UNIX)
		drop_client(peer);
}

/* After its last words; a client that only stopped sending still gets output. */
static void drop_client_if_done(struct console_peer *peer)
{
	if (peer->kind == CONSOLE_UNIX && peer->input.ended && peer->hung_up)
		drop_client(peer);
}

static void accept_client(struct console_peer *peer)
{
	int fd = accept4(peer->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	drop_client(peer);
	peer->input = (struct console_stream){ .fd = fd, .is_socket = true };
	peer->output = peer->input;
	peer->last_read_ms = clock_ms();
}

/* Whether the client has left and the guest does not care for its last words. */
static bool makes_room(const struct console_peer *peer, bool want_input)
{
	return peer->hung_up && !want_input && clock_ms() - peer->last_read_ms >= LAST_WORDS_MS;
}

int console_peer_prepare(const struct console_peer *peer, struct pollfd fds[CONSOLE_PEER_POLL_FDS],
	bool want_input, bool want_output)
{
	for (size_t i = 0; i < CONSOLE_PEER_POLL_FDS; i++)
		fds[i] = (struct pollfd){ .fd = -1 };
	/* One client at a time. */
	if (peer->input.fd < 0 || makes_room(peer, want_input))
		fds[LISTEN] = (struct pollfd){ .fd = peer->listen_fd, .events = POLLIN };
	/* An unopened pseudo-terminal and a client that hung up would be reported for ever. */
	if (peer->unopened)
		return peer->readable && want_input ? 0 : LOOK_MS;
	if (want_input && !peer->input.ended && !peer->in_background)
		fds[INPUT] = (struct pollfd){ .fd = peer->input.fd, .events = POLLIN };
	else if (peer->kind != CONSOLE_STDIO && !peer->hung_up)
		fds[INPUT] = (struct pollfd){ .fd = peer->input.fd };
	if (want_output && !peer->output.ended)
		fds[OUTPUT] = (struct pollfd){ .fd = peer->output.fd, .events = POLLOUT };
	return peer->in_background || peer->hung_up ? LOOK_MS : -1;
}

static void look_at_pty(struct console_peer *peer)
{
	struct pollfd look = { .fd = peer->input.fd, .events = POLLIN };

	if (poll(&look, 1, 0) < 0)
		return;
	peer->unopened = (look.revents & POLLHUP) != 0;
	peer->readable = (look.revents & POLLIN) != 0;
}

void console_peer_polled(struct console_peer *peer, const struct pollfd fds[CONSOLE_PEER_POLL_FDS])
{
	if ((fds[LISTEN].revents & POLLIN) != 0) {
		accept_client(peer);
		return;
	}
	if (peer->unopened) {
		look_at_pty(peer);
		return;
	}
	if ((fds[INPUT].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		peer->readable = fds[INPUT].events != 0;
	if ((fds[INPUT].revents & (POLLHUP | POLLERR)) == 0)
		return;
	peer->hung_up = peer->kind == CONSOLE_UNIX;
	peer->unopened = peer->kind == CONSOLE_PTY;
	drop_client_if_done(peer);
}

size_t console_peer_read(struct console_peer *peer, void *data, size_t size)
{
	ssize_t count;

	if (!peer->readable || peer->input.ended || size == 0)
		return 0;
	peer->readable = false;
	count = peer->input.is_socket ? recv(peer->input.fd, data, size, MSG_DONTWAIT)
				      : read(peer->input.fd, data, size);
	if (count > 0) {
		/* What was typed before it was closed comes without another report. */
		peer->readable = peer->unopened;
		peer->last_read_ms = clock_ms();
		return (size_t)count;
	}
	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (peer->kind == CONSOLE_PTY) {
		peer->unopened = true;
		return 0;
	}
	/* What a job in the background is told, as SIGTTIN is ignored. */
	if (count < 0 && errno == EIO && isatty(peer->input.fd)) {
		peer->in_background = true;
		return 0;
	}
	/* The end of input is not the end of the console. */
	peer->input.ended = true;
	drop_client_if_done(peer);
	return 0;
}

static ssize_t write_stream(const struct console_stream *stream, const void *data, size_t size)
{
	struct pollfd room = { .fd = stream->fd, .events = POLLOUT };

	if (stream->is_socket)
		return send(stream->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (stream->write_limit == 0)
		return write(stream->fd, data, size);
	if (poll(&room, 1, 0) <= 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(stream->fd, data, size < stream->write_limit ? size : stream->write_limit);
}

size_t console_peer_write(struct console_peer *peer, const void *data, size_t size)
{
	ssize_t count;

	if (peer->output.ended || peer->unopened)
		return size;
	count = write_stream(&peer->output, data, size);
	if (count >= 0)
		return (size_t)count;
	switch (errno) {
	case EAGAIN:
	case EINTR:
		return 0;
	case EPIPE:
	case ECONNRESET:
		peer->output.ended = true;
		return size;
	default:
		if (!peer->write_error_logged)
			log_error("the console's output is lost: %s", strerror(errno));
		peer->write_error_logged = true;
		return size;
	}
}
