/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/supervisor.h"

#include "devices/bpmp/audit.h"
#include "devices/bpmp/bpmp.h"
#include "devices/bpmp/open_host.h"
#include "devices/device.h"
#include "vmm/base/clock.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* The worker has nothing left to do when its socket closes: it was asked to restore before. */
#define STOP_GRACE_MS	       2000
#define REAP_GRACE_MS	       1000

/* `status` is asked for by people and by programs that watch; neither may stop the machine. */
#define STATISTICS_DEADLINE_MS 500

static int send_message(struct bpmp_supervisor *supervisor, struct bpmp_message *message)
{
	message->sequence = ++supervisor->sequence;
	if (send(supervisor->worker.socket, message, sizeof(*message),
		    MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(*message))
		return errno == EAGAIN ? -ETIMEDOUT : -EPIPE;
	return 0;
}

/*
 * Waits for the answer to message number `sequence`: one packet of `size` bytes that starts as
 * struct bpmp_message does. Returns 0, -EPIPE or -ETIMEDOUT.
 */
static int receive(struct bpmp_supervisor *supervisor, int deadline_ms, uint32_t type,
	uint32_t sequence, void *answer, size_t size)
{
	struct pollfd polled = { .fd = supervisor->worker.socket, .events = POLLIN };
	int64_t deadline = clock_ms() + deadline_ms, left;
	struct {
		uint32_t type, sequence;
	} head;
	ssize_t got;

	for (;;) {
		left = deadline - clock_ms();
		if (left < 0)
			return -ETIMEDOUT;
		if (poll(&polled, 1, (int)left) <= 0)
			continue;
		got = recv(supervisor->worker.socket, answer, size, MSG_DONTWAIT | MSG_TRUNC);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < (ssize_t)sizeof(head))
			return -EPIPE;
		memcpy(&head, answer, sizeof(head));
		if (head.type == BPMP_MESSAGE_COUNTED && head.sequence != sequence &&
			supervisor->statistics_asked != 0 &&
			head.sequence == supervisor->statistics_asked) {
			supervisor->statistics_asked = 0; /* nobody waits for them any more */
			continue;
		}
		/* Nothing else is under way, so anything else is a worker gone wrong. */
		if (got != (ssize_t)size || head.type != type || head.sequence != sequence)
			return -EPIPE;
		return 0;
	}
}

/* Waits for the answer to the last message. Returns 0, -EPIPE or -ETIMEDOUT. */
static int receive_answer(
	struct bpmp_supervisor *supervisor, uint32_t type, struct bpmp_message *message)
{
	return receive(supervisor, supervisor->deadline_ms, type, supervisor->sequence, message,
		sizeof(*message));
}

/* Takes the worker out of the event loop and says how it ended. */
static void reap(struct bpmp_supervisor *supervisor, char *reason, size_t size)
{
	struct pollfd ended = { .fd = supervisor->worker.pid_fd, .events = POLLIN };

	event_loop_remove(supervisor->machine->loop, &supervisor->ended);
	supervisor->lost = true;
	/* Its socket closes a moment before its process can be reaped. */
	poll(&ended, 1, REAP_GRACE_MS);
	worker_reap(&supervisor->worker, reason, size);
	supervisor->ended.fd = -1;
}

static void on_ended(struct event_source *source)
{
	struct bpmp_supervisor *supervisor = container_of(source, struct bpmp_supervisor, ended);
	char reason[160];

	reap(supervisor, reason, sizeof(reason));
	log_warning("the guard puts back what the guest changed at the host's BPMP");
	machine_end(supervisor->machine, MACHINE_DEVICE_FAILED, "bpmp", reason);
}

/* An exchange failed while the VM runs. */
static void lose(struct bpmp_supervisor *supervisor, int error)
{
	if (error == -ETIMEDOUT) {
		supervisor->lost = true;
		machine_end(supervisor->machine, MACHINE_DEVICE_FAILED, "bpmp",
			"the host's BPMP does not answer; the worker stays, and puts back what "
			"the guest changed when it does");
	} else {
		on_ended(&supervisor->ended);
	}
}

static void log_clocks(const struct bpmp_message *message, bool owned)
{
	char list[512] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < message->clock_count && used < sizeof(list) - 16; i++)
		if (message->clocks[i].owned == owned)
			used += (size_t)snprintf(
				list + used, sizeof(list) - used, " %u", message->clocks[i].id);
	if (used)
		log_info("the guest %s clocks%s",
			owned ? "has" : "may read and enable, but not change,", list);
}

int bpmp_supervisor_configure(struct bpmp_supervisor *supervisor, const struct bpmp_ids *ids)
{
	struct bpmp_message message = {
		.type = BPMP_MESSAGE_CONFIGURE,
		.log_level = (uint32_t)log_get_level(),
		.ids = *ids,
		.audit_left = supervisor->audit_left,
	};
	int error = send_message(supervisor, &message);

	if (!error)
		error = receive_answer(supervisor, BPMP_MESSAGE_READY, &message);
	if (error)
		return error;
	if (message.result)
		return message.result < 0 ? message.result : -EPROTO; /* the worker logged why */
	if (message.clock_count > BPMP_MAX_CLOCKS)
		return -EPIPE;
	log_clocks(&message, true);
	log_clocks(&message, false);
	return 0;
}

void bpmp_supervisor_init(struct bpmp_supervisor *supervisor, struct machine *machine)
{
	*supervisor = (struct bpmp_supervisor){
		.machine = machine,
		.worker = { .pid = -1, .pid_fd = -1, .socket = -1 },
		.ended.fd = -1,
		.deadline_ms = BPMP_DEADLINE_MS,
	};
	bpmp_keeper_init(&supervisor->keeper, machine);
}

/* The worker runs: it asks the host, and is watched from now on. */
static int greet(struct bpmp_supervisor *supervisor, const struct bpmp_ids *ids)
{
	struct machine *machine = supervisor->machine;
	char reason[160];
	int error;

	supervisor->ended = (struct event_source){ supervisor->worker.pid_fd, on_ended };
	error = bpmp_supervisor_configure(supervisor, ids);
	if (error == -ETIMEDOUT) {
		supervisor->lost = true;
		log_error("the host's BPMP does not answer within %d s; see the host's kernel log, "
			  "or run without it: --bpmp off",
			BPMP_DEADLINE_MS / 1000);
		return error;
	}
	if (error == -EPIPE) {
		reap(supervisor, reason, sizeof(reason));
		log_error("the bpmp worker failed at its start: %s", reason);
		return error;
	}
	if (!error)
		error = event_loop_add(machine->loop, &supervisor->ended);
	if (!error)
		machine->bpmp = supervisor;
	return error;
}

static int start_worker(
	struct bpmp_supervisor *supervisor, const struct bpmp_face *face, int host_fd, int audit_fd)
{
	size_t count = BPMP_FD_FACE;
	int fds[WORKER_MAX_FDS] = {
		[BPMP_FD_HOST] = host_fd,
		[BPMP_FD_JOURNAL] = supervisor->keeper.journal.fd,
		[BPMP_FD_LIFELINE] = supervisor->keeper.lifeline,
	};

	for (size_t i = 0; i < face->fd_count; i++)
		fds[count++] = face->fds[i];
	if (audit_fd >= 0)
		fds[count++] = audit_fd;
	return worker_start(&supervisor->worker, face->kind, SOCK_SEQPACKET, fds, count, false);
}

int bpmp_supervisor_start(struct bpmp_supervisor *supervisor, const struct bpmp_face *face,
	const struct bpmp_options *options, const struct bpmp_ids *ids)
{
	int host_fd = -1, audit_fd = -1, error = 0;

	if (options->audit) {
		audit_fd = bpmp_audit_open(options->audit, &supervisor->audit_left);
		error = audit_fd < 0 ? audit_fd : 0;
	}
	if (!error) {
		host_fd = bpmp_open_host(options->host);
		error = host_fd < 0 ? host_fd : 0;
	}
	if (!error)
		error = bpmp_keeper_start(&supervisor->keeper, options->name, options->host);
	if (!error)
		error = start_worker(supervisor, face, host_fd, audit_fd);
	close_fd(&supervisor->keeper.lifeline); /* the worker alone has these */
	close_fd(&host_fd);
	close_fd(&audit_fd);
	return error ? error : greet(supervisor, ids);
}

int bpmp_supervisor_guest_starts(struct bpmp_supervisor *supervisor)
{
	struct bpmp_message message = { .type = BPMP_MESSAGE_GUEST_STARTS };
	int error = supervisor->lost ? -EPIPE : send_message(supervisor, &message);

	if (error && !supervisor->lost)
		lose(supervisor, error);
	return error;
}

int bpmp_supervisor_restore(struct bpmp_supervisor *supervisor)
{
	struct bpmp_message message = { .type = BPMP_MESSAGE_RESTORE };
	int error;

	error = supervisor->lost ? -EPIPE : send_message(supervisor, &message);
	if (!error)
		error = receive_answer(supervisor, BPMP_MESSAGE_RESTORED, &message);
	if (error && !supervisor->lost)
		lose(supervisor, error);
	if (error && supervisor->worker.pid < 0)
		bpmp_keeper_restore(&supervisor->keeper);
	return error;
}

int bpmp_supervisor_statistics(
	struct bpmp_supervisor *supervisor, struct bpmp_statistics *statistics)
{
	struct bpmp_message question = { .type = BPMP_MESSAGE_STATISTICS };
	struct bpmp_counted_message answer;
	int error = 0;

	if (supervisor->lost)
		return -EPIPE;
	/* One question at a time: else those to a worker that hangs would pile up. */
	if (!supervisor->statistics_asked) {
		error = send_message(supervisor, &question);
		if (!error)
			supervisor->statistics_asked = supervisor->sequence;
	}
	if (!error)
		error = receive(supervisor, STATISTICS_DEADLINE_MS, BPMP_MESSAGE_COUNTED,
			supervisor->statistics_asked, &answer, sizeof(answer));
	if (error == -ETIMEDOUT)
		return error;
	supervisor->statistics_asked = 0;
	if (!error && answer.statistics.row_count > BPMP_STATISTICS_ROWS)
		error = -EPIPE;
	if (error)
		lose(supervisor, error);
	else
		*statistics = answer.statistics;
	return error;
}

void bpmp_supervisor_stop(struct bpmp_supervisor *supervisor)
{
	supervisor->machine->bpmp = NULL;
	if (supervisor->ended.fd >= 0 && supervisor->worker.pid_fd >= 0)
		event_loop_remove(supervisor->machine->loop, &supervisor->ended);
	if (supervisor->lost) {
		close_fd(&supervisor->worker.socket);
		close_fd(&supervisor->worker.pid_fd);
	} else {
		worker_stop(&supervisor->worker, STOP_GRACE_MS);
	}
	bpmp_keeper_stop(&supervisor->keeper, supervisor->worker.pid < 0);
}
