/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPMP's proxy face: a window of 0x600 bytes, as guest kernels with the patch
 * "bpmp-guest-proxy" use it (tiiuae/ghaf, sources/drivers/firmware/tegra/bpmp-guest-proxy, and
 * QEMU's hw/misc/nvidia_bpmp_guest.c there). Plain memory but for one place: a store at 0x500
 * carries the request out, and when that store has retired the answer is in place.
 *
 * This file is the register file alone. It is pure; the caller orders accesses to one window.
 */
#ifndef DEVICES_BPMP_WINDOW_H
#define DEVICES_BPMP_WINDOW_H

#include "devices/bpmp/abi.h"

#include <stdbool.h>
#include <stdint.h>

#define BPMP_WINDOW_SIZE    0x600u
#define BPMP_WINDOW_BUFFER  0x200u /* bytes of either buffer */
#define BPMP_WINDOW_TX	    0x000u /* the request's payload */
#define BPMP_WINDOW_RX	    0x200u /* the answer's payload; what else is in it stays */
#define BPMP_WINDOW_TX_SIZE 0x400u /* 64 bits: bytes of the request */
#define BPMP_WINDOW_RX_SIZE 0x408u /* 64 bits: room for the answer; then its bytes */
#define BPMP_WINDOW_RETURN  0x410u /* 32 bits: the firmware's code */
#define BPMP_WINDOW_TRIGGER 0x500u /* a store of any width: the MRQ */

/* What the return register holds when there is no answer: Linux' -EIO. */
#define BPMP_WINDOW_FAILED  (-5)

struct bpmp_window {
	unsigned char *bytes; /* BPMP_WINDOW_SIZE, aligned to 8; the caller's */
	bool shown;	      /* the guest reads them without us, past our caches */
};

/* One request in private memory, and the packet that takes it to the worker. */
struct bpmp_window_request {
	uint32_t sequence;
	uint32_t mrq;
	uint32_t size; /* bytes of `data` */
	uint8_t data[BPMP_WINDOW_BUFFER];
};

/* The worker's packet. It is not trusted: whoever reads it clamps `size`. */
struct bpmp_window_answer {
	uint32_t sequence;
	int32_t code;  /* 0, the firmware's own, or BPMP_WINDOW_FAILED */
	uint32_t size; /* bytes of `data` */
	uint8_t data[BPMP_DATA_SIZE];
};

/* A guest's load. Whatever lies behind the window's end reads as 0. */
uint64_t bpmp_window_load(const struct bpmp_window *window, uint64_t offset, unsigned int width);

/*
 * A guest's store; one that does not fit into the window does nothing. True for the trigger, whose
 * value is not kept: the caller carries the request out. A store that crosses the trigger's address
 * without starting there, which no aligned one does, is none.
 */
bool bpmp_window_store(
	struct bpmp_window *window, uint64_t offset, unsigned int width, uint64_t value);

/*
 * Copies the request that is in the window, with sizes cut to the buffers'; `value` is what was
 * stored at the trigger. Returns the room for the answer in bytes, to hand to bpmp_window_answer().
 */
uint32_t bpmp_window_take(
	const struct bpmp_window *window, uint64_t value, struct bpmp_window_request *request);

/* Puts the answer in place: payload, its size (at most `room`), the code, in this order. */
void bpmp_window_answer(
	struct bpmp_window *window, const struct bpmp_window_answer *answer, uint32_t room);

/* There is no answer: the guest must not take the last request's for this one's. */
void bpmp_window_fail(struct bpmp_window *window);

/* As at power-on: all zero. */
void bpmp_window_clear(struct bpmp_window *window);

#endif
