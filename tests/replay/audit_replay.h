/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds a file that `--bpmp audit=` wrote to this tree's policy again: the guest's requests, and
 * what the host answered then. devices/bpmp/audit.h describes the lines.
 */
#ifndef TESTS_REPLAY_AUDIT_REPLAY_H
#define TESTS_REPLAY_AUDIT_REPLAY_H

#include "devices/bpmp/policy.h"

#include <stdbool.h>
#include <stddef.h>

struct audit_replay {
	struct bpmp_policy policy;
	bool started;		 /* a "start" line was there: requests have a policy */
	unsigned long lines;	 /* so far, which is the number of the last one */
	unsigned long requests;	 /* replayed */
	unsigned long different; /* of them */
};

enum replayed {
	REPLAY_SAME,
	REPLAY_DIFFERS, /* this policy decides otherwise */
	REPLAY_BAD,	/* no line of such a file */
};

/* Takes one line, newline or not. `text` says what differs, or what is wrong. */
enum replayed audit_replay_line(
	struct audit_replay *replay, const char *line, char *text, size_t size);

#endif
