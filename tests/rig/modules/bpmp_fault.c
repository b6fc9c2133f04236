// SPDX-License-Identifier: GPL-2.0
/* Errors and delays that a test asks for by writing to debugfs. */
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "rig_bpmp.h"

int rig_fault_parse(struct rig_fault *fault, char *text)
{
	char *word;

	*fault = (struct rig_fault){ .mrq = RIG_ANY };
	text = strim(text);
	word = strsep(&text, " ");
	if (!strcmp(word, "off") && !text)
		return 0;
	if (!strcmp(word, "next"))
		fault->when = RIG_FAULT_NEXT;
	else if (!strcmp(word, "every"))
		fault->when = RIG_FAULT_EVERY;
	else
		return -EINVAL;
	while ((word = strsep(&text, " "))) {
		if (!strcmp(word, "done"))
			fault->done = true;
		else if (sscanf(word, "errno=%d", &fault->error) != 1 &&
			sscanf(word, "ret=%d", &fault->result) != 1 &&
			sscanf(word, "hang=%u", &fault->hang_ms) != 1 &&
			sscanf(word, "mrq=%u", &fault->mrq) != 1)
			return -EINVAL;
	}
	return fault->error < 0 || fault->result > 0 ? -EINVAL : 0;
}

void rig_fault_set(struct rig_bpmp *bpmp, const struct rig_fault *fault)
{
	mutex_lock(&bpmp->lock);
	bpmp->fault = *fault;
	bpmp->fault_writes++;
	mutex_unlock(&bpmp->lock);
	wake_up_all(&bpmp->fault_changed);
}

int rig_fault_apply(struct rig_bpmp *bpmp, struct rig_mrq *mrq, bool *execute)
{
	struct rig_fault fault;
	unsigned int writes;

	*execute = true;
	mutex_lock(&bpmp->lock);
	fault = bpmp->fault;
	writes = bpmp->fault_writes;
	if (fault.when == RIG_FAULT_OFF || (fault.mrq != RIG_ANY && fault.mrq != mrq->mrq)) {
		mutex_unlock(&bpmp->lock);
		return 0;
	}
	if (fault.when == RIG_FAULT_NEXT)
		bpmp->fault.when = RIG_FAULT_OFF;
	mutex_unlock(&bpmp->lock);

	/* Uninterruptible, as a wait for the chip's answer is: not even SIGKILL ends it. */
	if (fault.hang_ms)
		wait_event_timeout(bpmp->fault_changed, READ_ONCE(bpmp->fault_writes) != writes,
			msecs_to_jiffies(fault.hang_ms));
	if (fault.error) {
		*execute = fault.done;
	} else if (fault.result) {
		rig_firmware_decode(mrq);
		mrq->result = fault.result;
		*execute = false;
	}
	return -fault.error;
}
