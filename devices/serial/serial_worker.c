/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/serial/serial_worker.h"

#include "vmm/base/eventfd.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* How long the guest's last words wait for a peer that takes nothing. */
#define LAST_WORDS_MS 500

/* The poll set: ours, then the peer's. */
enum { MACHINE, SIGNALS, PEER };
#define POLL_FDS (PEER + CONSOLE_PEER_POLL_FDS)

static size_t waiting(const struct serial_buffer *buffer)
{
	return buffer->end - buffer->start;
}

/* Room behind what waits, which is moved to the front. */
static size_t make_room(struct serial_buffer *buffer)
{
	size_t count = waiting(buffer);

	memmove(buffer->bytes, buffer->bytes + buffer->start, count);
	buffer->start = 0;
	buffer->end = count;
	return count < SERIAL_BUFFER ? SERIAL_BUFFER - count : 0;
}

/* Machine to peer. */
static void pump_output(struct serial_worker *worker)
{
	struct serial_buffer *buffer = &worker->output;
	size_t room = make_room(buffer), written;
	ssize_t count;

	if (room > 0 && !worker->ending) {
		count = recv(worker->socket, buffer->bytes + buffer->end, room, MSG_DONTWAIT);
		if (count > 0) {
			buffer->end += (size_t)count;
			event_signal(worker->wake_fd);
		} else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
			worker->ending = worker->hung_up = true;
		}
	}
	while (waiting(buffer) > 0) {
		written = console_peer_write(
			&worker->peer, buffer->bytes + buffer->start, waiting(buffer));
		if (written == 0)
			break;
		buffer->start += written;
	}
}

/* Peer to machine. */
static void pump_input(struct serial_worker *worker)
{
	struct serial_buffer *buffer = &worker->input;
	uint8_t typed[SERIAL_BUFFER];
	size_t count = console_peer_read(&worker->peer, typed, make_room(buffer));
	bool stop = false;
	ssize_t sent;

	if (count > 0)
		buffer->end += console_escape_filter(
			&worker->escape, typed, count, buffer->bytes + buffer->end, &stop);
	if (stop)
		event_signal(worker->stop_fd);
	if (waiting(buffer) == 0)
		return;
	sent = send(worker->socket, buffer->bytes + buffer->start, waiting(buffer),
		MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0) {
		buffer->start += (size_t)sent;
		event_signal(worker->wake_fd);
	}
}

void serial_worker_init(struct serial_worker *worker, int socket, enum console_kind kind, int fd,
	int output_fd, int wake_fd, int stop_fd)
{
	memset(worker, 0, sizeof(*worker));
	console_peer_init(&worker->peer, kind, fd, output_fd);
	worker->socket = socket;
	worker->wake_fd = wake_fd;
	worker->stop_fd = stop_fd;
	worker->signal_fd = -1;
	worker->terminal.fd = -1;
	if (kind == CONSOLE_STDIO)
		console_terminal_save(&worker->terminal, fd);
	/* Not for a pipe: its bytes may be anything. */
	worker->escape.enabled = worker->terminal.fd >= 0;
}

void serial_worker_close(struct serial_worker *worker)
{
	console_peer_close(&worker->peer);
}

static void try_terminal(struct serial_worker *worker)
{
	struct signalfd_siginfo info;

	if (worker->signal_fd >= 0 && read(worker->signal_fd, &info, sizeof(info)) < 0 &&
		errno != EAGAIN)
		log_debug("signalfd: %s", strerror(errno));
	worker->peer.in_background = !console_terminal_enter(&worker->terminal);
}

/* Returns what poll() does. */
static int wait_for_work(struct serial_worker *worker, struct pollfd fds[POLL_FDS])
{
	bool room = waiting(&worker->output) < SERIAL_BUFFER && !worker->ending;
	bool to_send = waiting(&worker->input) > 0 && !worker->hung_up;
	int timeout = console_peer_prepare(&worker->peer, &fds[PEER],
		waiting(&worker->input) < SERIAL_BUFFER && !worker->hung_up,
		waiting(&worker->output) > 0);

	/* A hang-up is reported for ever; what was sent before it is still to be read. */
	fds[MACHINE] = (struct pollfd){
		.fd = room || !worker->hung_up ? worker->socket : -1,
		.events = (short)((room ? POLLIN : 0) | (to_send ? POLLOUT : 0)),
	};
	fds[SIGNALS] = (struct pollfd){ .fd = worker->signal_fd, .events = POLLIN };
	if (worker->hung_up)
		timeout = LAST_WORDS_MS;
	return poll(fds, POLL_FDS, timeout);
}

int serial_worker_run(struct serial_worker *worker)
{
	struct pollfd fds[POLL_FDS];

	try_terminal(worker);
	while (!worker->ending || waiting(&worker->output) > 0) {
		int ready = wait_for_work(worker, fds);

		if (ready < 0 && errno == EINTR)
			continue;
		if (ready < 0) {
			log_error("poll: %s", strerror(errno));
			return -errno;
		}
		if (worker->hung_up && ready == 0)
			break; /* nobody takes the last words */
		if (fds[SIGNALS].revents != 0 || worker->peer.in_background)
			try_terminal(worker);
		if ((fds[MACHINE].revents & (POLLHUP | POLLERR)) != 0)
			worker->hung_up = true;
		console_peer_polled(&worker->peer, &fds[PEER]);
		pump_output(worker);
		if (!worker->hung_up)
			pump_input(worker);
	}
	return 0;
}
