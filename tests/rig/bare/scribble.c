/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scribbles over all that the guest shares with its BPMP. Noise alone would be ignored at the first
 * check, so most rounds bring the IVC, or the window, to where a request is taken, and fill it with
 * something that is almost one.
 */
#include "bare.h"

#define CHANNELS       16 /* of the layout; guests use 0 to 3 and 13 */
#define CHANNEL_SIZE   0x100
#define AREA_SIZE      0x1000
#define TX_COUNT       0x00
#define TX_STATE       0x04
#define RX_COUNT       0x40
#define FRAME	       0x80

#define HSP_TRIGGER    0x90300
#define HSP_ENABLE     0x90104
#define HSP_PENDING    0x9010c

#define WINDOW_SIZE    0x600
#define WINDOW_TX_SIZE 0x400
#define WINDOW_RX_SIZE 0x408
#define WINDOW_TRIGGER 0x500

#define REQUEST_WORDS  5

/* Something like a request: mostly of an MRQ that there is, about ids near the guest's own. */
static uint32_t make_request(uint64_t *state, uint32_t words[REQUEST_WORDS])
{
	static const uint32_t mrqs[] = { 0, 1, 9, 19, 20, 20, 21, 22, 22, 22, 22, 23, 66, 66, 71,
		75 };
	static const uint32_t clocks[] = { 14, 31, 42, 43, 44, 45, 46, 91, 102, 155, 156 };
	static const uint32_t resets[] = { 24, 100, 101, 180, 181 };
	static const uint32_t domains[] = { 3, 18, 29, 35 };
	uint32_t mrq = mrqs[bare_below(state, 16)];

	for (uint32_t i = 0; i < REQUEST_WORDS; i++)
		words[i] = (uint32_t)bare_random(state) >> bare_below(state, 32);
	if (bare_below(state, 16) == 0)
		return bare_below(state, 100);
	if (mrq == 22)
		words[0] = bare_below(state, 18) << 24 |
			(bare_below(state, 4) ? clocks[bare_below(state, 11)]
					      : bare_below(state, 512));
	if (mrq == 20 || mrq == 66)
		words[0] = bare_below(state, 6);
	if (mrq == 20)
		words[1] = bare_below(state, 4) ? resets[bare_below(state, 5)]
						: bare_below(state, 256);
	if (mrq == 66) {
		words[1] = bare_below(state, 4) ? domains[bare_below(state, 4)]
						: bare_below(state, 64);
		words[2] = bare_below(state, 4);
	}
	return mrq;
}

static void mailbox_request(const struct bare_tree *tree, uint64_t *state, uint64_t channel)
{
	uint64_t ours = tree->shared + channel, theirs = ours + AREA_SIZE;
	uint32_t words[REQUEST_WORDS], mrq = make_request(state, words);

	write32(theirs + RX_COUNT, read32(theirs + TX_COUNT)); /* the last answer is taken */
	write32(ours + FRAME, mrq);
	write32(ours + FRAME + 4, bare_below(state, 8) ? 3 : (uint32_t)bare_random(state));
	for (uint32_t i = 0; i < REQUEST_WORDS; i++)
		write32(ours + FRAME + 8 + 4 * i, words[i]);
	write32(ours + TX_COUNT, read32(ours + RX_COUNT) + 1);
	barrier();
	write32(tree->hsp + HSP_TRIGGER, 1);
}

static void mailbox_round(const struct bare_tree *tree, uint64_t *state)
{
	static const uint32_t used[] = { 0, 1, 2, 3, 13 };
	uint64_t channel = CHANNEL_SIZE *
		(uint64_t)(bare_below(state, 8) ? used[bare_below(state, 5)]
						: bare_below(state, CHANNELS));
	uint64_t ours = tree->shared + channel;

	switch (bare_below(state, 10)) {
	case 0:
		bare_noise(state, tree->shared, tree->shared_size);
		break;
	case 1:
		bare_noise(state, tree->hsp, tree->hsp_size);
		break;
	case 2: /* the registers that there are */
		bare_noise(state, tree->hsp + (bare_below(state, 2) ? 0x90100 : 0x90300), 16);
		break;
	case 3:
		write32(tree->hsp + HSP_ENABLE, bare_below(state, 4) ? 1u << 19 : 0);
		write32(tree->hsp + HSP_PENDING, read32(tree->hsp + HSP_PENDING));
		break;
	case 4: /* the handshake, step by step or in any order */
		write32(ours + TX_STATE, bare_below(state, 4));
		write32(tree->hsp + HSP_TRIGGER, 1);
		break;
	case 5:
		write32(ours + TX_COUNT, 0);
		write32(ours + AREA_SIZE + RX_COUNT, 0);
		write32(ours + TX_STATE, 0);
		write32(tree->hsp + HSP_TRIGGER, 1);
		break;
	default:
		mailbox_request(tree, state, channel);
	}
}

static void window_request(const struct bare_tree *tree, uint64_t *state)
{
	static const uint32_t sizes[] = { 0, 4, 8, 12, 16, 20, 120, 121, 512, 513 };
	uint32_t words[REQUEST_WORDS], mrq = make_request(state, words);

	for (uint32_t i = 0; i < REQUEST_WORDS; i++)
		write32(tree->window + 4 * i, words[i]);
	write64(tree->window + WINDOW_TX_SIZE,
		bare_below(state, 8) ? sizes[bare_below(state, 10)] : bare_random(state));
	write64(tree->window + WINDOW_RX_SIZE,
		bare_below(state, 8) ? sizes[bare_below(state, 10)] : bare_random(state));
	write32(tree->window + WINDOW_TRIGGER, mrq);
}

static void window_round(const struct bare_tree *tree, uint64_t *state)
{
	if (bare_below(state, 2))
		bare_noise(state, tree->window, WINDOW_SIZE);
	else
		window_request(tree, state);
}

void bare_scribble(const struct bare_tree *tree, uint64_t *state)
{
	if (tree->shared && tree->hsp)
		mailbox_round(tree, state);
	if (tree->window)
		window_round(tree, state);
}
