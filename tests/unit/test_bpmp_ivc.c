/* SPDX-License-Identifier: Apache-2.0 */
/* The queues between guest and BPMP, with a model of Linux' end and with a guest gone wild. */
#include "devices/bpmp/ivc.h"
#include "tests/unit/ivc_guest.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

TestSuite(bpmp_ivc, .timeout = 30);

struct pair {
	_Alignas(64) unsigned char tx[BPMP_IVC_AREA_SIZE];
	_Alignas(64) unsigned char rx[BPMP_IVC_AREA_SIZE];
	struct bpmp_ivc ivc;
	struct ivc_guest guest;
};

/* The index that belongs to each of Linux' channels, in the order in which it resets them. */
static const unsigned int linux_channels[BPMP_IVC_CHANNELS] = { 3, 13, 0, 1, 2 };

static void setup(struct pair *pair)
{
	memset(pair, 0, sizeof(*pair));
	bpmp_ivc_init(&pair->ivc, pair->tx, pair->rx);
	pair->guest = (struct ivc_guest){ pair->tx, pair->rx };
}

/* What Linux' probe does per channel, with the BPMP's scan in place of the doorbell. */
static void handshake(struct pair *pair)
{
	for (size_t i = 0; i < BPMP_IVC_CHANNELS; i++) {
		int turns = 0;

		guest_reset(&pair->guest, linux_channels[i]);
		do {
			for (size_t j = 0; j < BPMP_IVC_CHANNELS; j++)
				bpmp_ivc_synchronize(&pair->ivc, j);
			cr_assert_lt(turns++, 4, "channel %u hangs", linux_channels[i]);
		} while (!guest_notified(&pair->guest, linux_channels[i]));
		for (size_t j = 0; j < BPMP_IVC_CHANNELS; j++)
			bpmp_ivc_synchronize(&pair->ivc, j);
		cr_assert_eq(guest_word(pair->rx, linux_channels[i], BPMP_IVC_TX_STATE),
			BPMP_IVC_ESTABLISHED);
	}
}

/* One request and its response on Linux' channel `number`. */
static void exchange(struct pair *pair, size_t index, uint32_t value)
{
	unsigned int number = linux_channels[index];
	struct bpmp_ivc_frame frame;
	uint8_t answer[4];
	int32_t code;

	cr_assert(guest_post(&pair->guest, number, 22, 3, &value, sizeof(value)));
	cr_assert(bpmp_ivc_receive(&pair->ivc, index, &frame));
	cr_assert_eq(frame.code, 22);
	cr_assert_eq(frame.flags, 3);
	cr_assert_eq(memcmp(frame.data, &value, 4), 0);
	cr_assert_not(bpmp_ivc_receive(&pair->ivc, index, &frame), "once only");
	frame = (struct bpmp_ivc_frame){ .code = (uint32_t)-13, .data = { 1, 2, 3, 4 } };
	bpmp_ivc_respond(&pair->ivc, index, &frame);
	cr_assert(guest_read(&pair->guest, number, &code, answer, sizeof(answer)));
	cr_assert_eq(code, -13);
	cr_assert_eq(memcmp(answer, "\1\2\3\4", 4), 0);
}

Test(bpmp_ivc, requests_on_every_channel_but_the_bpmps_own)
{
	struct bpmp_ivc_frame frame;
	struct pair pair;

	setup(&pair);
	handshake(&pair);
	for (uint32_t round = 0; round < 3; round++)
		for (size_t i = 0; i < BPMP_IVC_CHANNELS; i++)
			if (linux_channels[i] != GUEST_RX)
				exchange(&pair, i, round * 100 + (uint32_t)i);
	cr_assert(guest_post(&pair.guest, GUEST_RX, 22, 3, NULL, 0));
	cr_assert_not(bpmp_ivc_receive(&pair.ivc, 1, &frame), "nobody asked");
}

Test(bpmp_ivc, a_guest_that_skips_the_handshake_is_served)
{
	struct pair pair;

	setup(&pair); /* all zero is "established" */
	exchange(&pair, 2, 7);
}

Test(bpmp_ivc, a_reboot_over_any_garbage)
{
	struct pair pair;

	setup(&pair);
	handshake(&pair);
	exchange(&pair, 0, 1);
	srand(1);
	for (int round = 0; round < 2000; round++) {
		/* Everything in both areas, as an old kernel, a crash or an attacker left it. */
		for (size_t i = 0; i < BPMP_IVC_AREA_SIZE; i++) {
			pair.tx[i] = (unsigned char)rand();
			pair.rx[i] = (unsigned char)rand();
		}
		for (size_t i = 0; i < BPMP_IVC_CHANNELS; i++) {
			guest_set_word(pair.tx, linux_channels[i], BPMP_IVC_TX_STATE,
				(uint32_t)rand() % 5);
			guest_set_word(pair.rx, linux_channels[i], BPMP_IVC_TX_STATE,
				(uint32_t)rand() % 3);
			bpmp_ivc_synchronize(&pair.ivc, i);
		}
		handshake(&pair);
		exchange(&pair, (size_t)(2 + round % 3), (uint32_t)round);
	}
}

Test(bpmp_ivc, state_table)
{
	static const struct {
		uint32_t own, peer, next;
		bool changed;
	} table[] = {
		{ BPMP_IVC_ESTABLISHED, BPMP_IVC_ESTABLISHED, BPMP_IVC_ESTABLISHED, false },
		{ BPMP_IVC_ESTABLISHED, BPMP_IVC_SYNC, BPMP_IVC_ACK, true },
		{ BPMP_IVC_ESTABLISHED, BPMP_IVC_ACK, BPMP_IVC_ESTABLISHED, false },
		{ BPMP_IVC_ESTABLISHED, 3, BPMP_IVC_ESTABLISHED, false },
		{ BPMP_IVC_ACK, BPMP_IVC_ESTABLISHED, BPMP_IVC_ESTABLISHED, true },
		{ BPMP_IVC_ACK, BPMP_IVC_SYNC, BPMP_IVC_ACK, true },
		{ BPMP_IVC_ACK, BPMP_IVC_ACK, BPMP_IVC_ESTABLISHED, true },
		{ BPMP_IVC_ACK, UINT32_MAX, BPMP_IVC_ACK, false },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct bpmp_ivc_channel *own;
		struct pair pair;

		setup(&pair);
		own = &pair.ivc.channels[2];
		*own = (struct bpmp_ivc_channel){ table[i].own, 5, 6 };
		guest_set_word(pair.tx, 0, BPMP_IVC_TX_STATE, table[i].peer);
		guest_set_word(pair.tx, 0, BPMP_IVC_RX_COUNT, 5);
		guest_set_word(pair.rx, 0, BPMP_IVC_TX_COUNT, 6);
		cr_assert_eq(bpmp_ivc_synchronize(&pair.ivc, 2), table[i].changed, "row %zu", i);
		cr_assert_eq(own->state, table[i].next, "row %zu", i);
		if (table[i].peer != BPMP_IVC_SYNC) {
			cr_assert_eq(own->received, 5);
			continue;
		}
		cr_assert_eq(own->received | own->sent, 0);
		cr_assert_eq(guest_word(pair.tx, 0, BPMP_IVC_RX_COUNT), 0);
		cr_assert_eq(guest_word(pair.rx, 0, BPMP_IVC_TX_COUNT), 0);
	}
}

Test(bpmp_ivc, counters_run_free_over_the_end)
{
	struct pair pair;

	setup(&pair);
	pair.ivc.channels[2].received = pair.ivc.channels[2].sent = UINT32_MAX - 1;
	guest_set_word(pair.tx, 0, BPMP_IVC_TX_COUNT, UINT32_MAX - 1);
	guest_set_word(pair.tx, 0, BPMP_IVC_RX_COUNT, UINT32_MAX - 1);
	guest_set_word(pair.rx, 0, BPMP_IVC_TX_COUNT, UINT32_MAX - 1);
	guest_set_word(pair.rx, 0, BPMP_IVC_RX_COUNT, UINT32_MAX - 1);
	for (uint32_t i = 0; i < 4; i++)
		exchange(&pair, 2, i);
	cr_assert_eq(guest_word(pair.rx, 0, BPMP_IVC_TX_COUNT), 2);
}

Test(bpmp_ivc, overfull_counters_read_as_empty)
{
	static const uint32_t counts[] = { 2, 3, 0x7fffffff, 0x80000000, UINT32_MAX };
	struct bpmp_ivc_frame frame;
	struct pair pair;

	setup(&pair);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		guest_set_word(pair.tx, 0, BPMP_IVC_TX_COUNT, counts[i]);
		cr_assert_not(bpmp_ivc_receive(&pair.ivc, 2, &frame), "count %x", counts[i]);
	}
}

Test(bpmp_ivc, a_request_waits_until_the_last_response_was_read)
{
	struct bpmp_ivc_frame frame, answer = { .code = 0x11 };
	struct pair pair;
	int32_t code;

	setup(&pair);
	cr_assert(guest_post(&pair.guest, 0, 22, 3, NULL, 0));
	cr_assert(bpmp_ivc_receive(&pair.ivc, 2, &frame));
	bpmp_ivc_respond(&pair.ivc, 2, &answer);
	cr_assert(guest_post(&pair.guest, 0, 66, 3, NULL, 0), "its slot is free again");
	cr_assert_not(bpmp_ivc_receive(&pair.ivc, 2, &frame));
	cr_assert_eq(guest_word(pair.rx, 0, BPMP_IVC_FRAME), 0x11);
	cr_assert(guest_read(&pair.guest, 0, &code, NULL, 0));
	cr_assert_eq(guest_word(pair.rx, 0, BPMP_IVC_FRAME), 0x11, "still there after the ack");
	cr_assert(bpmp_ivc_receive(&pair.ivc, 2, &frame));
	cr_assert_eq(frame.code, 66);
}

Test(bpmp_ivc, the_request_is_left_alone_and_its_slot_kept_until_the_response)
{
	struct bpmp_ivc_frame frame, answer = { 0 };
	unsigned char before[128];
	struct pair pair;

	setup(&pair);
	cr_assert(guest_post(&pair.guest, 0, 22, 3, "abcd", 4));
	memcpy(before, pair.tx + BPMP_IVC_FRAME, sizeof(before));
	cr_assert(bpmp_ivc_receive(&pair.ivc, 2, &frame));
	cr_assert_not(guest_post(&pair.guest, 0, 23, 3, NULL, 0));
	bpmp_ivc_respond(&pair.ivc, 2, &answer);
	cr_assert_eq(memcmp(before, pair.tx + BPMP_IVC_FRAME, sizeof(before)), 0);
}

Test(bpmp_ivc, a_request_without_response_frees_its_slot)
{
	struct bpmp_ivc_frame frame;
	struct pair pair;

	setup(&pair);
	cr_assert(guest_post(&pair.guest, 0, 22, 0, NULL, 0));
	cr_assert(bpmp_ivc_receive(&pair.ivc, 2, &frame));
	bpmp_ivc_respond(&pair.ivc, 2, NULL);
	cr_assert_eq(guest_word(pair.rx, 0, BPMP_IVC_TX_COUNT), 0);
	cr_assert(guest_post(&pair.guest, 0, 22, 0, NULL, 0));
	cr_assert(bpmp_ivc_receive(&pair.ivc, 2, &frame));
}

Test(bpmp_ivc, what_the_guest_overwrites_of_ours_does_not_matter)
{
	struct pair pair;

	setup(&pair);
	handshake(&pair);
	exchange(&pair, 2, 1);
	/* Our state and counters, scribbled over: the next response puts them right. */
	guest_set_word(pair.rx, 0, BPMP_IVC_TX_STATE, BPMP_IVC_SYNC);
	guest_set_word(pair.rx, 0, BPMP_IVC_TX_COUNT, 77);
	cr_assert_not(bpmp_ivc_synchronize(&pair.ivc, 2));
	cr_assert_eq(pair.ivc.channels[2].state, BPMP_IVC_ESTABLISHED);
	exchange(&pair, 2, 2);
	cr_assert_eq(guest_word(pair.rx, 0, BPMP_IVC_TX_COUNT), 2);
}

Test(bpmp_ivc, nothing_outside_the_five_channels_is_touched)
{
	struct pair pair;

	setup(&pair);
	memset(pair.tx, 0xc3, sizeof(pair.tx));
	memset(pair.rx, 0xc3, sizeof(pair.rx));
	handshake(&pair);
	for (size_t i = 0; i < BPMP_IVC_CHANNELS; i++)
		if (linux_channels[i] != GUEST_RX)
			exchange(&pair, i, 1);
	for (size_t i = 0; i < BPMP_IVC_AREA_SIZE; i++) {
		size_t channel = i / BPMP_IVC_QUEUE_SIZE;

		if (channel <= 3 || channel == 13)
			continue;
		cr_assert_eq(pair.tx[i], 0xc3, "byte %zu", i);
		cr_assert_eq(pair.rx[i], 0xc3, "byte %zu", i);
	}
}

/* A guest that rewrites its request all the time: each copy must be of one piece per word. */
static atomic_bool stop_writing;

static void *rewrite(void *argument)
{
	struct pair *pair = argument;

	for (uint32_t i = 0; !atomic_load(&stop_writing); i++) {
		for (unsigned int word = 0; word < BPMP_IVC_FRAME_SIZE; word += 4)
			guest_set_word(
				pair->tx, 0, BPMP_IVC_FRAME + word, (i & 0xff) * 0x01010101u);
		/* Half of the time a new request and room for its answer, else nonsense. */
		guest_set_word(pair->tx, 0, BPMP_IVC_TX_STATE, i % 64 ? 0 : i % 3);
		guest_set_word(pair->tx, 0, BPMP_IVC_TX_COUNT,
			guest_word(pair->tx, 0, BPMP_IVC_RX_COUNT) + i % 2 * (i % 3));
		guest_set_word(pair->rx, 0, BPMP_IVC_RX_COUNT,
			guest_word(pair->rx, 0, BPMP_IVC_TX_COUNT) + i % 4 / 3);
	}
	return NULL;
}

Test(bpmp_ivc, a_concurrent_writer)
{
	struct bpmp_ivc_frame frame, copy;
	uint32_t word;
	pthread_t thread;
	struct pair pair;
	int taken = 0;

	setup(&pair);
	cr_assert_eq(pthread_create(&thread, NULL, rewrite, &pair), 0);
	while (taken < 1000) { /* or Criterion ends it */
		bpmp_ivc_synchronize(&pair.ivc, 2);
		if (!bpmp_ivc_receive(&pair.ivc, 2, &frame))
			continue;
		taken++;
		copy = frame;
		for (size_t at = 0; at < sizeof(frame); at += 4) {
			memcpy(&word, (char *)&frame + at, 4);
			cr_assert_eq(word % 0x01010101u, 0, "a torn word: %08x", word);
		}
		bpmp_ivc_respond(&pair.ivc, 2, &copy);
		cr_assert_eq(memcmp(&copy, &frame, sizeof(frame)), 0);
	}
	atomic_store(&stop_writing, true);
	pthread_join(thread, NULL);
}
