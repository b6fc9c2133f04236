/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/console_loop.h"

#include "vmm/base/clock.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* 5.3.2: receiveq(port0) is for the driver to receive. */
enum { RECEIVE_QUEUE, TRANSMIT_QUEUE, QUEUE_COUNT };

/*
 * What one turn does before the front end and the others are looked at again: bytes written, and
 * buffers of the guest filled. The guest may offer more, even empty ones, without end.
 */
#define OUTPUT_PER_TURN	 (256 * 1024)
#define BUFFERS_PER_TURN 256

/* The poll set: ours, then the peer's. */
enum { FRONT_END, SIGNALS, RECEIVE_KICK, TRANSMIT_KICK, PEER };
#define POLL_FDS    (PEER + CONSOLE_PEER_POLL_FDS)

/* How long output waits for a peer that takes nothing. */
#define PATIENCE_MS 1000

/* The peer has taken nothing. Returns how many bytes are dropped, 0: wait on. */
static size_t drop(struct console_worker *worker, size_t size)
{
	if (worker->stalled_ms == 0)
		worker->stalled_ms = clock_ms();
	if (clock_ms() - worker->stalled_ms < PATIENCE_MS)
		return 0;
	if (worker->dropped == 0 && worker->told < CONSOLE_TOLD_AT_MOST)
		log_warning("nobody takes the guest's output: it is dropped until somebody does");
	worker->dropped += size;
	return size;
}

static size_t write_to_peer(struct console_worker *worker, const void *data, size_t size)
{
	size_t written = console_peer_write(&worker->peer, data, size);

	if (written == 0)
		return drop(worker, size);
	if (worker->dropped != 0 && worker->told < CONSOLE_TOLD_AT_MOST) {
		worker->told++;
		log_warning("the guest's output is taken again; %llu bytes of it were dropped%s",
			(unsigned long long)worker->dropped,
			worker->told == CONSOLE_TOLD_AT_MOST ? "; this is not said again" : "");
	}
	worker->stalled_ms = 0;
	worker->dropped = 0;
	return written;
}

/*
 * Writes on with the buffer in hand. False when the peer takes no more now; *budget says how many
 * bytes this turn may still write.
 */
static bool write_chain(struct console_worker *worker, size_t *budget)
{
	const struct virtqueue_chain *chain = &worker->transmit;

	while (worker->segment < chain->readable_count) {
		const struct virtqueue_segment *segment = &chain->segments[worker->segment];
		uint32_t left = segment->length - worker->offset;
		size_t size = left < *budget ? left : *budget, written;
		const void *data;

		if (size == 0)
			return false;
		data = guest_memory_at(&worker->back.memory, segment->gpa + worker->offset, size);
		/* NULL only if the memory table was replaced by one without it. */
		written = data != NULL ? write_to_peer(worker, data, size) : size;
		if (written == 0)
			return false;
		*budget -= written;
		worker->offset += (uint32_t)written;
		if (worker->offset == segment->length) {
			worker->segment++;
			worker->offset = 0;
		}
	}
	return true;
}

/* Guest to peer, until the guest has no more, the peer takes no more, or the turn is over. */
static void pump_output(struct console_worker *worker)
{
	struct vhost_user_back *back = &worker->back;
	struct virtqueue *ring = &back->queues[TRANSMIT_QUEUE].ring;
	size_t budget = OUTPUT_PER_TURN;

	if (!vhost_user_back_ready(back, TRANSMIT_QUEUE))
		return;
	virtqueue_disable_kicks(ring);
	while (budget > 0) {
		if (!worker->sending) {
			if (vhost_user_back_pop(back, TRANSMIT_QUEUE, &worker->transmit) == 0) {
				if (virtqueue_enable_kicks(ring))
					continue;
				break;
			}
			worker->sending = true;
			worker->segment = 0;
			worker->offset = 0;
			/* A buffer of no bytes costs a turn something, too. */
			budget--;
		}
		if (!write_chain(worker, &budget))
			break;
		virtqueue_push(ring, worker->transmit.head, 0);
		worker->sending = false;
	}
	if (budget == 0)
		worker->again = true;
	vhost_user_back_signal(back, TRANSMIT_QUEUE);
}

/* How much may be read ahead of the guest's buffers now. */
static size_t input_room(const struct console_worker *worker)
{
	size_t waiting = worker->input_end - worker->input_start;

	return waiting < CONSOLE_INPUT_SIZE ? CONSOLE_INPUT_SIZE - waiting : 0;
}

/* Reads behind what waits already. False when there is nothing new for the guest. */
static bool read_input(struct console_worker *worker)
{
	uint8_t typed[CONSOLE_INPUT_SIZE];
	size_t count = console_peer_read(&worker->peer, typed, input_room(worker));
	size_t waiting = worker->input_end - worker->input_start, more;
	bool stop = false;

	if (count == 0)
		return false;
	memmove(worker->input, worker->input + worker->input_start, waiting);
	more = console_escape_filter(&worker->escape, typed, count, worker->input + waiting, &stop);
	worker->input_start = 0;
	worker->input_end = waiting + more;
	if (stop)
		event_signal(worker->stop_fd);
	return more != 0;
}

/* Peer to guest, until the peer has said all or the guest has no buffer. */
static void pump_input(struct console_worker *worker)
{
	struct vhost_user_back *back = &worker->back;
	struct virtqueue *ring = &back->queues[RECEIVE_QUEUE].ring;
	unsigned int budget = BUFFERS_PER_TURN;

	/* Also while the guest takes nothing: what comes next may be the escape. */
	read_input(worker);
	while (budget > 0) {
		size_t waiting = worker->input_end - worker->input_start;
		uint32_t taken;

		if (waiting == 0) {
			if (!read_input(worker))
				break;
			continue;
		}
		if (!vhost_user_back_ready(back, RECEIVE_QUEUE))
			break;
		if (vhost_user_back_pop(back, RECEIVE_QUEUE, &worker->receive) == 0) {
			if (virtqueue_enable_kicks(ring))
				continue;
			break;
		}
		taken = virtqueue_copy_to_chain(&worker->receive, &back->memory,
			worker->input + worker->input_start, waiting);
		virtqueue_push(ring, worker->receive.head, taken);
		worker->input_start += taken;
		budget--;
	}
	if (budget == 0)
		worker->again = true;
	if (vhost_user_back_ready(back, RECEIVE_QUEUE) && worker->input_end == worker->input_start)
		virtqueue_disable_kicks(ring);
	vhost_user_back_signal(back, RECEIVE_QUEUE);
}

static struct console_worker *to_worker(struct vhost_user_back *back)
{
	return container_of(back, struct console_worker, back);
}

static void queue_stopping(struct vhost_user_back *back, uint32_t index)
{
	struct console_worker *worker = to_worker(back);

	if (index != TRANSMIT_QUEUE)
		return;
	/* The guest's last words, as far as they go without waiting. */
	pump_output(worker);
	if (worker->sending)
		virtqueue_unpop(&back->queues[TRANSMIT_QUEUE].ring);
	worker->sending = false;
}

static const struct vhost_user_back_device console_device = {
	.queue_count = QUEUE_COUNT,
	.queue_stopping = queue_stopping,
};

void console_worker_init(struct console_worker *worker, int socket, enum console_kind kind, int fd,
	int output_fd, int stop_fd)
{
	memset(worker, 0, sizeof(*worker));
	vhost_user_back_init(&worker->back, socket, &console_device);
	console_peer_init(&worker->peer, kind, fd, output_fd);
	worker->terminal.fd = -1;
	worker->stop_fd = stop_fd;
	worker->signal_fd = -1;
	if (kind == CONSOLE_STDIO)
		console_terminal_save(&worker->terminal, fd);
	/* Not for a pipe: its bytes may be anything. */
	worker->escape.enabled = worker->terminal.fd >= 0;
}

void console_worker_close(struct console_worker *worker)
{
	vhost_user_back_close(&worker->back);
	console_peer_close(&worker->peer);
}

static void try_terminal(struct console_worker *worker)
{
	struct signalfd_siginfo info;

	if (worker->signal_fd >= 0 && read(worker->signal_fd, &info, sizeof(info)) < 0 &&
		errno != EAGAIN)
		log_debug("signalfd: %s", strerror(errno));
	worker->peer.in_background = !console_terminal_enter(&worker->terminal);
}

/* Returns what vhost_user_back_wait() does. */
static int wait_for_work(struct console_worker *worker, struct pollfd fds[POLL_FDS])
{
	struct vhost_user_back *back = &worker->back;
	bool want_input = input_room(worker) > 0;
	bool want_output = worker->sending && vhost_user_back_ready(back, TRANSMIT_QUEUE);
	int timeout;

	fds[SIGNALS] = (struct pollfd){ .fd = worker->signal_fd, .events = POLLIN };
	fds[RECEIVE_KICK] = (struct pollfd){
		.fd = vhost_user_back_kick_fd(back, RECEIVE_QUEUE),
		.events = POLLIN,
	};
	fds[TRANSMIT_KICK] = (struct pollfd){
		.fd = vhost_user_back_kick_fd(back, TRANSMIT_QUEUE),
		.events = POLLIN,
	};
	timeout = console_peer_prepare(&worker->peer, &fds[PEER], want_input, want_output);
	/* drop() is to have its say. */
	if (want_output && (timeout < 0 || timeout > PATIENCE_MS))
		timeout = PATIENCE_MS;
	return vhost_user_back_wait(back, fds, POLL_FDS, worker->again ? 0 : timeout);
}

int console_worker_run(struct console_worker *worker)
{
	struct pollfd fds[POLL_FDS];

	try_terminal(worker);
	for (;;) {
		int status = wait_for_work(worker, fds);

		if (status < 0)
			return status == -ECONNRESET ? 0 : status;
		worker->again = status > 0;
		if (worker->again)
			continue;
		if (fds[SIGNALS].revents != 0 || worker->peer.in_background)
			try_terminal(worker);
		if (fds[RECEIVE_KICK].revents != 0)
			vhost_user_back_kicked(&worker->back, RECEIVE_QUEUE);
		if (fds[TRANSMIT_KICK].revents != 0)
			vhost_user_back_kicked(&worker->back, TRANSMIT_QUEUE);
		console_peer_polled(&worker->peer, &fds[PEER]);
		pump_output(worker);
		pump_input(worker);
	}
}
