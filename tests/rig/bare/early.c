/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the BPMP before it lets the BPMP ring: a kernel whose mailbox has no client yet would oops
 * at the interrupt. Prints the interrupt's state at each step:
 *
 *   bare: early WHAT pending 0|1
 */
#include "bare.h"

#define TX_COUNT	0x00
#define TX_STATE	0x04
#define RX_COUNT	0x40
#define FRAME		0x80
#define AREA_SIZE	0x1000

#define STATE_SYNC	1
#define STATE_ACK	2

#define HSP_TRIGGER	0x90300
#define HSP_ENABLE	0x90104
#define FROM_BPMP	(1u << 19)

#define PING		0
#define DO_ACK_AND_RING 3

#define GICD_ISPENDR	0x200
#define GICD_ICFGR	0xc00
#define FIRST_SPI	32

/* Long against what an interrupt takes that is on its way, short against a test. */
#define QUIET_READS	20000
#define PATIENCE	100000000u

static bool is_pending(const struct bare_tree *tree)
{
	uint32_t interrupt = tree->doorbell + FIRST_SPI;

	return read32(tree->distributor + GICD_ISPENDR + interrupt / 32 * 4) >> interrupt % 32 & 1;
}

/* As a driver that was told the trigger by the device tree. */
static void configure(const struct bare_tree *tree)
{
	uint32_t interrupt = tree->doorbell + FIRST_SPI;
	uint64_t at = tree->distributor + GICD_ICFGR + interrupt / 16 * 4;
	uint32_t edge = 2u << interrupt % 16 * 2;

	write32(at, (read32(at) & ~edge) | (tree->doorbell_edge ? edge : 0));
}

static void ring(const struct bare_tree *tree)
{
	barrier();
	write32(tree->hsp + HSP_TRIGGER, 1);
}

static bool becomes(uint64_t at, uint32_t value)
{
	for (uint32_t i = 0; i < PATIENCE; i++)
		if (read32(at) == value)
			return true;
	bare_print("bare: early: the worker does not answer\n");
	return false;
}

static void tell(const char *what, bool pending)
{
	bare_print("bare: early ");
	bare_print(what);
	bare_print(pending ? " pending 1\n" : " pending 0\n");
}

/* Whether the interrupt came within a while. */
static bool came(const struct bare_tree *tree)
{
	for (uint32_t i = 0; i < QUIET_READS; i++)
		if (is_pending(tree))
			return true;
	return false;
}

static bool ask(const struct bare_tree *tree)
{
	uint64_t ours = tree->shared, theirs = ours + AREA_SIZE;

	write32(ours + TX_STATE, STATE_SYNC);
	ring(tree);
	if (!becomes(theirs + TX_STATE, STATE_ACK))
		return false;
	tell("handshake", came(tree));
	write32(ours + TX_COUNT, 0);
	write32(theirs + RX_COUNT, 0);
	write32(ours + TX_STATE, 0);
	ring(tree);
	if (!becomes(theirs + TX_STATE, 0))
		return false;
	write32(ours + FRAME, PING);
	write32(ours + FRAME + 4, DO_ACK_AND_RING);
	write32(ours + FRAME + 8, 0x1234);
	write32(ours + TX_COUNT, 1);
	ring(tree);
	if (!becomes(theirs + TX_COUNT, 1))
		return false;
	tell("answer", came(tree));
	return read32(theirs + FRAME + 8) == 0x2468;
}

void bare_early(const struct bare_tree *tree)
{
	configure(tree);
	if (!ask(tree)) {
		bare_print("bare: early failed\n");
		return;
	}
	write32(tree->hsp + HSP_ENABLE, FROM_BPMP);
	for (uint32_t i = 0; i < PATIENCE && !is_pending(tree); i++)
		;
	tell("enabled", is_pending(tree));
}
