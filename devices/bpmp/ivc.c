/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/ivc.h"

#include "arch/aarch64/cache.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

static_assert(sizeof(struct bpmp_ivc_frame) == BPMP_IVC_FRAME_SIZE, "one IVC frame");

/*
 * Linux' channel numbers, in the order in which its driver resets them: the atomic channel, the
 * one for requests of the BPMP's own, the threads'.
 */
static const uint8_t channel_number[BPMP_IVC_CHANNELS] = { 3, 13, 0, 1, 2 };

/* Where only this end asks. It never does, so what arrives there answers nothing. */
#define CHANNEL_FOR_OUR_REQUESTS 1

/*
 * All accesses to the areas are in the four functions below: single 32-bit loads and stores, as
 * the guest may write at the same time. The guest maps the areas uncached, hence the cache
 * maintenance, in an order that is part of the protocol: a counter is made visible only when the
 * frame is, and a frame is looked at only after its counter. What either side writes lies in
 * 64-byte lines of its own.
 */
static _Atomic uint32_t *word_at(unsigned char *area, size_t channel, size_t offset)
{
	size_t at = channel_number[channel] * (size_t)BPMP_IVC_QUEUE_SIZE + offset;

	return (_Atomic uint32_t *)(void *)(area + at);
}

/* Nothing that is read later is read before this. */
static uint32_t load(unsigned char *area, size_t channel, size_t offset)
{
	_Atomic uint32_t *word = word_at(area, channel, offset);

	cache_clean_invalidate(word, sizeof(*word));
	return atomic_load_explicit(word, memory_order_acquire);
}

/* Whoever sees this value sees all that was stored before. */
static void store(unsigned char *area, size_t channel, size_t offset, uint32_t value)
{
	_Atomic uint32_t *word = word_at(area, channel, offset);

	atomic_store_explicit(word, value, memory_order_release);
	cache_clean(word, sizeof(*word));
}

static void copy_in(struct bpmp_ivc_frame *frame, unsigned char *area, size_t channel)
{
	uint32_t words[BPMP_IVC_FRAME_SIZE / sizeof(uint32_t)];

	cache_clean_invalidate(word_at(area, channel, BPMP_IVC_FRAME), sizeof(words));
	for (size_t i = 0; i < BPMP_IVC_FRAME_SIZE / sizeof(uint32_t); i++)
		words[i] = atomic_load_explicit(
			word_at(area, channel, BPMP_IVC_FRAME + i * sizeof(uint32_t)),
			memory_order_relaxed);
	memcpy(frame, words, sizeof(*frame));
}

static void copy_out(unsigned char *area, size_t channel, const struct bpmp_ivc_frame *frame)
{
	uint32_t words[BPMP_IVC_FRAME_SIZE / sizeof(uint32_t)];

	memcpy(words, frame, sizeof(words));
	for (size_t i = 0; i < BPMP_IVC_FRAME_SIZE / sizeof(uint32_t); i++)
		atomic_store_explicit(word_at(area, channel, BPMP_IVC_FRAME + i * sizeof(uint32_t)),
			words[i], memory_order_relaxed);
	cache_clean(word_at(area, channel, BPMP_IVC_FRAME), sizeof(words));
}

void bpmp_ivc_clear(void *from_guest, void *to_guest)
{
	memset(from_guest, 0, BPMP_IVC_AREA_SIZE);
	memset(to_guest, 0, BPMP_IVC_AREA_SIZE);
	/* Both are forgotten as well: the guest may write first. */
	cache_clean_invalidate(from_guest, BPMP_IVC_AREA_SIZE);
	cache_clean_invalidate(to_guest, BPMP_IVC_AREA_SIZE);
}

void bpmp_ivc_init(struct bpmp_ivc *ivc, void *from_guest, void *to_guest)
{
	memset(ivc, 0, sizeof(*ivc));
	ivc->from_guest = from_guest;
	ivc->to_guest = to_guest;
}

static void enter_state(
	struct bpmp_ivc *ivc, size_t channel, enum bpmp_ivc_state state, bool clear_counters)
{
	struct bpmp_ivc_channel *own = &ivc->channels[channel];

	if (clear_counters) {
		own->sent = 0;
		own->received = 0;
		store(ivc->to_guest, channel, BPMP_IVC_TX_COUNT, 0);
		store(ivc->from_guest, channel, BPMP_IVC_RX_COUNT, 0);
	}
	own->state = state;
	store(ivc->to_guest, channel, BPMP_IVC_TX_STATE, state);
}

/* The table above tegra_ivc_notified() in Linux' ivc.c; both ends follow the same one. */
bool bpmp_ivc_synchronize(struct bpmp_ivc *ivc, size_t channel)
{
	uint32_t own = ivc->channels[channel].state;
	uint32_t peer = load(ivc->from_guest, channel, BPMP_IVC_TX_STATE);

	if (peer == BPMP_IVC_SYNC) {
		enter_state(ivc, channel, BPMP_IVC_ACK, true);
		return true;
	}
	if (own == BPMP_IVC_ACK && (peer == BPMP_IVC_ESTABLISHED || peer == BPMP_IVC_ACK)) {
		enter_state(ivc, channel, BPMP_IVC_ESTABLISHED, false);
		return true;
	}
	return false; /* this end never starts a handshake, so it is never in SYNC itself */
}

bool bpmp_ivc_receive(struct bpmp_ivc *ivc, size_t channel, struct bpmp_ivc_frame *frame)
{
	struct bpmp_ivc_channel *own = &ivc->channels[channel];

	if (own->state != BPMP_IVC_ESTABLISHED || channel == CHANNEL_FOR_OUR_REQUESTS)
		return false;
	/* Any other difference is nonsense, and reads as "empty" at both ends. */
	if (load(ivc->from_guest, channel, BPMP_IVC_TX_COUNT) - own->received != 1)
		return false;
	/* The guest rings again when it has read the last response. */
	if (load(ivc->to_guest, channel, BPMP_IVC_RX_COUNT) != own->sent)
		return false;
	copy_in(frame, ivc->from_guest, channel);
	own->received++;
	return true;
}

void bpmp_ivc_respond(struct bpmp_ivc *ivc, size_t channel, const struct bpmp_ivc_frame *frame)
{
	struct bpmp_ivc_channel *own = &ivc->channels[channel];

	/*
	 * The request's slot is given back with the response, not before: the guest must not see
	 * room for a second one while the first is under way.
	 */
	store(ivc->from_guest, channel, BPMP_IVC_RX_COUNT, own->received);
	if (!frame)
		return;
	copy_out(ivc->to_guest, channel, frame);
	own->sent++;
	store(ivc->to_guest, channel, BPMP_IVC_TX_COUNT, own->sent);
	/* The interrupt that follows must not overtake the response. */
	atomic_thread_fence(memory_order_seq_cst);
}
