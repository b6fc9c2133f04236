/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/device.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A failure outranks what the guest asks for: a reset cannot mend a device that is gone. */
static bool outranks(enum machine_end new, enum machine_end old)
{
	bool guest_asked = old == MACHINE_RESET || old == MACHINE_PANIC;

	return guest_asked && new != MACHINE_RESET &&new != MACHINE_PANIC;
}

void machine_end(
	struct machine *machine, enum machine_end why, const char *device, const char *reason)
{
	struct machine_ending *ending = &machine->ending;

	pthread_mutex_lock(&ending->lock);
	if (!ending->requested || outranks(why, ending->why)) {
		ending->requested = true;
		ending->why = why;
		if (device)
			log_error("the %s failed: %s", device, reason);
		else if (reason)
			log_info("%s", reason);
	}
	pthread_mutex_unlock(&ending->lock);
	event_signal(ending->wake_fd);
}

bool machine_end_requested(struct machine *machine, enum machine_end *why)
{
	struct machine_ending *ending = &machine->ending;
	bool requested;

	pthread_mutex_lock(&ending->lock);
	requested = ending->requested;
	*why = ending->why;
	pthread_mutex_unlock(&ending->lock);
	return requested;
}

void machine_end_forget(struct machine *machine)
{
	pthread_mutex_lock(&machine->ending.lock);
	machine->ending.requested = false;
	pthread_mutex_unlock(&machine->ending.lock);
}
