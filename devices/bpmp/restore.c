/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/restore.h"

#include "devices/bpmp/host.h"
#include "devices/bpmp/journal.h"
#include "devices/bpmp/message.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <stdio.h>

/* False where the clock's state makes the step needless; a state that nobody knows never does. */
static bool is_needed(struct bpmp_host *host, const struct bpmp_undo_step *step)
{
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_IS_ENABLED, step->call.id);
	struct bpmp_response response;

	if (!step->only_if_off && !step->only_if_on)
		return true;
	if (bpmp_host_ask(host, &request, &response) < 0 || response.error != 0)
		return true;
	return (bpmp_response_u32(&response) != 0) == step->only_if_on;
}

/* Returns 0, -EREMOTEIO when the firmware refused, or the host's error (both logged). */
static int apply(struct bpmp_host *host, const struct bpmp_undo_step *step)
{
	struct bpmp_request request = bpmp_undo_request(step);
	char text[64], reason[160];
	struct bpmp_response response;
	int error;

	error = bpmp_host_ask(host, &request, &response);
	if (error == 0 && response.error == 0)
		return 0;
	bpmp_call_text(&step->call, text, sizeof(text));
	if (error < 0)
		log_warning("cannot put back what the guest changed: %s: %s", text,
			bpmp_host_failure(&step->call, -error, reason, sizeof(reason)));
	else
		log_warning("cannot put back what the guest changed: %s: the firmware answered %d",
			text, response.error);
	return error < 0 ? error : -EREMOTEIO;
}

/* Returns what apply() does. */
static int take(struct bpmp_host *host, struct bpmp_undo *undo, const struct bpmp_undo_step *step,
	struct bpmp_journal *journal)
{
	int error = 0;

	if (is_needed(host, step)) {
		bpmp_undo_begin(undo, step);
		/* A journal that fails has said so; the step is more important than its record. */
		(void)bpmp_journal_store(journal, undo);
		error = apply(host, step);
	}
	if (error == 0)
		bpmp_undo_applied(undo, step);
	else if (error == -EREMOTEIO || !bpmp_errno_leaves_doubt(-error))
		bpmp_undo_failed(undo, step);
	(void)bpmp_journal_store(journal, undo);
	return error;
}

struct bpmp_restored bpmp_restore(
	struct bpmp_host *host, struct bpmp_undo *undo, bool end, struct bpmp_journal *journal)
{
	struct bpmp_undo_step steps[BPMP_MAX_UNDO_STEPS];
	size_t count = bpmp_undo_steps(undo, end, steps);
	struct bpmp_restored restored = { .steps = (unsigned int)count };
	int error = 0;

	for (size_t i = 0; i < count; i++) {
		/* A host that hangs takes ten minutes to say so: once is enough. */
		if (error != -ETIMEDOUT && error != -ETIME)
			error = take(host, undo, &steps[i], journal);
		restored.failed += error != 0;
	}
	return restored;
}

bool bpmp_restore_owed(const struct bpmp_undo *undo)
{
	struct bpmp_undo_step steps[BPMP_MAX_UNDO_STEPS];

	return bpmp_undo_steps(undo, true, steps) > 0;
}

void bpmp_restore_log_kept(const struct bpmp_undo *undo)
{
	char list[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < undo->kept_count && used < sizeof(list) - 16; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, " %u", undo->kept[i]);
	if (used)
		log_info("left enabled at the host, as others may rely on them by now: clocks%s",
			list);
}
