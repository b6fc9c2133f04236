/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Register files in the machine with several vCPUs in them and the event loop beside: each access
 * is whole, and the interrupt line follows. The thread sanitizer says whether the locks are enough.
 */
#include "devices/device.h"
#include "devices/gpio_pl061.h"
#include "devices/rtc_pl031.h"
#include "devices/serial/uart_16550.h"
#include "tests/unit/fakes.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VCPUS	 3
#define ACCESSES 400
#define TURNS	 40 /* of the event loop */

static struct layout layout;
static struct mmio_bus bus;
static struct event_loop loop;
static struct kvm_vm kvm;
static struct machine machine = { .layout = &layout, .bus = &bus, .loop = &loop, .kvm = &kvm };
static struct device *device;
static struct mmio_region *registers;
static uint64_t places; /* accesses begin below this offset */

static void begin(void)
{
	fake_log_capture();
	layout_init(&layout);
	cr_assert_eq(event_loop_open(&loop), 0);
}

static void end(void)
{
	if (device != NULL)
		device->ops->destroy(device);
	event_loop_close(&loop);
}

TestSuite(register_files, .init = begin, .fini = end, .timeout = 60);

static uint64_t load(uint64_t offset, unsigned int width)
{
	return registers->ops->read(registers, offset, width);
}

static void store(uint64_t offset, unsigned int width, uint64_t value)
{
	registers->ops->write(registers, offset, width, value);
}

static void *vcpu(void *argument)
{
	unsigned int seed = (unsigned int)(uintptr_t)argument;

	for (int i = 0; i < ACCESSES; i++) {
		unsigned int chance = (unsigned int)rand_r(&seed), width = 1u << (chance & 3);
		uint64_t offset = (chance >> 4) % places;

		if (chance & 4)
			load(offset & ~3ull, width);
		else
			store(offset & ~3ull, width, (uint64_t)rand_r(&seed) << 24 | chance);
	}
	return NULL;
}

static void run_vcpus(void (*beside)(void))
{
	pthread_t threads[VCPUS];

	for (uintptr_t i = 0; i < VCPUS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, vcpu, (void *)(i + 1)), 0);
	for (int i = 0; i < TURNS; i++)
		beside();
	for (size_t i = 0; i < VCPUS; i++)
		pthread_join(threads[i], NULL);
}

/* A level is told when it changes, and in order; returns the last. */
static bool line_told(const char *raised, const char *lowered)
{
	const char *text = fake_trace_text();
	bool line = false;

	while (strlen(text) >= strlen(raised)) {
		cr_assert(
			strncmp(text, line ? lowered : raised, strlen(raised)) == 0, "%.40s", text);
		text += strlen(raised);
		line = !line;
	}
	return line;
}

/* --- PrimeCells ---------------------------------------------------------------------------------
 */

static void key_and_reset(void)
{
	static int turn;

	gpio_press_power_key(device);
	cr_assert_eq(event_loop_run_once(&loop, 1), 0);
	if (++turn % 16 == 0)
		device->ops->quiesce(device);
}

Test(register_files, several_vcpus_at_a_pl061)
{
	cr_assert_eq(gpio_create(&machine, &device), 0);
	registers = bus.regions[0];
	places = 0x430;
	run_vcpus(key_and_reset);
	store(0x410, 4, 0xff);
	cr_assert_eq(line_told("kvm spi 7 1\n", "kvm spi 7 0\n"), load(0x418, 4) != 0);
}

static void alarm_and_reset(void)
{
	static int turn;

	cr_assert_eq(event_loop_run_once(&loop, 1), 0);
	if (++turn % 16 == 0)
		device->ops->quiesce(device);
	/* Now, or next second. */
	store(0x04, 4, load(0x00, 4));
	store(0x10, 4, 1);
}

Test(register_files, several_vcpus_at_a_pl031)
{
	cr_assert_eq(rtc_create(&machine, &device), 0);
	registers = bus.regions[0];
	places = 0x24;
	run_vcpus(alarm_and_reset);
	cr_assert_eq(line_told("kvm spi 2 1\n", "kvm spi 2 0\n"), load(0x18, 4) != 0);
}

/* --- the 16550 ----------------------------------------------------------------------------------
 */

/* Under the device's lock, as the interface has it; the sanitizer looks. */
static struct {
	size_t sent, given;
	bool line;
} other_end;

static size_t take(struct uart_16550 *uart, const uint8_t *data, size_t size)
{
	(void)uart, (void)data;
	other_end.sent += size;
	return size;
}

static size_t give(struct uart_16550 *uart, uint8_t *data, size_t size)
{
	(void)uart;
	if (other_end.given++ % 4 != 0)
		return 0;
	memset(data, 'x', size);
	return size;
}

static void set_line(struct uart_16550 *uart, bool level)
{
	(void)uart;
	cr_assert_neq(level, other_end.line);
	other_end.line = level;
}

static int64_t now(struct uart_16550 *uart)
{
	(void)uart;
	return 0;
}

static struct uart_16550 uart;

static void wake_and_reset(void)
{
	static int turn;

	uart_16550_wake(&uart);
	if (++turn % 16 == 0)
		uart_16550_reset(&uart);
}

Test(register_files, several_vcpus_at_a_16550)
{
	static const struct uart_16550_ops ops = { take, give, set_line, now };

	uart_16550_init(&uart, "uart", 0, &ops);
	registers = &uart.region;
	places = 12;
	run_vcpus(wake_and_reset);
	cr_assert_leq(uart.receive.count, UART_16550_FIFO);
	cr_assert_eq(other_end.line, (load(2, 1) & 1) == 0);
	uart_16550_destroy(&uart);
}
