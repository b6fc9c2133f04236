/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queues between guest and BPMP where the guest bypasses the caches and the BPMP does not, as
 * on a CPU without FEAT_S2FWB: this end works on a copy of the memory that is made to agree with
 * the guest's, line by line, only when it asks for it.
 */
#include "devices/bpmp/ivc.h"
#include "tests/unit/fakes.h"
#include "tests/unit/ivc_guest.h"

#include <criterion/criterion.h>
#include <string.h>

#define LINE  64
#define AREAS (2 * BPMP_IVC_AREA_SIZE)

TestSuite(bpmp_ivc_cache, .timeout = 30);

/* Guest to BPMP first. */
static struct {
	_Alignas(LINE) unsigned char cached[AREAS]; /* this end's */
	_Alignas(LINE) unsigned char clean[AREAS];  /* what `cached` was when it last agreed */
	unsigned char ram[AREAS];		    /* the guest's */
} memory;

static struct bpmp_ivc ivc;
static struct ivc_guest guest = { memory.ram, memory.ram + BPMP_IVC_AREA_SIZE };

static void maintain(uintptr_t at, size_t size, bool invalidate)
{
	size_t first = at - (uintptr_t)memory.cached;

	cr_assert_leq(first + size, AREAS, "maintenance of foreign memory");
	for (size_t line = first / LINE * LINE; line < first + size; line += LINE) {
		bool dirty = memcmp(memory.cached + line, memory.clean + line, LINE) != 0;

		if (dirty)
			memcpy(memory.ram + line, memory.cached + line, LINE);
		if (invalidate)
			memcpy(memory.cached + line, memory.ram + line, LINE);
		memcpy(memory.clean + line, memory.cached + line, LINE);
	}
	fake_trace("%s area %zu +0x%zx %zu", invalidate ? "invalidate" : "clean",
		first / BPMP_IVC_AREA_SIZE, first % BPMP_IVC_AREA_SIZE, size);
}

static void setup(void)
{
	memset(&memory, 0xa5, sizeof(memory)); /* of a guest before */
	fake_cache = maintain;
	bpmp_ivc_clear(memory.cached, memory.cached + BPMP_IVC_AREA_SIZE);
	bpmp_ivc_init(&ivc, memory.cached, memory.cached + BPMP_IVC_AREA_SIZE);
}

/* The index of a channel of Linux', as devices/bpmp/ivc.c orders them. */
static size_t index_of(unsigned int channel)
{
	static const unsigned int order[BPMP_IVC_CHANNELS] = { 3, 13, 0, 1, 2 };

	for (size_t i = 0; i < BPMP_IVC_CHANNELS; i++)
		if (order[i] == channel)
			return i;
	cr_assert_fail("no channel %u", channel);
	return 0;
}

static void handshake(unsigned int channel)
{
	int turns = 0;

	guest_reset(&guest, channel);
	do {
		bpmp_ivc_synchronize(&ivc, index_of(channel));
		cr_assert_lt(turns++, 4);
	} while (!guest_notified(&guest, channel));
	bpmp_ivc_synchronize(&ivc, index_of(channel));
}

Test(bpmp_ivc_cache, clearing_reaches_the_guest)
{
	setup();
	for (size_t i = 0; i < AREAS; i++)
		cr_assert_eq(memory.ram[i], 0, "byte %zu", i);
}

Test(bpmp_ivc_cache, requests_and_responses_cross_incoherent_memory)
{
	struct bpmp_ivc_frame frame;
	uint32_t value, answer;
	int32_t code;

	setup();
	handshake(GUEST_ATOMIC);
	handshake(GUEST_THREAD0);
	for (uint32_t round = 0; round < 5; round++) {
		unsigned int channel = round % 2 ? GUEST_ATOMIC : GUEST_THREAD0;

		value = 0x1000 + round;
		cr_assert(guest_post(&guest, channel, 22, 3, &value, sizeof(value)));
		cr_assert(bpmp_ivc_receive(&ivc, index_of(channel), &frame));
		cr_assert_eq(frame.code, 22);
		cr_assert_eq(memcmp(frame.data, &value, sizeof(value)), 0);
		memset(&frame, 0, sizeof(frame));
		frame.code = (uint32_t) - (int32_t)round;
		value = ~value;
		memcpy(frame.data, &value, sizeof(value));
		cr_assert_not(guest_read(&guest, channel, &code, &answer, sizeof(answer)));
		bpmp_ivc_respond(&ivc, index_of(channel), &frame);
		cr_assert(guest_read(&guest, channel, &code, &answer, sizeof(answer)));
		cr_assert_eq(code, -(int32_t)round);
		cr_assert_eq(answer, value);
	}
}

/* docs/architecture.md: count, then frame; frame, then count. */
Test(bpmp_ivc_cache, the_order_of_maintenance)
{
	struct bpmp_ivc_frame frame;
	uint32_t value = 7;

	setup();
	handshake(GUEST_THREAD0);
	cr_assert(guest_post(&guest, GUEST_THREAD0, 22, 3, &value, sizeof(value)));
	fake_trace_clear();
	cr_assert(bpmp_ivc_receive(&ivc, index_of(GUEST_THREAD0), &frame));
	cr_assert_str_eq(fake_trace_text(),
		"invalidate area 0 +0x0 4\n"	  /* the guest's transmit counter */
		"invalidate area 1 +0x40 4\n"	  /* has it read the last response */
		"invalidate area 0 +0x80 128\n"); /* the frame, after its counter */
	fake_trace_clear();
	bpmp_ivc_respond(&ivc, index_of(GUEST_THREAD0), &frame);
	cr_assert_str_eq(fake_trace_text(),
		"clean area 0 +0x40 4\n"   /* the request's slot is free */
		"clean area 1 +0x80 128\n" /* the response, before its counter */
		"clean area 1 +0x0 4\n");
	fake_trace_clear();
	cr_assert_not(bpmp_ivc_receive(&ivc, index_of(GUEST_THREAD0), &frame));
	cr_assert_str_eq(
		fake_trace_text(), "invalidate area 0 +0x0 4\n", "no frame without a new counter");
}

/* A frame is cleaned while its counter is still the old one in RAM, whatever the stores' order. */
Test(bpmp_ivc_cache, neither_end_writes_into_the_others_lines)
{
	struct bpmp_ivc_frame frame;
	uint32_t value = 7;

	setup();
	handshake(GUEST_THREAD0);
	cr_assert(guest_post(&guest, GUEST_THREAD0, 22, 3, &value, sizeof(value)));
	cr_assert(bpmp_ivc_receive(&ivc, index_of(GUEST_THREAD0), &frame));
	/* What the guest writes meanwhile next to ours survives our write-back. */
	guest_set_word(guest.tx, GUEST_THREAD0, BPMP_IVC_TX_COUNT, 0x12345678);
	guest_set_word(guest.rx, GUEST_THREAD0, BPMP_IVC_RX_COUNT, 0x9abcdef0);
	bpmp_ivc_respond(&ivc, index_of(GUEST_THREAD0), &frame);
	cr_assert_eq(guest_word(guest.tx, GUEST_THREAD0, BPMP_IVC_TX_COUNT), 0x12345678);
	cr_assert_eq(guest_word(guest.rx, GUEST_THREAD0, BPMP_IVC_RX_COUNT), 0x9abcdef0);
	cr_assert_eq(guest_word(guest.tx, GUEST_THREAD0, BPMP_IVC_RX_COUNT), 1);
	cr_assert_eq(guest_word(guest.rx, GUEST_THREAD0, BPMP_IVC_TX_COUNT), 1);
}
