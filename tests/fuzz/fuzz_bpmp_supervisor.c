/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BPMP worker that answers the machine with anything. What the machine takes of it is worked out
 * a second time here, packet by packet.
 *
 * Input: steps of a byte. Bits 0 to 2: the worker says something (0 to 2; bits 3 and 4 its type,
 * then how it is spoilt, and its contents), hangs up (3 with bit 5), the machine asks for the
 * guest's start (4), the restoration (5), the statistics (6), or has asked for those in vain (7).
 * The machine begins with the configuration.
 */
#include "devices/bpmp/supervisor.h"
#include "devices/device.h"
#include "tests/fuzz/fuzz_input.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEPS	    40
#define MOST_QUEUED 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct packet {
	uint32_t type, sequence;
	size_t size;
	int32_t result;
	uint32_t count; /* of clocks, or rows */
};

struct world {
	struct fuzz_input input;
	struct machine machine;
	struct bpmp_supervisor supervisor;
	int worker; /* its end of the socket */
	struct packet queue[MOST_QUEUED];
	size_t queued;
	bool hung_up;
	uint32_t late; /* the question that was asked in vain */
	int ends;      /* of the machine */
};

static struct event_loop loop;
static union {
	struct bpmp_message message;
	struct bpmp_counted_message counted;
} said;

/* --- in the place of the log, processes and the machine ------------------------------------- */

enum log_level log_get_level(void)
{
	return LOG_INFO;
}

int worker_start(struct worker *worker, const char *kind, int socket_type, const int *fds,
	size_t fd_count, bool die_with_machine)
{
	(void)worker, (void)kind, (void)socket_type, (void)fds, (void)fd_count;
	(void)die_with_machine;
	abort();
}

void worker_reap(struct worker *worker, char *reason, size_t size)
{
	fuzz_check(worker->pid_fd >= 0 && size != 0);
	reason[0] = '\0';
	worker->pid = -1;
	close_fd(&worker->pid_fd);
	close_fd(&worker->socket);
}

void worker_stop(struct worker *worker, int grace_ms)
{
	(void)grace_ms;
	worker->pid = -1;
	close_fd(&worker->pid_fd);
	close_fd(&worker->socket);
}

void machine_end(
	struct machine *machine, enum machine_end why, const char *device, const char *reason)
{
	fuzz_check(why == MACHINE_DEVICE_FAILED && strcmp(device, "bpmp") == 0 && reason != NULL);
	container_of(machine, struct world, machine)->ends++;
}

/* --- the worker
 * ----------------------------------------------------------------------------------- */

/* As it ought to be, or with one thing wrong. */
static struct packet packet_of(struct world *world, uint32_t type)
{
	uint8_t kind = fuzz_byte(&world->input);
	struct packet packet = { .type = type, .sequence = world->supervisor.sequence + 1 };

	packet.size = type == BPMP_MESSAGE_COUNTED ? sizeof(said.counted) : sizeof(said.message);
	if (kind & 0x40 && type == BPMP_MESSAGE_COUNTED)
		packet.sequence = world->late;
	switch (kind < 0xc0 ? 0 : kind & 7) {
	case 1:
		packet.type = fuzz_byte(&world->input);
		break;
	case 2:
		packet.sequence = fuzz_byte(&world->input);
		break;
	case 3:
		packet.size = fuzz_byte(&world->input);
		break;
	case 4:
		packet.size -= 1 + (kind >> 3 & 1);
		break;
	case 5:
		packet.size =
			type == BPMP_MESSAGE_COUNTED ? sizeof(said.message) : sizeof(said.counted);
		break;
	default:
		break;
	}
	return packet;
}

static void say(struct world *world, uint32_t type)
{
	struct packet packet = packet_of(world, type);
	uint16_t count;

	if (world->queued == MOST_QUEUED || world->hung_up)
		return;
	fuzz_take(&world->input, &count, sizeof(count));
	packet.count = count < 0xfff0 ? count : UINT32_MAX;
	memset(&said, 0, sizeof(said));
	said.message.type = packet.type;
	said.message.sequence = packet.sequence;
	if (type == BPMP_MESSAGE_COUNTED) {
		packet.count %= BPMP_STATISTICS_ROWS + 2;
		said.counted.statistics.row_count = packet.count;
		fuzz_take(&world->input, said.counted.statistics.rows, 8);
	} else {
		packet.result = (count >> 8) - (count & 0x80 ? 256 : 0);
		said.message.result = packet.result;
		packet.count = (packet.count & 0xff) == 0xff ? packet.count
							     : packet.count % (BPMP_MAX_CLOCKS + 2);
		said.message.clock_count = packet.count;
		fuzz_take(&world->input, said.message.clocks, 8);
	}
	if (send(world->worker, &said, packet.size, MSG_DONTWAIT | MSG_NOSIGNAL) ==
		(ssize_t)packet.size)
		world->queue[world->queued++] = packet;
}

static void hang_up(struct world *world)
{
	shutdown(world->worker, SHUT_WR);
	world->hung_up = true;
}

/* --- what the machine may make of it
 * -------------------------------------------------------------- */

static struct packet take(struct world *world)
{
	struct packet first = world->queue[0];

	memmove(world->queue, world->queue + 1, sizeof(world->queue) - sizeof(world->queue[0]));
	world->queued--;
	return first;
}

/* 0 with the answer, -EPIPE or -ETIMEDOUT. */
static int expect(struct world *world, uint32_t type, uint32_t sequence, struct packet *answer)
{
	size_t size = type == BPMP_MESSAGE_COUNTED ? sizeof(said.counted) : sizeof(said.message);

	while (world->queued != 0) {
		*answer = take(world);
		if (answer->size < 8)
			return -EPIPE;
		/* The late answer to a question is thrown away, once. */
		if (answer->type == BPMP_MESSAGE_COUNTED && world->late != 0 &&
			answer->sequence == world->late && answer->sequence != sequence) {
			world->late = 0;
			continue;
		}
		return answer->size == size && answer->type == type && answer->sequence == sequence
			? 0
			: -EPIPE;
	}
	return world->hung_up ? -EPIPE : -ETIMEDOUT;
}

/* The one message that was sent, unless there should be none (0). */
static void check_sent(struct world *world, uint32_t type, uint32_t sequence)
{
	static struct bpmp_message message;
	ssize_t size = recv(world->worker, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);

	/* The machine closed its end with packets in it, which is told once, and first. */
	if (size < 0 && errno == ECONNRESET)
		size = recv(world->worker, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	if (type == 0) {
		fuzz_check(size <= 0);
		return;
	}
	fuzz_check(size == (ssize_t)sizeof(message));
	fuzz_check(message.type == type && message.sequence == sequence);
	fuzz_check(recv(world->worker, &message, sizeof(message), MSG_DONTWAIT) <= 0);
}

/* A worker that went wrong is lost, and the machine ends, once. */
static void check_lost(struct world *world, int error, bool was_lost, int ends)
{
	fuzz_check(world->supervisor.lost == (was_lost || error != 0));
	fuzz_check(world->ends == ends + (!was_lost && error != 0));
	fuzz_check(error != -EPIPE || was_lost || world->supervisor.worker.pid_fd < 0);
}

/* --- what the machine does ---------------------------------------------------------------------
 */

static bool configure(struct world *world)
{
	const struct bpmp_ids ids = { .clocks = { 1, { 155 } } };
	uint32_t sequence = world->supervisor.sequence + 1;
	struct packet answer;
	int error, expected;

	say(world, BPMP_MESSAGE_READY);
	expected = expect(world, BPMP_MESSAGE_READY, sequence, &answer);
	if (expected == 0 && answer.result != 0)
		expected = answer.result < 0 ? answer.result : -EPROTO;
	else if (expected == 0 && answer.count > BPMP_MAX_CLOCKS)
		expected = -EPIPE;
	world->supervisor.deadline_ms = expected == -ETIMEDOUT ? 0 : BPMP_DEADLINE_MS;
	error = bpmp_supervisor_configure(&world->supervisor, &ids);
	fuzz_check(error == expected && world->ends == 0);
	check_sent(world, BPMP_MESSAGE_CONFIGURE, sequence);
	return error == 0;
}

static void guest_starts(struct world *world)
{
	bool was_lost = world->supervisor.lost;
	uint32_t sequence = world->supervisor.sequence + 1;
	int ends = world->ends, error;

	error = bpmp_supervisor_guest_starts(&world->supervisor);
	fuzz_check(error == (was_lost ? -EPIPE : 0));
	check_sent(world, was_lost ? 0 : BPMP_MESSAGE_GUEST_STARTS, sequence);
	check_lost(world, error, was_lost, ends);
}

static void restore(struct world *world)
{
	bool was_lost = world->supervisor.lost;
	uint32_t sequence = world->supervisor.sequence + 1;
	int ends = world->ends, error, expected = -EPIPE;
	struct packet answer;

	if (!was_lost)
		expected = expect(world, BPMP_MESSAGE_RESTORED, sequence, &answer);
	world->supervisor.deadline_ms = expected == -ETIMEDOUT ? 0 : BPMP_DEADLINE_MS;
	error = bpmp_supervisor_restore(&world->supervisor);
	fuzz_check(error == expected);
	check_sent(world, was_lost ? 0 : BPMP_MESSAGE_RESTORE, sequence);
	check_lost(world, error, was_lost, ends);
	fuzz_check(was_lost || world->supervisor.statistics_asked == world->late);
}

static void statistics(struct world *world)
{
	static struct bpmp_statistics got, before;
	bool was_lost = world->supervisor.lost, asked = world->late != 0;
	uint32_t sequence = asked ? world->late : world->supervisor.sequence + 1;
	int ends = world->ends, error, expected = -EPIPE;
	struct packet answer = { .count = 0 };

	/* Half a second is too long to wait for nothing. */
	if (world->queued == 0)
		hang_up(world);
	world->late = sequence;
	if (!was_lost)
		expected = expect(world, BPMP_MESSAGE_COUNTED, sequence, &answer);
	world->late = 0;
	if (expected == 0 && answer.count > BPMP_STATISTICS_ROWS)
		expected = -EPIPE;
	before.row_count = got.row_count = 4321;
	error = bpmp_supervisor_statistics(&world->supervisor, &got);
	fuzz_check(error == expected);
	fuzz_check(got.row_count == (error == 0 ? answer.count : before.row_count));
	check_sent(world, was_lost || asked ? 0 : BPMP_MESSAGE_STATISTICS, sequence);
	check_lost(world, error, was_lost, ends);
	fuzz_check(was_lost || world->supervisor.statistics_asked == 0);
}

/* As after half a second without an answer. */
static void ask_in_vain(struct world *world)
{
	if (world->late == 0)
		world->late = world->supervisor.statistics_asked = ++world->supervisor.sequence;
}

static void one_step(struct world *world)
{
	static const uint32_t types[] = { BPMP_MESSAGE_READY, BPMP_MESSAGE_RESTORED,
		BPMP_MESSAGE_COUNTED, BPMP_MESSAGE_RESTORED };
	uint8_t step = fuzz_byte(&world->input);

	switch (step & 7) {
	case 3:
		if (step & 0x20)
			hang_up(world);
		break;
	case 4:
		guest_starts(world);
		break;
	case 5:
		restore(world);
		break;
	case 6:
		statistics(world);
		break;
	case 7:
		ask_in_vain(world);
		break;
	default:
		say(world, types[step >> 3 & 3]);
	}
}

static void open_world(struct world *world)
{
	int pair[2];

	if (loop.epoll_fd == 0)
		fuzz_check(event_loop_open(&loop) == 0);
	fuzz_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	world->machine.loop = &loop;
	world->worker = pair[1];
	bpmp_supervisor_init(&world->supervisor, &world->machine);
	world->supervisor.worker = (struct worker){
		.kind = "bpmp",
		.pid = 1,
		.pid_fd = eventfd(1, EFD_CLOEXEC), /* it has ended whenever somebody looks */
		.socket = pair[0],
	};
	world->supervisor.ended.fd = world->supervisor.worker.pid_fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .input = { data, size } };

	open_world(&world);
	if (configure(&world))
		for (int i = 0; i < STEPS && world.input.left; i++)
			one_step(&world);
	bpmp_supervisor_stop(&world.supervisor);
	close(world.worker);
	return 0;
}
