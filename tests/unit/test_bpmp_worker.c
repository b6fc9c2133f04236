/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's loop in a thread, with this test as its machine and as its guest. */
#include "devices/bpmp/message.h"
#include "devices/bpmp/worker.h"
#include "devices/bpmp/worker_protocol.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"
#include "tests/unit/ivc_guest.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(bpmp_worker, .timeout = 30);

struct world {
	struct bpmp_model model;
	struct bpmp_worker worker;
	struct ivc_guest guest;
	int machine; /* our end of the socket */
	pthread_t thread;
	int status;
	_Alignas(64) unsigned char shared[2 * BPMP_IVC_AREA_SIZE];
};

static void *run(void *argument)
{
	struct world *world = argument;

	world->status = bpmp_worker_serve(&world->worker);
	close(world->worker.socket);
	return NULL;
}

static void start(struct world *world)
{
	int pair[2];

	fake_log_capture();
	model_init(&world->model);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	world->machine = pair[0];
	world->worker.socket = pair[1];
	world->worker.doorbell = eventfd(0, EFD_NONBLOCK);
	world->worker.answer = eventfd(0, EFD_NONBLOCK);
	world->worker.shared = world->shared;
	world->worker.journal_fd = -1;
	world->worker.host = &world->model.host;
	world->guest = (struct ivc_guest){ world->shared, world->shared + BPMP_IVC_AREA_SIZE };
	cr_assert_eq(pthread_create(&world->thread, NULL, run, world), 0);
}

static void tell(struct world *world, uint32_t type, uint32_t sequence)
{
	struct bpmp_message message = { .type = type, .sequence = sequence, .ids = model_ids() };

	cr_assert_eq(send(world->machine, &message, sizeof(message), 0), sizeof(message));
}

static struct bpmp_message answer(struct world *world)
{
	struct bpmp_message message = { 0 };

	cr_assert_eq(recv(world->machine, &message, sizeof(message), 0), sizeof(message));
	return message;
}

static int stop(struct world *world)
{
	close(world->machine);
	pthread_join(world->thread, NULL);
	return world->status;
}

static void ring(struct world *world)
{
	struct pollfd answered = { .fd = world->worker.answer, .events = POLLIN };
	uint64_t count = 1;

	cr_assert_eq(write(world->worker.doorbell, &count, sizeof(count)), 8);
	cr_assert_eq(poll(&answered, 1, 5000), 1, "no answer");
	cr_assert_eq(read(world->worker.answer, &count, sizeof(count)), 8);
}

/* A request on a thread's channel, as Linux does it. */
static int32_t transfer(struct world *world, struct bpmp_request request)
{
	int32_t code = 12345;

	cr_assert(guest_post(&world->guest, 0, request.mrq, 3, request.data, request.size));
	ring(world);
	cr_assert(guest_read(&world->guest, 0, &code, NULL, 0));
	return code;
}

static struct world *running(void)
{
	static struct world world;
	struct bpmp_message ready;

	start(&world);
	tell(&world, BPMP_MESSAGE_CONFIGURE, 7);
	ready = answer(&world);
	cr_assert(ready.type == BPMP_MESSAGE_READY && ready.sequence == 7 && ready.result == 0);
	cr_assert_eq(ready.clock_count, 3);
	for (uint32_t i = 0; i < 3; i++)
		cr_assert_eq(ready.clocks[i].owned, ready.clocks[i].id == 155);
	tell(&world, BPMP_MESSAGE_GUEST_STARTS, 8);
	return &world;
}

Test(bpmp_worker, a_guests_life_and_the_next_guests)
{
	struct world *world = running();
	struct bpmp_message restored;

	for (uint32_t sequence = 9; sequence < 12; sequence++) {
		guest_reset(&world->guest, 0);
		ring(world);
		cr_assert(guest_notified(&world->guest, 0));
		ring(world);
		cr_assert_eq(transfer(world, bpmp_clk_request(BPMP_CLK_ENABLE, 155)), 0);
		cr_assert_eq(transfer(world, bpmp_clk_request(BPMP_CLK_ENABLE, 100)), -BPMP_EACCES);
		cr_assert_eq(model_clock(&world->model, 155)->enables, 2);

		tell(world, BPMP_MESSAGE_RESTORE, sequence);
		restored = answer(world);
		cr_assert_eq(restored.type, BPMP_MESSAGE_RESTORED);
		cr_assert_eq(restored.sequence, sequence);
		cr_assert_eq(restored.result, 0);
		cr_assert_eq(model_clock(&world->model, 155)->enables, 1);
		for (size_t i = 0; i < sizeof(world->shared); i++)
			cr_assert_eq(world->shared[i], 0, "byte %zu", i);
		tell(world, BPMP_MESSAGE_GUEST_STARTS, sequence);
	}
	cr_assert_eq(stop(world), 0);
}

Test(bpmp_worker, a_machine_that_vanishes)
{
	struct world *world = running();

	cr_assert_eq(transfer(world, bpmp_clk_request(BPMP_CLK_ENABLE, 155)), 0);
	cr_assert_eq(transfer(world, bpmp_reset_request(BPMP_RESET_DEASSERT, 100)), 0);
	fake_trace_clear();
	cr_assert_eq(stop(world), 0);
	cr_assert_str_eq(fake_trace_text(),
		"RESET ASSERT of reset 100, 0\n"
		"CLK DISABLE of clock 155, 0\n");
}

Test(bpmp_worker, ids_that_the_host_does_not_know)
{
	static struct world world;
	struct bpmp_message message = { .type = BPMP_MESSAGE_CONFIGURE,
		.ids = { .clocks = { 1, { 999 } } } };

	start(&world);
	cr_assert_eq(send(world.machine, &message, sizeof(message), 0), sizeof(message));
	message = answer(&world);
	cr_assert_lt(message.result, 0);
	cr_assert_neq(stop(&world), 0);
	cr_assert_str_empty(fake_trace_text());
}

Test(bpmp_worker, nonsense_from_the_machine_ends_it)
{
	struct world *world = running();

	cr_assert_eq(transfer(world, bpmp_clk_request(BPMP_CLK_ENABLE, 155)), 0);
	tell(world, 99, 1);
	pthread_join(world->thread, NULL);
	cr_assert_eq(model_clock(&world->model, 155)->enables, 1, "and everything is put back");
}

Test(bpmp_worker, a_configuration_that_does_not_fit)
{
	static struct world world;
	struct bpmp_message message = { .type = BPMP_MESSAGE_CONFIGURE };

	message.ids.resets.count = BPMP_MAX_IDS + 1;
	start(&world);
	cr_assert_eq(send(world.machine, &message, sizeof(message), 0), sizeof(message));
	cr_assert_neq(stop(&world), 0);
}

Test(bpmp_worker, counts_what_the_guest_asks)
{
	struct world *world = running();
	static struct bpmp_counted_message counted;
	const struct bpmp_statistics *statistics = &counted.statistics;

	guest_reset(&world->guest, 0);
	ring(world);
	cr_assert(guest_notified(&world->guest, 0));
	ring(world);
	cr_assert_eq(transfer(world, bpmp_clk_request(BPMP_CLK_ENABLE, 155)), 0);
	cr_assert_eq(transfer(world, bpmp_clk_request(BPMP_CLK_GET_RATE, 155)), 0);
	cr_assert_eq(transfer(world, bpmp_clk_request(BPMP_CLK_ENABLE, 100)), -BPMP_EACCES);
	tell(world, BPMP_MESSAGE_STATISTICS, 20);
	cr_assert_eq(recv(world->machine, &counted, sizeof(counted), 0), sizeof(counted));
	cr_assert_eq(counted.type, BPMP_MESSAGE_COUNTED);
	cr_assert_eq(counted.sequence, 20);
	cr_assert_eq(statistics->clock_count, 3);
	cr_assert_eq(statistics->row_count, 2);
	cr_assert_eq(statistics->rows[0].id, 155);
	cr_assert_str_eq(statistics->rows[0].name, "uarta");
	cr_assert_eq(statistics->rows[0].requests, 2);
	cr_assert_eq(statistics->rows[0].refused, 0);
	cr_assert_gt(statistics->rows[0].total_ns, 0);
	cr_assert_geq(statistics->rows[0].total_ns, statistics->rows[0].max_ns);
	cr_assert_eq(statistics->rows[1].id, BPMP_STATISTICS_OTHER, "the guest sees no clock 100");
	cr_assert_eq(statistics->rows[1].refused, 1);
	cr_assert_str_empty(statistics->rows[1].name);
	cr_assert_eq(stop(world), 0);
}
