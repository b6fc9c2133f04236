/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The window of patched guests: accesses of any width to any place, with requests carried out
 * behind them, during which another vCPU goes on storing; held against a plain array that knows
 * what a guest may see.
 *
 * Input: the host's answers to what is asked at start; then steps of a byte: bits 0 and 1 the
 * width, bit 2 a load, bit 3 a place where something is; 0xf0 to 0xf7 a request as the guest's
 * driver makes it, 0xf8 a guest reset, 0xf9 no answer, 0xfa an answer of a worker that lies.
 */
#include "devices/bpmp/window.h"
#include "devices/bpmp/window_serve.h"
#include "tests/fuzz/bpmp_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	_Alignas(8) unsigned char bytes[BPMP_WINDOW_SIZE];
	unsigned char expected[BPMP_WINDOW_SIZE];
	struct bpmp_window window;
	struct bpmp_server server;
	struct fuzz_host host;
	struct fuzz_input input;
	bool busy; /* a request is under way */
};

static const uint16_t places[] = { BPMP_WINDOW_TX, BPMP_WINDOW_RX, BPMP_WINDOW_TX_SIZE,
	BPMP_WINDOW_RX_SIZE, BPMP_WINDOW_RETURN, BPMP_WINDOW_TRIGGER, BPMP_WINDOW_SIZE - 8,
	0x0ff8 };

static uint64_t word_at(const unsigned char *bytes, uint32_t offset)
{
	uint64_t value;

	memcpy(&value, bytes + offset, sizeof(value));
	return value;
}

/* What the guest sees is the answer, inside its room, and nothing else has changed. */
static void check_answer(
	struct world *world, const struct bpmp_window_answer *answer, uint64_t room)
{
	uint64_t size = word_at(world->bytes, BPMP_WINDOW_RX_SIZE);
	int32_t code;

	fuzz_check(size <= room && size <= BPMP_DATA_SIZE && size <= answer->size);
	memcpy(&code, world->bytes + BPMP_WINDOW_RETURN, sizeof(code));
	fuzz_check(code == answer->code);
	memcpy(world->expected + BPMP_WINDOW_RX, answer->data, size);
	memcpy(world->expected + BPMP_WINDOW_RX_SIZE, &size, sizeof(size));
	memcpy(world->expected + BPMP_WINDOW_RETURN, &code, sizeof(code));
	fuzz_check(memcmp(world->bytes, world->expected, BPMP_WINDOW_SIZE) == 0);
}

static void check_request(const struct bpmp_window_request *request)
{
	fuzz_check(request->size <= BPMP_WINDOW_BUFFER);
	for (uint32_t at = request->size; at < BPMP_WINDOW_BUFFER; at++)
		fuzz_check(request->data[at] == 0);
}

static void carry_out(struct world *world, uint64_t value)
{
	struct bpmp_window_request request;
	struct bpmp_window_answer answer;
	uint32_t room = bpmp_window_take(&world->window, value, &request);

	check_request(&request);
	fuzz_check(request.mrq == (uint32_t)value && room <= BPMP_WINDOW_BUFFER);
	world->busy = true;
	bpmp_window_serve_request(&world->server, &request, &answer);
	world->busy = false;
	fuzz_check(answer.code <= 0 && (answer.code == 0 || answer.size == 0));
	bpmp_window_answer(&world->window, &answer, room);
	check_answer(world, &answer, room);
}

static void store(struct world *world, uint64_t offset, unsigned int width, uint64_t value)
{
	bool trigger = bpmp_window_store(&world->window, offset, width, value);

	fuzz_check(trigger == (offset == BPMP_WINDOW_TRIGGER));
	if (!trigger && offset <= BPMP_WINDOW_SIZE - width)
		memcpy(world->expected + offset, &value, width);
	fuzz_check(memcmp(world->bytes, world->expected, BPMP_WINDOW_SIZE) == 0);
	/* The device lets one request in at a time. */
	if (trigger && !world->busy)
		carry_out(world, value);
}

static void load(struct world *world, uint64_t offset, unsigned int width)
{
	uint64_t expected = 0;

	for (unsigned int i = 0; i < width && offset + i < BPMP_WINDOW_SIZE; i++)
		expected |= (uint64_t)world->expected[offset + i] << i * 8;
	fuzz_check(bpmp_window_load(&world->window, offset, width) == expected);
}

static void one_access(struct world *world, uint8_t step)
{
	unsigned int width = 1u << (step & 3);
	uint64_t value = 0;
	uint16_t offset;

	fuzz_take(&world->input, &offset, sizeof(offset));
	if (step & 8)
		offset = (uint16_t)(places[offset % ARRAY_SIZE(places)] + (offset >> 8 & 7));
	if (step & 4) {
		load(world, offset, width);
		return;
	}
	fuzz_take(&world->input, &value, width);
	store(world, offset, width, value);
}

/* Another vCPU's accesses while a request is under way. */
static void meanwhile(void *argument)
{
	struct world *world = argument;
	uint8_t count = fuzz_byte(&world->input) & 3;

	while (count--)
		one_access(world, fuzz_byte(&world->input) & 0x7f);
}

static void driver_request(struct world *world, uint8_t kind)
{
	static const uint8_t mrqs[] = { 0, 20, 22, 22, 66, 23, 71, 75 };
	uint64_t image[BPMP_WINDOW_SIZE / 8] = { 0 };
	uint32_t size;

	if (!bpmp_request_size(mrqs[kind], &size))
		size = fuzz_byte(&world->input);
	fuzz_take(&world->input, image, size);
	image[BPMP_WINDOW_TX_SIZE / 8] = size;
	image[BPMP_WINDOW_RX_SIZE / 8] = fuzz_byte(&world->input);
	image[BPMP_WINDOW_TRIGGER / 8] = mrqs[kind];
	for (unsigned int i = 0; i < BPMP_WINDOW_SIZE / 8; i++)
		store(world, i * 8, 8, image[i]);
	for (unsigned int i = 0; i < BPMP_WINDOW_SIZE / 8; i++)
		load(world, i * 8, 8);
}

static void guest_reset(struct world *world)
{
	bpmp_server_restore(&world->server);
	bpmp_window_clear(&world->window);
	memset(world->expected, 0, sizeof(world->expected));
	load(world, BPMP_WINDOW_RX, 8);
	bpmp_server_guest_starts(&world->server);
}

static void no_answer(struct world *world)
{
	static const struct bpmp_window_answer failed = { .code = BPMP_WINDOW_FAILED };

	bpmp_window_fail(&world->window);
	check_answer(world, &failed, 0);
}

static void lie(struct world *world)
{
	struct bpmp_window_answer answer;
	uint16_t room;

	fuzz_take(&world->input, &answer, sizeof(answer));
	fuzz_take(&world->input, &room, sizeof(room));
	room %= BPMP_WINDOW_BUFFER + 1;
	bpmp_window_answer(&world->window, &answer, room);
	check_answer(world, &answer, room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .input = { data, size } };

	world.window.bytes = world.bytes;
	if (!fuzz_start(&world.host, &world.server, &world.input, 0))
		return 0;
	world.host.meanwhile = meanwhile;
	world.host.meanwhile_argument = &world;
	for (int i = 0; i < 1000 && world.input.left; i++) {
		uint8_t step = fuzz_byte(&world.input);

		if (step >= 0xf0 && step <= 0xf7)
			driver_request(&world, step & 7);
		else if (step == 0xf8)
			guest_reset(&world);
		else if (step == 0xf9)
			no_answer(&world);
		else if (step == 0xfa)
			lie(&world);
		else
			one_access(&world, step);
	}
	return 0;
}
