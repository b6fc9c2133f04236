/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window of patched guests, with the worker's side behind it and a model of the host's BPMP
 * behind that. The vectors are those of the deployed guests and VMMs: what the guest's driver
 * stores, what a shell on such a guest stores, and what they see then.
 */
#include "devices/bpmp/message.h"
#include "devices/bpmp/server.h"
#include "devices/bpmp/window.h"
#include "devices/bpmp/window_serve.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

struct world {
	struct bpmp_model model;
	struct bpmp_server server;
	struct bpmp_window window;
	unsigned int carried_out;
	_Alignas(8) unsigned char bytes[BPMP_WINDOW_SIZE];
};

static struct world *start(void)
{
	static struct world world;
	struct bpmp_ids ids = model_ids();

	fake_log_capture();
	model_init(&world.model);
	world.model.quiet = true;
	world.window.bytes = world.bytes;
	cr_assert_eq(bpmp_server_start(&world.server, &world.model.host, &ids), 0);
	bpmp_server_guest_starts(&world.server);
	fake_trace_clear();
	return &world;
}

static void store(struct world *world, uint64_t offset, unsigned int width, uint64_t value)
{
	struct bpmp_window_request request;
	struct bpmp_window_answer answer;
	uint32_t room;

	if (!bpmp_window_store(&world->window, offset, width, value))
		return;
	world->carried_out++;
	room = bpmp_window_take(&world->window, value, &request);
	request.sequence = 17;
	bpmp_window_serve_request(&world->server, &request, &answer);
	cr_assert_eq(answer.sequence, 17);
	bpmp_window_answer(&world->window, &answer, room);
}

static uint64_t load(struct world *world, uint64_t offset, unsigned int width)
{
	return bpmp_window_load(&world->window, offset, width);
}

static int32_t returned(struct world *world)
{
	return (int32_t)load(world, BPMP_WINDOW_RETURN, 4);
}

/* As the guest's driver does it: 192 stores of 8 bytes, 192 loads; the answer goes to `rx`. */
static void transfer(struct world *world, uint32_t mrq, const void *tx, uint64_t tx_size, void *rx,
	uint64_t *rx_size)
{
	uint64_t image[BPMP_WINDOW_SIZE / 8] = { 0 }, seen[BPMP_WINDOW_SIZE / 8];
	unsigned char *bytes = (unsigned char *)image;

	memcpy(bytes + BPMP_WINDOW_TX, tx, tx_size);
	memcpy(bytes + BPMP_WINDOW_TX_SIZE, &tx_size, 8);
	memcpy(bytes + BPMP_WINDOW_RX_SIZE, rx_size, 8);
	memcpy(bytes + BPMP_WINDOW_TRIGGER, &mrq, 4);
	for (unsigned int i = 0; i < BPMP_WINDOW_SIZE / 8; i++)
		store(world, i * 8, 8, image[i]);
	for (unsigned int i = 0; i < BPMP_WINDOW_SIZE / 8; i++)
		seen[i] = load(world, i * 8, 8);
	*rx_size = seen[BPMP_WINDOW_RX_SIZE / 8];
	cr_assert_leq(*rx_size, BPMP_DATA_SIZE);
	memcpy(rx, &seen[BPMP_WINDOW_RX / 8], *rx_size);
}

static int32_t clk(struct world *world, uint32_t command, uint32_t id)
{
	struct bpmp_request request = bpmp_clk_request(command, id);
	uint8_t rx[BPMP_DATA_SIZE];
	uint64_t rx_size = 0;

	transfer(world, BPMP_MRQ_CLK, request.data, request.size, rx, &rx_size);
	cr_assert_eq(rx_size, 0);
	return returned(world);
}

Test(bpmp_window, plain_memory_in_every_width_and_place)
{
	unsigned char expected[BPMP_WINDOW_SIZE] = { 0 };
	struct world *world = start();

	for (unsigned int width = 1; width <= 8; width *= 2) {
		for (uint64_t offset = 0; offset + width <= BPMP_WINDOW_SIZE; offset++) {
			uint64_t value = 0x1122334455667788 * (offset + width), seen = 0;

			if (offset == BPMP_WINDOW_TRIGGER)
				continue;
			store(world, offset, width, value);
			memcpy(expected + offset, &value, width);
			memcpy(&seen, expected + offset, width);
			cr_assert_eq(load(world, offset, width), seen, "%u at %#lx", width, offset);
			cr_assert_eq(memcmp(world->bytes, expected, sizeof(expected)), 0);
		}
	}
	cr_assert_eq(world->carried_out, 0);
}

/* The end of the window, and the rest of its page. */
Test(bpmp_window, beyond_the_end_loads_give_zero_and_stores_do_nothing)
{
	unsigned char before[BPMP_WINDOW_SIZE];
	struct world *world = start();

	memset(world->bytes, 0xa5, sizeof(world->bytes));
	memcpy(before, world->bytes, sizeof(before));
	for (unsigned int width = 1; width <= 8; width *= 2) {
		for (uint64_t offset = BPMP_WINDOW_SIZE - width + 1; offset < 0x1008; offset++) {
			uint64_t inside = offset < BPMP_WINDOW_SIZE ? BPMP_WINDOW_SIZE - offset : 0;
			uint64_t expected = 0;

			memcpy(&expected, before, inside);
			cr_assert_eq(load(world, offset, width), expected);
			store(world, offset, width, ~0ull);
		}
	}
	store(world, UINT64_MAX, 1, 1);
	store(world, UINT64_MAX - 7, 8, 1);
	cr_assert_eq(load(world, UINT64_MAX, 1), 0);
	cr_assert_eq(memcmp(world->bytes, before, sizeof(before)), 0);
	cr_assert_eq(world->carried_out, 0);
}

/* 0 is MRQ_PING, and a guest that stores it means it. */
Test(bpmp_window, any_store_at_the_trigger_carries_the_request_out)
{
	struct world *world = start();

	for (unsigned int width = 1; width <= 8; width *= 2) {
		store(world, BPMP_WINDOW_TX, 4, 5 * width);
		store(world, BPMP_WINDOW_TX_SIZE, 8, 4);
		store(world, BPMP_WINDOW_RX_SIZE, 8, 4);
		store(world, BPMP_WINDOW_RETURN, 4, 77);
		store(world, BPMP_WINDOW_TRIGGER, width, 0);
		cr_assert_eq(load(world, BPMP_WINDOW_RX, 4), 10 * width);
		cr_assert_eq(load(world, BPMP_WINDOW_RX_SIZE, 8), 4);
		cr_assert_eq(returned(world), 0);
	}
	cr_assert_eq(world->carried_out, 4);
	cr_assert_eq(load(world, BPMP_WINDOW_TRIGGER, 8), 0, "its value is kept nowhere");
	store(world, BPMP_WINDOW_TRIGGER, 8, 0x1200000000);
	cr_assert_eq(world->carried_out, 5);
	cr_assert_eq(returned(world), 0, "an MRQ has 32 bits: this was another ping");
	cr_assert_eq(load(world, BPMP_WINDOW_TRIGGER, 8), 0);
	for (uint64_t beside = 0x4f8; beside < 0x510; beside++)
		if (beside != BPMP_WINDOW_TRIGGER)
			store(world, beside, 8, 0);
	cr_assert_eq(world->carried_out, 5, "and nothing beside it");
}

Test(bpmp_window, vector_ping)
{
	struct world *world = start();
	uint32_t challenge = 1, reply = 0;
	uint64_t size = 4;

	transfer(world, BPMP_MRQ_PING, &challenge, 4, &reply, &size);
	cr_assert_eq(size, 4);
	cr_assert_eq(reply, 2);
	cr_assert_eq(returned(world), 0);
	cr_assert_eq(world->carried_out, 1);
}

/* The published test from a guest's shell, with devmem: 64-bit, then 8-bit accesses. */
Test(bpmp_window, vector_reset_of_a_uart_from_a_shell)
{
	struct world *world = start();

	store(world, 0x000, 8, 0x0000006400000001);
	store(world, 0x400, 1, 0x08);
	store(world, 0x500, 1, 0x14);
	cr_assert_eq(returned(world), 0);
	cr_assert_eq(load(world, BPMP_WINDOW_RX_SIZE, 8), 0);
	cr_assert_str_eq(fake_trace_text(), "RESET ASSERT of reset 100, 0\n");
}

Test(bpmp_window, vector_clock_enable)
{
	const uint8_t tx[16] = { 0x9b, 0x00, 0x00, 0x07 };
	struct world *world = start();
	uint64_t size = 0;
	uint8_t rx[BPMP_DATA_SIZE];

	transfer(world, 22, tx, sizeof(tx), rx, &size);
	cr_assert_eq(returned(world), 0);
	cr_assert_eq(size, 0);
	cr_assert_str_eq(fake_trace_text(), "CLK ENABLE of clock 155, 0\n");
}

Test(bpmp_window, vector_highest_clock)
{
	const uint8_t tx[16] = { 0x00, 0x00, 0x00, 0x0f };
	struct world *world = start();
	uint64_t size = 4;
	uint32_t highest = 0;

	transfer(world, 22, tx, sizeof(tx), &highest, &size);
	cr_assert_eq(returned(world), 0);
	cr_assert_eq(size, 4);
	cr_assert_eq(highest, 155, "of those that it sees");
}

Test(bpmp_window, vector_denied)
{
	struct world *world = start();

	store(world, BPMP_WINDOW_RX_SIZE, 8, 100);
	cr_assert_eq(clk(world, BPMP_CLK_ENABLE, 100), (int32_t)0xfffffffb);
	cr_assert_eq(clk(world, BPMP_CLK_SET_RATE, 102), -5, "an ancestor's");
	cr_assert_eq(load(world, BPMP_WINDOW_RX_SIZE, 8), 0);
	cr_assert_str_empty(fake_trace_text(), "the host heard nothing of it");
	cr_assert_not_null(strstr(fake_log_text(), "refused the guest's CLK ENABLE"));
}

/* Whatever fails, nothing of the last answer may pass for this one's. */
Test(bpmp_window, nothing_stale_after_a_failure)
{
	struct world *world = start();
	uint32_t challenge = 21, reply;
	uint64_t size = 4;

	transfer(world, BPMP_MRQ_PING, &challenge, 4, &reply, &size);
	cr_assert_eq(reply, 42);
	store(world, BPMP_WINDOW_TRIGGER, 4, BPMP_MRQ_DEBUG);
	cr_assert_eq(load(world, BPMP_WINDOW_RX_SIZE, 8), 0);
	cr_assert_eq(returned(world), -5);

	store(world, BPMP_WINDOW_RX_SIZE, 8, 4);
	store(world, BPMP_WINDOW_RETURN, 8, 0);
	bpmp_window_fail(&world->window);
	cr_assert_eq(load(world, BPMP_WINDOW_RX_SIZE, 8), 0);
	cr_assert_eq(load(world, BPMP_WINDOW_RETURN, 8), 0xfffffffb, "32 bits of it");
}

Test(bpmp_window, a_host_that_fails_and_firmware_that_refuses)
{
	struct world *world = start();

	world->model.fault_mrq = BPMP_MRQ_CLK;
	world->model.fault_command = BPMP_CLK_ENABLE;
	world->model.fault_errno = ENODEV;
	cr_assert_eq(clk(world, BPMP_CLK_ENABLE, 155), -5);
	world->model.fault_errno = 0;
	world->model.fault_firmware = -BPMP_EBUSY;
	cr_assert_eq(clk(world, BPMP_CLK_ENABLE, 155), -BPMP_EBUSY, "the firmware's own word");
	world->model.fault_mrq = 0;
	cr_assert_eq(clk(world, BPMP_CLK_ENABLE, 155), 0);
}

Test(bpmp_window, sizes_are_cut_to_the_buffers_and_copied)
{
	static const struct {
		uint64_t tx, rx;
		uint32_t size, room;
	} cases[] = {
		{ 0, 0, 0, 0 },
		{ 1, 2, 1, 2 },
		{ 0x1ff, 0x1ff, 0x1ff, 0x1ff },
		{ 0x200, 0x200, 0x200, 0x200 },
		{ 0x201, 0x201, 0x200, 0x200 },
		{ 0x100000004, 0x100000004, 0x200, 0x200 },
		{ UINT64_MAX, UINT64_MAX, 0x200, 0x200 },
		{ (uint64_t)INT64_MAX + 1, 4, 0x200, 4 },
	};
	struct bpmp_window_request request;
	struct world *world = start();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(world->bytes, 0x5a, BPMP_WINDOW_BUFFER);
		memset(world->bytes + BPMP_WINDOW_RX, 0xff, BPMP_WINDOW_BUFFER);
		store(world, BPMP_WINDOW_TX_SIZE, 8, cases[i].tx);
		store(world, BPMP_WINDOW_RX_SIZE, 8, cases[i].rx);
		cr_assert_eq(
			bpmp_window_take(&world->window, 0xf00000016, &request), cases[i].room);
		cr_assert_eq(request.mrq, 0x16);
		cr_assert_eq(request.size, cases[i].size);
		memset(world->bytes, 0, BPMP_WINDOW_BUFFER);
		for (uint32_t at = 0; at < BPMP_WINDOW_BUFFER; at++)
			cr_assert_eq(request.data[at], at < cases[i].size ? 0x5a : 0);
	}
}

/* What no MRQ's request is as long as is refused before anything of it is looked at. */
Test(bpmp_window, long_requests_are_refused_not_cut)
{
	struct world *world = start();

	for (uint64_t size = BPMP_DATA_SIZE + 1; size <= 0x300; size += 13) {
		store(world, 0x000, 8, 0x0000006400000001);
		store(world, BPMP_WINDOW_TX_SIZE, 8, size);
		store(world, BPMP_WINDOW_TRIGGER, 8, BPMP_MRQ_RESET);
		cr_assert_eq(returned(world), -5);
	}
	store(world, BPMP_WINDOW_TX_SIZE, 8, 9);
	store(world, BPMP_WINDOW_TRIGGER, 8, BPMP_MRQ_RESET);
	cr_assert_eq(returned(world), -5, "nor is one byte more");
	cr_assert_str_empty(fake_trace_text());
	cr_assert_gt(bpmp_refusals_total(&world->server.policy.refusals), 10);
	store(world, BPMP_WINDOW_TX_SIZE, 8, 8);
	store(world, BPMP_WINDOW_TRIGGER, 8, BPMP_MRQ_RESET);
	cr_assert_eq(returned(world), 0);
}

/* A small room gets the start of an answer, as from the host's driver; its size says so. */
Test(bpmp_window, an_answer_never_leaves_its_room)
{
	struct bpmp_request info = bpmp_clk_request(BPMP_CLK_GET_ALL_INFO, 155);
	struct world *world = start();

	for (uint64_t room = 0; room <= BPMP_WINDOW_BUFFER; room++) {
		memcpy(world->bytes, info.data, info.size);
		memset(world->bytes + BPMP_WINDOW_RX, 0xcc, BPMP_WINDOW_BUFFER);
		store(world, BPMP_WINDOW_TX_SIZE, 8, info.size);
		store(world, BPMP_WINDOW_RX_SIZE, 8, room);
		store(world, BPMP_WINDOW_TRIGGER, 8, BPMP_MRQ_CLK);
		cr_assert_eq(returned(world), 0);
		cr_assert_eq(load(world, BPMP_WINDOW_RX_SIZE, 8),
			room < sizeof(struct bpmp_clk_info) ? room : sizeof(struct bpmp_clk_info));
		for (uint64_t at = load(world, BPMP_WINDOW_RX_SIZE, 8); at < BPMP_WINDOW_BUFFER;
			at++)
			cr_assert_eq(world->bytes[BPMP_WINDOW_RX + at], 0xcc);
	}
}

/* The worker may have been taken over. */
Test(bpmp_window, an_answer_of_the_workers_that_lies)
{
	struct bpmp_window_answer answer = { .code = 3, .size = UINT32_MAX };
	unsigned char before[BPMP_WINDOW_SIZE];
	struct world *world = start();

	memset(answer.data, 0x11, sizeof(answer.data));
	memset(world->bytes, 0xee, sizeof(world->bytes));
	memcpy(before, world->bytes, sizeof(before));
	bpmp_window_answer(&world->window, &answer, BPMP_WINDOW_BUFFER);
	cr_assert_eq(load(world, BPMP_WINDOW_RX_SIZE, 8), BPMP_DATA_SIZE);
	memcpy(before + BPMP_WINDOW_RX, answer.data, BPMP_DATA_SIZE);
	memcpy(before + BPMP_WINDOW_RX_SIZE, &(uint64_t){ BPMP_DATA_SIZE }, 8);
	memcpy(before + BPMP_WINDOW_RETURN, &answer.code, 4);
	cr_assert_eq(memcmp(world->bytes, before, sizeof(before)), 0);
}

Test(bpmp_window, power_on_is_all_zero)
{
	struct world *world = start();

	memset(world->bytes, 0xee, sizeof(world->bytes));
	bpmp_window_clear(&world->window);
	for (size_t at = 0; at < BPMP_WINDOW_SIZE; at++)
		cr_assert_eq(world->bytes[at], 0);
}
