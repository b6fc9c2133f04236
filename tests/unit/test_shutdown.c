/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: the first asks the guest, the end of the grace period or a second one stops it. */
#include "devices/gpio_pl061.h"
#include "tests/unit/fakes.h"
#include "vmm/shutdown.h"
#include "vmm/vm.h"
#include "vmm/vm_control.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>

#define STOPPED	    "machine ends 4: -: "
#define KEY_IS_DOWN 8

static struct vm the_vm;
static struct options options = { .grace = 1 };

/* Instead of the one that has vCPUs to run. */
void vm_control_resume(struct vm *vm, const char *by)
{
	(void)by;
	vm->paused = false;
}

static void begin(void)
{
	fake_log_capture();
	the_vm.options = &options;
	the_vm.machine.layout = &the_vm.layout;
	the_vm.machine.bus = &the_vm.bus;
	the_vm.machine.loop = &the_vm.loop;
	the_vm.machine.kvm = &the_vm.kvm;
	layout_init(&the_vm.layout);
	cr_assert_eq(event_loop_open(&the_vm.loop), 0);
	cr_assert_eq(shutdown_open(&the_vm), 0);
	cr_assert_eq(gpio_create(&the_vm.machine, &the_vm.power_key), 0);
	cr_assert_eq(MACHINE_STOPPED, 4);
}

static void end(void)
{
	the_vm.power_key->ops->destroy(the_vm.power_key);
	close(the_vm.shutdown.timer.fd);
	event_loop_close(&the_vm.loop);
}

TestSuite(shutdown, .init = begin, .fini = end, .timeout = 120);

/* As the guest would read it, but without having "seen" it: as raw level interrupt. */
static int key(void)
{
	uint8_t level[8] = { KEY_IS_DOWN }, data[8];

	mmio_bus_access(&the_vm.bus, 0x09030404, level, 1, true);
	mmio_bus_access(&the_vm.bus, 0x0903040c, level, 1, true);
	mmio_bus_access(&the_vm.bus, 0x09030414, data, 1, false);
	return data[0] & KEY_IS_DOWN;
}

static void wait_for_an_end(void)
{
	for (int i = 0; i < 600 && !strlen(fake_trace_text()); i++)
		event_loop_run_once(&the_vm.loop, 100);
}

Test(shutdown, the_first_signal_presses_the_key)
{
	cr_assert_eq(key(), 0);
	shutdown_on_signal(&the_vm, SIGINT);
	cr_assert_eq(key(), KEY_IS_DOWN);
	cr_assert(the_vm.shutdown.asked);
	cr_assert_str_empty(fake_trace_text());
	cr_assert_not_null(strstr(fake_log_text(), "SIGINT: pressed the guest's power key"));
}

Test(shutdown, a_paused_guest_runs_again_to_power_down)
{
	the_vm.paused = true;
	shutdown_on_signal(&the_vm, SIGTERM);
	cr_assert(!the_vm.paused);
	cr_assert_eq(key(), KEY_IS_DOWN);
}

Test(shutdown, the_end_of_the_grace_period_stops)
{
	shutdown_on_signal(&the_vm, SIGTERM);
	wait_for_an_end();
	cr_assert_str_eq(
		fake_trace_text(), STOPPED "stopped: the guest did not power down within 1 s\n");
}

/* The guest's driver has read the key, and nobody there cared: it is down again later. */
Test(shutdown, the_key_is_pressed_again)
{
	uint8_t data[8];

	options.grace = 86400;
	shutdown_on_signal(&the_vm, SIGTERM);
	mmio_bus_access(&the_vm.bus, 0x090303fc, data, 1, false);
	cr_assert_eq(data[0], KEY_IS_DOWN);
	for (int i = 0; i < 600 && key(); i++)
		event_loop_run_once(&the_vm.loop, 100);
	cr_assert_eq(key(), 0);
	for (int i = 0; i < 600 && !key(); i++)
		event_loop_run_once(&the_vm.loop, 100);
	cr_assert_eq(key(), KEY_IS_DOWN);
	cr_assert_str_empty(fake_trace_text());
}

Test(shutdown, a_second_signal_stops_but_no_second_hangup)
{
	options.grace = 86400;
	shutdown_on_signal(&the_vm, SIGHUP);
	shutdown_on_signal(&the_vm, SIGHUP);
	cr_assert_str_empty(fake_trace_text());
	shutdown_on_signal(&the_vm, SIGTERM);
	cr_assert_str_eq(fake_trace_text(), STOPPED "stopped by SIGTERM\n");
}

Test(shutdown, without_a_grace_period_the_first_one_stops)
{
	options.grace = 0;
	shutdown_on_signal(&the_vm, SIGHUP);
	cr_assert_str_eq(fake_trace_text(), STOPPED "stopped by SIGHUP\n");
	cr_assert_eq(key(), 0);
}
