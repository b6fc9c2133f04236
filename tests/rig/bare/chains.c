/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that are right or almost so, and what changes them behind a device's back. */
#include "queues.h"

#define PIECES	8

/* 5.2.6 */
#define IN	0
#define OUT	1
#define FLUSH	4
#define GET_ID	8
#define DISCARD 11
#define ZEROES	13

struct piece {
	uint64_t at;
	uint32_t size;
	bool writable;
};

struct request {
	struct piece pieces[PIECES];
	uint32_t count;
};

static void add(struct request *request, uint64_t at, uint32_t size, bool writable)
{
	if (request->count < PIECES)
		request->pieces[request->count++] =
			(struct piece){ .at = at, .size = size, .writable = writable };
}

/* Somewhere that a device may write to, mostly with room for `size` bytes. */
static uint64_t anywhere(uint64_t *state, uint32_t size)
{
	return places.wild + bare_random(state) % (places.end - places.wild - size);
}

static void add_some(struct request *request, uint64_t *state, uint32_t size, bool writable)
{
	uint32_t pieces = 1 + bare_below(state, 3);

	for (uint32_t i = 0; i < pieces; i++)
		add(request, anywhere(state, size), size, writable);
}

uint64_t bare_edge(uint64_t *state)
{
	switch (bare_below(state, 8)) {
	case 0:
		return 0;
	case 1:
		return places.ram - 1 - bare_below(state, 64);
	case 2:
		return ~(uint64_t)bare_below(state, 64);
	case 3:
		return places.end + bare_below(state, 64);
	case 4:
		return 0x0a000000; /* registers */
	case 5:
		return places.wild | bare_random(state) << 32;
	default:
		return places.end - bare_below(state, 64);
	}
}

/* 5.2.6: header, data or ranges, status. */
static void ask_disk(
	const struct device *device, struct request *request, uint64_t slot, uint64_t *state)
{
	static const uint8_t types[] = { IN, IN, IN, OUT, OUT, OUT, FLUSH, GET_ID, DISCARD, ZEROES,
		5, IN };
	uint32_t type = types[bare_below(state, sizeof(types))];
	uint32_t sectors = device->sectors ? device->sectors : 1;

	write32(slot, type);
	write32(slot + 4, 0);
	write64(slot + 8, bare_below(state, 8) ? bare_below(state, sectors) : bare_random(state));
	add(request, slot, 16, false);
	if (type == IN || type == OUT)
		add_some(request, state, 512 * (1 + bare_below(state, 8)), type == IN);
	if (type == GET_ID)
		add(request, anywhere(state, 20), 20, true);
	if (type == DISCARD || type == ZEROES) {
		for (uint32_t i = 0; i < 4; i++) {
			write64(slot + 64 + 16 * i, bare_below(state, sectors));
			write32(slot + 72 + 16 * i, bare_below(state, 16));
			write32(slot + 76 + 16 * i, bare_below(state, 4) == 0);
		}
		add(request, slot + 64, 16 * (1 + bare_below(state, 4)), false);
	}
	add(request, slot + 32, 1, true);
}

/* A question of ARP's for 10.9.0.1, which the host's end of a tap has: so frames come, too. */
static void send_frame(struct request *request, uint64_t slot, uint64_t *state)
{
	static const uint8_t frame[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 1, 2, 3,
		8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 1, 2, 3, 10, 9, 0, 9, 0, 0, 0, 0, 0, 0,
		10, 9, 0, 1 };

	for (uint32_t i = 0; i < 12 + 60; i++)
		write8(slot + i, i >= 12 && i < 12 + sizeof(frame) ? frame[i - 12] : 0);
	/* 5.1.6: the header's fields, at random or as for a checksum or large segments. */
	if (bare_below(state, 4) == 0) {
		write8(slot, (uint8_t)bare_below(state, 4));
		write8(slot + 1, (uint8_t)(bare_below(state, 6) | bare_below(state, 2) << 7));
		for (uint32_t i = 2; i < 12; i += 2)
			write16(slot + i, (uint16_t)(bare_random(state) >> bare_below(state, 64)));
	}
	add(request, slot, 12, false);
	add(request, slot + 12, 60, false);
	if (bare_below(state, 8) == 0)
		add_some(request, state, bare_below(state, 0x6000), false);
}

/* 5.5.6: page numbers, of memory that is nobody's or of none. */
static void list_pages(struct request *request, uint64_t slot, uint64_t *state)
{
	uint32_t count = 1 + bare_below(state, 32), first = (uint32_t)(places.wild >> 12);
	uint32_t pages = (uint32_t)((places.end - places.wild) >> 12);

	for (uint32_t i = 0; i < count; i++)
		write32(slot + 4 * i,
			bare_below(state, 16) ? first + bare_below(state, pages)
					      : (uint32_t)(places.end >> 12) +
					(uint32_t)(bare_random(state) >> 33));
	add(request, slot, 4 * count, false);
}

/* 5.10.6: a connection that nobody on the host takes, and other operations. */
static void send_packet(
	const struct device *device, struct request *request, uint64_t slot, uint64_t *state)
{
	write64(slot, bare_below(state, 8) ? device->cid : bare_random(state));
	write64(slot + 8, bare_below(state, 8) ? 2 : bare_random(state));
	write32(slot + 16, bare_below(state, 64));
	write32(slot + 20, bare_below(state, 64));
	write32(slot + 24, bare_below(state, 4) ? 0 : bare_below(state, 0x10000));
	write16(slot + 28, (uint16_t)(1 + (bare_below(state, 8) == 0)));
	write16(slot + 30, (uint16_t)(bare_below(state, 4) ? 1 : bare_below(state, 9)));
	for (uint32_t i = 32; i < 44; i += 4)
		write32(slot + i, (uint32_t)bare_random(state) >> bare_below(state, 32));
	add(request, slot, 44, false);
	if (bare_below(state, 4) == 0)
		add_some(request, state, bare_below(state, 0x2000), false);
}

static void make(const struct device *device, uint32_t queue, struct request *request,
	uint64_t slot, uint64_t *state)
{
	request->count = 0;
	if (device->type == TYPE_BLOCK) {
		ask_disk(device, request, slot, state);
	} else if (device->type == TYPE_BALLOON && queue < 2) {
		list_pages(request, slot, state);
	} else if (device->type == TYPE_BALLOON) {
		add(request, anywhere(state, 0x10000) & ~0xfffull, 0x1000 << bare_below(state, 4),
			true);
	} else if (device->type == TYPE_NET && queue % 2 == 1) {
		send_frame(request, slot, state);
	} else if (device->type == TYPE_NET && queue == device->queue_count - 1) {
		/* 5.1.6.5.5: so many pairs, and the answer. */
		write8(slot, 4);
		write8(slot + 1, 0);
		write16(slot + 2, (uint16_t)bare_below(state, 5));
		add(request, slot, 4, false);
		add(request, slot + 32, 1, true);
	} else if (device->type == TYPE_NET) {
		add_some(request, state, bare_below(state, 4) ? 1600 : 1 + bare_below(state, 200),
			true);
	} else if (device->type == TYPE_VSOCK && queue == 1) {
		send_packet(device, request, slot, state);
	} else if (device->type == TYPE_CONSOLE && queue == 1) {
		add_some(request, state, 1 + bare_below(state, 200), false);
	} else if (device->type == TYPE_CONSOLE || device->type == TYPE_RNG ||
		device->type == TYPE_VSOCK) {
		add_some(request, state, 1 + bare_below(state, 2000), true);
	} else {
		add(request, slot, 64, false);
		add(request, anywhere(state, 256), 256, true);
	}
}

/* Wrong in one piece: mostly in a way that a device has to answer, sometimes in one that ends it.
 */
static void spoil_piece(struct request *request, uint64_t *state)
{
	uint32_t index = bare_below(state, request->count);
	struct piece *piece = &request->pieces[index];

	switch (bare_below(state, 16)) {
	case 0:
		piece->size = ~bare_below(state, 2);
		break;
	case 1:
		piece->at = bare_edge(state);
		break;
	case 2:
		piece->writable = !piece->writable;
		break;
	case 3: /* up to the end of memory, or past it by a byte */
		piece->size = (uint32_t)(places.end - piece->at) + bare_below(state, 2);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		piece->size = 0;
		break;
	case 8:
	case 9:
		request->count--;
		break;
	case 10:
	case 11:
		add(request, piece->at, piece->size, request->pieces[request->count - 1].writable);
		break;
	default:
		piece->size = 1 + bare_below(state, 2 * piece->size + 16);
	}
}

/* Wrong in how descriptors follow each other: the last one of the chain is changed. */
static void spoil_chain(
	const struct queue *queue, uint64_t table, uint32_t first, uint32_t last, uint64_t *state)
{
	uint64_t flags = table + 16 * last + 12, next = table + 16 * last + 14;

	switch (bare_below(state, 7)) {
	case 0:
		write16(next, (uint16_t)last);
		write16(flags, NEXT);
		break;
	case 1:
		write16(next, (uint16_t)first);
		write16(flags, read16(flags) | NEXT);
		break;
	case 2:
		write16(next, (uint16_t)(queue->size + bare_below(state, 0x4000)));
		write16(flags, read16(flags) | NEXT);
		break;
	case 3: /* in an indirect table this is one inside it */
		write16(flags, INDIRECT);
		break;
	case 4:
		write16(flags, INDIRECT | NEXT);
		break;
	case 5:
		write16(flags, INDIRECT);
		write32(flags - 4, 16 * bare_below(state, 3000));
		break;
	default:
		write16(flags, INDIRECT);
		write32(flags - 4, ~bare_below(state, 32));
	}
}

/* Fills the table from `first` on, which wraps at `limit`. Returns the last one's index. */
static uint32_t fill(uint64_t table, uint32_t first, uint32_t limit, const struct request *request)
{
	uint32_t index = first;

	for (uint32_t i = 0; i < request->count; i++) {
		const struct piece *piece = &request->pieces[i];
		uint32_t more = i + 1 < request->count ? NEXT : 0;

		index = (first + i) % limit;
		set_descriptor(table, index, piece->at, piece->size,
			more | (piece->writable ? WRITE : 0), more ? (index + 1) % limit : 0);
	}
	return index;
}

uint16_t bare_chain(struct device *device, uint32_t number, uint64_t *state)
{
	struct queue *queue = &device->queues[number];
	uint64_t slot = device->scratch + SLOT_SIZE * bare_below(state, SCRATCH_SIZE / SLOT_SIZE);
	uint64_t table = slot + SLOT_SIZE / 2;
	uint32_t head = queue->cursor % queue->size, last;
	struct request request;

	make(device, number, &request, slot, state);
	if (bare_below(state, 4) == 0)
		spoil_piece(&request, state);
	if (bare_below(state, 32) == 0)
		return (uint16_t)(queue->size - 1 + bare_below(state, 2) * bare_below(state, 99));
	if ((device->indirect && bare_below(state, 3) == 0) || request.count > queue->size) {
		last = fill(table, 0, PIECES, &request);
		set_descriptor(queue->descriptors, head, table, 16 * request.count, INDIRECT, 0);
		queue->cursor++;
		if (bare_below(state, 32) == 0)
			spoil_chain(queue, table, 0, last, state);
	} else {
		last = fill(queue->descriptors, head, queue->size, &request);
		queue->cursor += request.count;
		if (bare_below(state, 32) == 0)
			spoil_chain(queue, queue->descriptors, head, last, state);
	}
	return (uint16_t)head;
}

void bare_rewrite(const struct device *device, const struct queue *queue, uint64_t *state)
{
	uint64_t at = queue->descriptors + 16 * bare_below(state, queue->size);
	uint64_t slot = device->scratch + SLOT_SIZE * bare_below(state, SCRATCH_SIZE / SLOT_SIZE);

	switch (bare_below(state, 24)) {
	case 0:
		write64(at, bare_below(state, 4) ? anywhere(state, 0x1000) : bare_edge(state));
		break;
	case 1:
		write32(at + 8, (uint32_t)bare_random(state) >> bare_below(state, 32));
		break;
	case 2:
		write16(at + 12, (uint16_t)bare_below(state, bare_below(state, 4) ? 4 : 8));
		break;
	case 3:
		write16(at + 14, (uint16_t)bare_below(state, 2 * queue->size));
		break;
	case 4: /* of a table, too: it may be one */
		at = slot + SLOT_SIZE / 2 + 16 * bare_below(state, PIECES);
		write32(at + 8, (uint32_t)bare_random(state) >> bare_below(state, 32));
		break;
	case 5:
		write16(queue->available + 4 + 2 * bare_below(state, queue->size),
			(uint16_t)bare_below(state, queue->size + 1));
		break;
	case 6: /* flags, and the event index behind the ring */
		write16(queue->available, (uint16_t)bare_below(state, 4));
		write16(queue->available + 4 + 2 * queue->size, (uint16_t)bare_random(state));
		break;
	default: /* a header's field */
		write32(slot + 4 * bare_below(state, 20),
			(uint32_t)bare_random(state) >> bare_below(state, 32));
	}
}
