/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/guard.h"

#include "devices/bpmp/journal.h"
#include "devices/bpmp/restore.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Nothing is read: whoever holds the other ends can only close them. */
static int wait_for_both_ends(const struct bpmp_guard *guard)
{
	struct pollfd polled[] = { { .fd = guard->machine }, { .fd = guard->lifeline } };

	while (polled[0].fd >= 0 || polled[1].fd >= 0) {
		if (poll(polled, ARRAY_SIZE(polled), -1) < 0) {
			if (errno == EINTR)
				continue;
			log_error("cannot wait for the machine (error %d)", errno);
			return -errno;
		}
		for (size_t i = 0; i < ARRAY_SIZE(polled); i++)
			if (polled[i].revents)
				polled[i].fd = -1; /* poll() passes over it from now on */
	}
	return 0;
}

static int put_back(const struct bpmp_guard *guard)
{
	struct bpmp_restored restored;
	struct bpmp_journal journal;
	struct bpmp_undo undo;
	int found = bpmp_journal_load(&journal, guard->journal, &undo);

	if (found < 0)
		return EXIT_FAILURE;
	if (found == 0 || !bpmp_restore_owed(&undo))
		return EXIT_SUCCESS;
	log_info("the BPMP worker is gone; putting back what the guest changed at the host's BPMP");
	restored = bpmp_restore(guard->host, &undo, true, &journal);
	log_info("put back: %u requests, %u failed", restored.steps, restored.failed);
	bpmp_restore_log_kept(&undo);
	if (restored.failed)
		log_warning("what failed is in the journal: the next start of this VM tries again, "
			    "and so does bpmp-vmm restore");
	return restored.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int bpmp_guard_serve(struct bpmp_guard *guard)
{
	if (write(guard->machine, "", 1) != 1 && errno != EPIPE)
		log_warning("cannot tell the machine that the guard is ready (error %d)", errno);
	if (wait_for_both_ends(guard) < 0)
		return EXIT_FAILURE;
	return put_back(guard);
}
