/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this VM's guest changed at the host's BPMP, and the requests that put it back: at guest
 * reset, at stop, and when the machine is gone. Owned ids only: an ancestor that was enabled
 * stays so, because somebody else may rely on it by now.
 *
 * Pure: it is told of each request before it goes out and of its outcome, so that a change is on
 * record at every moment at which it may be in effect.
 */
#ifndef DEVICES_BPMP_UNDO_H
#define DEVICES_BPMP_UNDO_H

#include "devices/bpmp/abi.h"
#include "devices/bpmp/ids.h"
#include "devices/bpmp/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As found before the guest ran; a rate or parent that the host could not tell is not restored. */
struct bpmp_found_clock {
	bool enabled;
	bool rate_known, parent_known;
	int64_t rate; /* Hz */
	uint32_t parent;
	uint32_t depth; /* clocks from the root to it: what feeds it has less */
};

struct bpmp_undo_clock {
	uint32_t id;
	struct bpmp_found_clock found;
	bool enabled; /* one ENABLE of ours is in effect */
	bool let_go;  /* a DISABLE of ours went out */
	bool rate_changed, parent_changed;
};

enum bpmp_undo_reset_state {
	BPMP_RESET_AS_FOUND, /* nobody can ask the firmware which state that is */
	BPMP_RESET_IS_RELEASED,
	BPMP_RESET_IS_ASSERTED,
};

struct bpmp_undo_reset {
	uint32_t id;
	enum bpmp_undo_reset_state state;
};

struct bpmp_undo_domain {
	uint32_t id;
	uint32_t found; /* enum bpmp_pg_state */
	bool changed;
};

struct bpmp_undo {
	size_t clock_count, reset_count, domain_count;
	struct bpmp_undo_clock clocks[BPMP_MAX_IDS];
	struct bpmp_undo_reset resets[BPMP_MAX_IDS];
	struct bpmp_undo_domain domains[BPMP_MAX_IDS];
};

/* Protected roots among the clocks are left out: they are not owned. */
void bpmp_undo_init(struct bpmp_undo *undo, const struct bpmp_ids *ids);

/* The snapshot. Ids that are not owned are ignored. */
void bpmp_undo_found_clock(
	struct bpmp_undo *undo, uint32_t id, const struct bpmp_found_clock *found);
void bpmp_undo_found_domain(struct bpmp_undo *undo, uint32_t id, uint32_t state);

enum bpmp_outcome {
	BPMP_DONE,     /* the firmware did it */
	BPMP_NOT_DONE, /* it certainly did not */
	BPMP_DOUBTFUL, /* no answer: it may have */
};

/*
 * `request` is about to go out, and then: what came of it. `before` is returned by the first and
 * given to the second, which takes the record back when nothing was done.
 */
struct bpmp_undo_mark {
	bool on_record; /* it was there before this request */
	enum bpmp_undo_reset_state reset;
};
struct bpmp_undo_mark bpmp_undo_before(struct bpmp_undo *undo, const struct bpmp_request *request);
void bpmp_undo_after(struct bpmp_undo *undo, const struct bpmp_request *request,
	struct bpmp_undo_mark before, enum bpmp_outcome outcome);

/* One request on the way back. */
struct bpmp_undo_step {
	int64_t value; /* rate in Hz, parent's id, or state */
	struct bpmp_call call;
	bool only_if_off; /* clocks: ask IS_ENABLED first, and do it only when that says 0 */
};

/* Resets, then parent and rate, disable and enable of every clock, then domains. */
#define BPMP_MAX_UNDO_STEPS (BPMP_MAX_IDS * 6)

/*
 * The way back, in order. Resets first, as they end DMA; then parents and rates of clocks from the
 * root down, as a clock's rate is made from its parent's; then clocks are let go from the leaves
 * up; power domains last. With `guest_ran`, an owned reset that the guest never
 * operated is pulsed, for the guest may have set the device to work without it; where it is left
 * is then as it was for a device in use. Returns the number of steps.
 */
size_t bpmp_undo_steps(const struct bpmp_undo *undo, bool guest_ran,
	struct bpmp_undo_step steps[BPMP_MAX_UNDO_STEPS]);

struct bpmp_request bpmp_undo_request(const struct bpmp_undo_step *step);

/* The step was carried out: what it undid is off the record. */
void bpmp_undo_applied(struct bpmp_undo *undo, const struct bpmp_undo_step *step);

#endif
