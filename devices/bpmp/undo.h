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
	bool enabled;  /* one ENABLE of ours is in effect */
	bool in_doubt; /* an ENABLE or DISABLE went out, and no answer came: it may not be */
	bool let_go;   /* a DISABLE of ours went out */
	bool rate_changed, parent_changed;
};

enum bpmp_undo_reset_state {
	BPMP_RESET_AS_FOUND, /* nobody can ask the firmware which state that is */
	BPMP_RESET_IS_RELEASED,
	BPMP_RESET_IS_ASSERTED,
	BPMP_RESET_IN_USE, /* as found, and a guest ran that did not operate it */
	BPMP_RESET_PULSED, /* as found, and pulsed after such a guest */
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

/* Clocks above those that are owned: as many as a policy has at most. */
#define BPMP_MAX_KEPT 128

struct bpmp_undo {
	uint64_t revision; /* counts the changes of everything below */
	size_t clock_count, reset_count, domain_count, kept_count;
	struct bpmp_undo_clock clocks[BPMP_MAX_IDS];
	struct bpmp_undo_reset resets[BPMP_MAX_IDS];
	struct bpmp_undo_domain domains[BPMP_MAX_IDS];
	uint32_t kept[BPMP_MAX_KEPT]; /* ancestors that were enabled, and stay so: for the log */
};

/* Protected roots among the clocks are left out: they are not owned. */
void bpmp_undo_init(struct bpmp_undo *undo, const struct bpmp_ids *ids);

/* The snapshot. Ids that are not owned are ignored. */
void bpmp_undo_found_clock(
	struct bpmp_undo *undo, uint32_t id, const struct bpmp_found_clock *found);
void bpmp_undo_found_domain(struct bpmp_undo *undo, uint32_t id, uint32_t state);

/* A guest runs from now on. */
void bpmp_undo_guest_starts(struct bpmp_undo *undo);

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
	bool in_doubt;
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
	bool only_if_on;  /* the same, only when it does not say 0 */
};

/* Resets, then parent and rate, disable and enable of every clock, then domains. */
#define BPMP_MAX_UNDO_STEPS (BPMP_MAX_IDS * 6)

/*
 * The way back, in order. Resets first, as they end DMA; then parents and rates of clocks from the
 * root down, as a clock's rate is made from its parent's; then clocks are let go from the leaves
 * up; power domains last. An owned reset that a guest never operated is pulsed, for the guest may
 * have set the device to work without it, and the next one expects what the first one found; at
 * the `end`, when there is no next one, it is asserted as all others are.
 *
 * Where nobody knows whether an ENABLE is in effect, a clock that was found on keeps it: one count
 * too many costs power, one too few turns off what others use. Returns the number of steps.
 */
size_t bpmp_undo_steps(
	const struct bpmp_undo *undo, bool end, struct bpmp_undo_step steps[BPMP_MAX_UNDO_STEPS]);

struct bpmp_request bpmp_undo_request(const struct bpmp_undo_step *step);

/*
 * The step is about to go out: until bpmp_undo_applied() or bpmp_undo_failed() its effect is in
 * doubt, so that whoever goes on from this record does not take it twice.
 */
void bpmp_undo_begin(struct bpmp_undo *undo, const struct bpmp_undo_step *step);

/* The step was carried out: what it undid is off the record. */
void bpmp_undo_applied(struct bpmp_undo *undo, const struct bpmp_undo_step *step);

/* It was certainly not carried out. */
void bpmp_undo_failed(struct bpmp_undo *undo, const struct bpmp_undo_step *step);

#endif
