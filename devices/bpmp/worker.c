/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/worker.h"

#include "devices/bpmp/mailbox_scan.h"
#include "devices/bpmp/window_serve.h"
#include "devices/bpmp/worker_protocol.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* True for one whole message; false when the machine is gone, which is how a worker ends. */
static bool receive(struct bpmp_worker *worker, struct bpmp_message *message)
{
	ssize_t size;

	do {
		size = recv(worker->socket, message, sizeof(*message), 0);
	} while (size < 0 && errno == EINTR);
	return size == (ssize_t)sizeof(*message);
}

static bool send_answer(struct bpmp_worker *worker, const struct bpmp_message *message)
{
	return send(worker->socket, message, sizeof(*message), MSG_NOSIGNAL) ==
		(ssize_t)sizeof(*message);
}

/* The next guest finds clean areas, and nothing of the last one's requests is served. */
static void restart_face(struct bpmp_worker *worker)
{
	unsigned char *to_guest;

	if (!worker->shared) {
		bpmp_window_discard(worker->requests);
		return;
	}
	to_guest = worker->shared + BPMP_IVC_AREA_SIZE;
	event_take(worker->doorbell);
	bpmp_ivc_clear(worker->shared, to_guest);
	bpmp_ivc_init(&worker->ivc, worker->shared, to_guest);
}

static bool ids_fit(const struct bpmp_ids *ids)
{
	return ids->clocks.count <= BPMP_MAX_IDS && ids->resets.count <= BPMP_MAX_IDS &&
		ids->power_domains.count <= BPMP_MAX_IDS;
}

/* The first message: whom the guest may ask for what. False: the worker ends. */
static bool configure(struct bpmp_worker *worker)
{
	const struct bpmp_policy *policy = &worker->server.policy;
	struct bpmp_message message;
	int error;

	if (!receive(worker, &message) || message.type != BPMP_MESSAGE_CONFIGURE ||
		!ids_fit(&message.ids))
		return false;
	log_set_level((enum log_level)message.log_level);
	error = bpmp_server_start(&worker->server, worker->host, &message.ids);
	worker->audit.left = message.audit_left;
	if (error == 0 && worker->audit.left)
		bpmp_server_record(&worker->server, &worker->audit);
	if (error == 0 && worker->journal_fd >= 0) {
		worker->journal = (struct bpmp_journal){ .fd = worker->journal_fd };
		error = bpmp_server_keep_journal(&worker->server, &worker->journal);
	}
	message.type = BPMP_MESSAGE_READY;
	message.result = error;
	message.clock_count = (uint32_t)policy->clock_count;
	for (size_t i = 0; i < policy->clock_count; i++) {
		message.clocks[i].id = policy->clocks[i].id;
		message.clocks[i].owned = policy->clocks[i].owned;
	}
	return send_answer(worker, &message) && error == 0;
}

static bool send_statistics(struct bpmp_worker *worker, uint32_t sequence)
{
	struct bpmp_counted_message message = {
		.type = BPMP_MESSAGE_COUNTED,
		.sequence = sequence,
		.statistics = worker->server.statistics,
	};
	const struct bpmp_clock *clock;

	for (uint32_t i = 0; i < message.statistics.row_count; i++) {
		struct bpmp_statistics_row *row = &message.statistics.rows[i];

		clock = row->mrq == BPMP_MRQ_CLK
			? bpmp_policy_clock(&worker->server.policy, row->id)
			: NULL;
		if (clock)
			memcpy(row->name, clock->name, sizeof(row->name));
	}

	return send(worker->socket, &message, sizeof(message), MSG_NOSIGNAL) ==
		(ssize_t)sizeof(message);
}

/* False: the machine is gone, or speaks nonsense. */
static bool serve_machine(struct bpmp_worker *worker)
{
	struct bpmp_message message;

	if (!receive(worker, &message))
		return false;
	switch (message.type) {
	case BPMP_MESSAGE_GUEST_STARTS:
		bpmp_server_guest_starts(&worker->server);
		return true;
	case BPMP_MESSAGE_RESTORE:
		message.result = (int32_t)bpmp_server_restore(&worker->server);
		/* Only now: nothing of the old guest's can be published into clean areas. */
		restart_face(worker);
		message.type = BPMP_MESSAGE_RESTORED;
		return send_answer(worker, &message);
	case BPMP_MESSAGE_STATISTICS:
		return send_statistics(worker, message.sequence);
	default:
		return false;
	}
}

/* False: the machine speaks nonsense. */
static bool serve_guest(struct bpmp_worker *worker)
{
	if (!worker->shared)
		return bpmp_window_serve(worker->requests, &worker->server);
	event_take(worker->doorbell);
	if (bpmp_mailbox_scan(&worker->ivc, &worker->server))
		event_signal(worker->answer);
	return true;
}

int bpmp_worker_serve(struct bpmp_worker *worker)
{
	struct pollfd polled[] = {
		{ .fd = worker->socket, .events = POLLIN },
		{ .fd = worker->shared ? worker->doorbell : worker->requests, .events = POLLIN },
	};

	restart_face(worker);
	if (!configure(worker))
		return EXIT_FAILURE;
	for (;;) {
		if (poll(polled, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			log_error("cannot wait for the guest: %s", strerror(errno));
			break;
		}
		/* The machine first: a guest that rings without end must not keep it waiting. */
		if (polled[0].revents && !serve_machine(worker))
			break;
		if (polled[1].revents && !serve_guest(worker))
			break;
	}
	return bpmp_server_end(&worker->server) ? EXIT_FAILURE : EXIT_SUCCESS;
}
