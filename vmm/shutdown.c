/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/shutdown.h"

#include "devices/gpio_pl061.h"
#include "vmm/base/clock.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/vm.h"
#include "vmm/vm_control.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

/*
 * A press that the guest's driver sees before anybody there listens to it is lost, so it is
 * repeated; a guest that is on its way down ignores it.
 */
#define PRESS_EVERY_S 5

/* Presses the key and waits for the next time, or for the end of the grace period. */
static int press(struct vm *vm, int64_t left)
{
	const struct itimerspec when = { .it_value.tv_sec =
						 left < PRESS_EVERY_S ? left : PRESS_EVERY_S };

	if (timerfd_settime(vm->shutdown.timer.fd, 0, &when, NULL) < 0)
		return -errno;
	gpio_press_power_key(vm->power_key);
	return 0;
}

static void on_timer(struct event_source *source)
{
	struct vm *vm = container_of(source, struct vm, shutdown.timer);
	int64_t left = vm->shutdown.deadline - clock_ms() / 1000;
	char reason[96];

	if (!event_take(source->fd))
		return;
	if (left > 0 && press(vm, left) == 0)
		return;
	snprintf(reason, sizeof(reason), "stopped: the guest did not power down within %llu s",
		(unsigned long long)vm->options->grace);
	machine_end(&vm->machine, MACHINE_STOPPED, NULL, reason);
}

int shutdown_open(struct vm *vm)
{
	struct event_source *timer = &vm->shutdown.timer;

	*timer = (struct event_source){ timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		on_timer };
	return timer->fd < 0 ? -errno : event_loop_add(&vm->loop, timer);
}

static const char *name_of(int number)
{
	return number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : "SIGHUP";
}

/* False when the guest cannot be given its time. */
static bool ask(struct vm *vm, const char *name)
{
	int64_t grace = (int64_t)vm->options->grace;
	int error;

	if (grace == 0 || !vm->power_key)
		return false;
	/* A paused guest cannot power down. */
	vm_control_resume(vm, "for its end");
	vm->shutdown.deadline = clock_ms() / 1000 + grace;
	error = press(vm, grace);
	if (error) {
		log_error("cannot time --grace: %s", strerror(-error));
		return false;
	}
	vm->shutdown.asked = true;
	log_info("%s: pressed the guest's power key; it is stopped in %lld s, or by a second "
		 "signal",
		name, (long long)grace);
	return true;
}

void shutdown_on_signal(struct vm *vm, int number)
{
	char reason[64];

	if (vm->shutdown.asked && number == SIGHUP)
		return;
	if (!vm->shutdown.asked && ask(vm, name_of(number)))
		return;
	snprintf(reason, sizeof(reason), "stopped by %s", name_of(number));
	machine_end(&vm->machine, MACHINE_STOPPED, NULL, reason);
}
