/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mailbox's shared memory in the hands of a guest that writes anything to it at any time,
 * also while the host works on its request.
 *
 * Input: the host's answers to what is asked at start; then steps: below 0x80 a store (area and
 * width in the byte, then offset and value), 0x81 a handshake of all channels, 0x82 a well-formed
 * request, 0x83 a guest reset, 0x84 a ring with the guest at rest, else a ring during which it
 * goes on storing.
 */
#include "devices/bpmp/ivc.h"
#include "devices/bpmp/mailbox_scan.h"
#include "devices/bpmp/shared_memory.h"
#include "tests/fuzz/bpmp_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AREAS (2 * BPMP_IVC_AREA_SIZE)

struct world {
	_Alignas(64) unsigned char memory[AREAS];
	struct bpmp_shared_memory shared;
	struct bpmp_ivc ivc;
	struct bpmp_server server;
	struct fuzz_host host;
	struct fuzz_input input;
};

static const uint16_t channels[] = { 3, 13, 0, 1, 2 };

static void store(struct world *world, uint8_t how)
{
	unsigned int width = 1u << (how & 3);
	uint16_t offset;
	uint64_t value;

	fuzz_take(&world->input, &offset, sizeof(offset));
	fuzz_take(&world->input, &value, width);
	offset = (uint16_t)(offset % (AREAS - width + 1));
	world->shared.region.ops->write(&world->shared.region, offset, width, value);
}

static void word(struct world *world, uint32_t offset, uint32_t value)
{
	world->shared.region.ops->write(&world->shared.region, offset, 4, value);
}

static uint32_t word_at(struct world *world, uint32_t offset)
{
	return (uint32_t)world->shared.region.ops->read(&world->shared.region, offset, 4);
}

/* True for what the BPMP's end may write: counters and state of its own, and its frames. */
static bool is_ours(size_t at)
{
	size_t channel = at % BPMP_IVC_AREA_SIZE / BPMP_IVC_QUEUE_SIZE;
	size_t in_queue = at % BPMP_IVC_QUEUE_SIZE;

	if (channel > 3 && channel != 13)
		return false;
	if (at < BPMP_IVC_AREA_SIZE)
		return in_queue >= BPMP_IVC_RX_COUNT && in_queue < BPMP_IVC_RX_COUNT + 4;
	return in_queue < 8 || in_queue >= BPMP_IVC_FRAME;
}

/* The guest's stores while a request is under way. */
static void meanwhile(void *argument)
{
	struct world *world = argument;
	uint8_t count = fuzz_byte(&world->input) & 3;

	while (count--)
		store(world, fuzz_byte(&world->input));
}

static void ring(struct world *world, bool undisturbed)
{
	unsigned char before[AREAS];

	world->host.meanwhile = undisturbed ? NULL : meanwhile;
	memcpy(before, world->memory, sizeof(before));
	bpmp_mailbox_scan(&world->ivc, &world->server);
	for (size_t at = 0; undisturbed && at < AREAS; at++)
		fuzz_check(before[at] == world->memory[at] || is_ours(at));
}

static void handshake(struct world *world)
{
	for (size_t i = 0; i < ARRAY_SIZE(channels); i++) {
		uint32_t queue = channels[i] * BPMP_IVC_QUEUE_SIZE;

		word(world, queue + BPMP_IVC_TX_STATE, BPMP_IVC_SYNC);
		ring(world, false);
		fuzz_check(word_at(world, BPMP_IVC_AREA_SIZE + queue + BPMP_IVC_TX_STATE) ==
			BPMP_IVC_ACK);
		word(world, queue + BPMP_IVC_TX_COUNT, 0);
		word(world, BPMP_IVC_AREA_SIZE + queue + BPMP_IVC_RX_COUNT, 0);
		word(world, queue + BPMP_IVC_TX_STATE, BPMP_IVC_ESTABLISHED);
		ring(world, false);
	}
}

static void request(struct world *world)
{
	uint32_t queue = channels[2 + fuzz_byte(&world->input) % 3] * BPMP_IVC_QUEUE_SIZE, value;
	unsigned int words = fuzz_byte(&world->input) % 5;

	word(world, queue + BPMP_IVC_FRAME, fuzz_byte(&world->input));
	word(world, queue + BPMP_IVC_FRAME + 4, fuzz_byte(&world->input));
	for (unsigned int i = 0; i < words; i++) {
		fuzz_take(&world->input, &value, sizeof(value));
		word(world, queue + BPMP_IVC_FRAME + 8 + 4 * i, value);
	}
	word(world, BPMP_IVC_AREA_SIZE + queue + BPMP_IVC_RX_COUNT,
		word_at(world, BPMP_IVC_AREA_SIZE + queue + BPMP_IVC_TX_COUNT));
	word(world, queue + BPMP_IVC_TX_COUNT, word_at(world, queue + BPMP_IVC_RX_COUNT) + 1);
}

static void guest_reset(struct world *world)
{
	world->host.restoring = true;
	bpmp_server_restore(&world->server);
	world->host.restoring = false;
	memset(world->memory, 0, sizeof(world->memory));
	bpmp_ivc_init(&world->ivc, world->memory, world->memory + BPMP_IVC_AREA_SIZE);
	bpmp_server_guest_starts(&world->server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .input = { data, size } };

	world.shared.region = (struct mmio_region){ "shared", 0, AREAS, &bpmp_shared_memory_ops };
	world.shared.memory = world.memory;
	bpmp_ivc_init(&world.ivc, world.memory, world.memory + BPMP_IVC_AREA_SIZE);
	if (!fuzz_start(&world.host, &world.server, &world.input, 0))
		return 0;
	world.host.meanwhile_argument = &world;
	for (int i = 0; i < 1000 && world.input.left; i++) {
		uint8_t step = fuzz_byte(&world.input);

		if (step < 0x80)
			store(&world, step);
		else if (step == 0x81)
			handshake(&world);
		else if (step == 0x82)
			request(&world);
		else if (step == 0x83)
			guest_reset(&world);
		else
			ring(&world, step == 0x84);
	}
	return 0;
}
