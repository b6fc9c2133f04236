/* SPDX-License-Identifier: Apache-2.0 */
/* tests/audit-replay FILE: where this tree's BPMP policy decides otherwise than the file says. */
#include "tests/replay/audit_replay.h"
#include "vmm/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	static struct audit_replay replay;
	static char line[8192];
	char text[128];
	bool bad = false;
	FILE *file;

	if (argc != 2) {
		fprintf(stderr, "usage: %s FILE\n", argv[0]);
		return 2;
	}
	file = fopen(argv[1], "r");
	if (!file) {
		fprintf(stderr, "%s: cannot be opened\n", argv[1]);
		return 2;
	}
	log_set_level(LOG_ERROR); /* refusals were logged when they happened */
	while (!bad && fgets(line, sizeof(line), file)) {
		enum replayed replayed = audit_replay_line(&replay, line, text, sizeof(text));

		bad = replayed == REPLAY_BAD;
		if (replayed != REPLAY_SAME)
			printf("%s:%lu: %s: %s", argv[1], replay.lines, text, line);
	}
	fclose(file);
	printf("%lu requests, %lu differ%s\n", replay.requests, replay.different,
		bad ? "; stopped at a line that is none" : "");
	return bad ? 2 : replay.different ? 1 : 0;
}
