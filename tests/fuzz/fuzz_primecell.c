/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The power key's PL061 and the clock's PL031, by accesses of any width to any place, held against
 * what DDI 0190B and DDI 0224B say that they read as.
 *
 * Input: steps of a byte: bit 0 which of the two, bits 1 and 2 the width, bit 3 a load, bits 4 to 6
 * anywhere (7) or near a register; then 16 bits of place and, of a store, the value. From 0xf0 on:
 * the key is pressed, its time is over, the alarm's time has come, the guest is reset.
 */
#include "devices/device.h"
#include "devices/gpio_pl061.h"
#include "devices/rtc_pl031.h"
#include "tests/fuzz/fuzz_input.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"
#include "vmm/base/util.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#define STEPS	  1000
#define CELL_SIZE 0x1000u
#define KEY	  8u

/* Where QEMU's board has them, and what comes after 0xfdc (DDI 0190B table 3-1, 0224B table 3-1).
 */
static const uint64_t bases[] = { 0x09030000, 0x09010000 };
static const uint32_t spis[] = { 7, 2 };
static const uint8_t ids[][8] = { { 0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 },
	{ 0x31, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1 } };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The rules of the data sheets a second time, in short. */
static struct {
	uint8_t output, direction, sense, both, event, enable, alternate, edges, input;
	bool seen;
} gpio;

static struct {
	uint32_t match, loaded, mask, raw;
	uint32_t least, most; /* what the guest's time may be ahead of the host's */
	bool matched;	      /* in this step no time was left */
} rtc;

static bool lines[2];
static int timer_count;
static int timers[2]; /* eventfds in the timers' place */

/* time() may be a tick behind. */
static uint32_t host_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint32_t)now.tv_sec;
}

/* --- in the place of KVM and of timers ------------------------------------------------------ */

int kvm_vm_set_spi(struct kvm_vm *vm, uint32_t spi, bool level)
{
	size_t cell = spi == spis[0] ? 0 : 1;

	(void)vm;
	fuzz_check(spi == spis[cell] && lines[cell] != level);
	lines[cell] = level;
	return 0;
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): its names are reserved */
int timerfd_create(clockid_t clock, int flags)
{
	(void)flags;
	fuzz_check(timer_count < 2 && (clock == CLOCK_MONOTONIC || clock == CLOCK_REALTIME));
	timers[timer_count] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return timers[timer_count++];
}

int timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *old)
{
	(void)old;
	event_take(fd);
	fuzz_check(when->it_interval.tv_sec == 0 && when->it_interval.tv_nsec == 0);
	if (fd == timers[1]) {
		bool armed = when->it_value.tv_sec != 0;
		struct timespec now;

		rtc.matched = rtc.matched || !armed;
		fuzz_check(!armed || flags == TFD_TIMER_ABSTIME);
		/* The match is at most 2^32 seconds away. Not by time(), which is a tick behind. */
		clock_gettime(CLOCK_REALTIME, &now);
		fuzz_check(!armed ||
			(when->it_value.tv_sec >= now.tv_sec - 60 &&
				when->it_value.tv_sec - now.tv_sec <= UINT32_MAX));
	} else {
		fuzz_check(when->it_value.tv_nsec == 100000000 || when->it_value.tv_nsec == 0);
	}
	return 0;
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

/* --- the rules ------------------------------------------------------------------------------ */

static uint8_t pins(void)
{
	return (uint8_t)((gpio.output & gpio.direction) | (gpio.input & ~gpio.direction));
}

static uint8_t gpio_raw(void)
{
	uint8_t raw = 0;

	for (unsigned int bit = 1; bit < 0x100; bit <<= 1) {
		bool level = (pins() & bit) == (gpio.event & bit), edge = (gpio.edges & bit) != 0;
		bool by_level = (gpio.sense & bit) != 0;

		if (by_level ? level : edge)
			raw |= (uint8_t)bit;
	}
	return raw;
}

static uint32_t gpio_word(uint32_t offset)
{
	const uint8_t words[] = { gpio.direction, gpio.sense, gpio.both, gpio.event, gpio.enable,
		gpio_raw(), gpio_raw() & gpio.enable, 0, gpio.alternate };

	if (offset < 0x400)
		return pins() & (offset >> 2);
	return offset - 0x400 < 4 * sizeof(words) ? words[(offset - 0x400) / 4] : 0;
}

static uint32_t rtc_word(uint32_t offset)
{
	const uint32_t words[] = { 0, rtc.match, rtc.loaded, 1, rtc.mask, rtc.raw,
		rtc.raw & rtc.mask };

	return offset < sizeof(words) ? words[offset / 4] : 0;
}

static uint32_t word(size_t cell, uint32_t offset)
{
	if (offset >= 0xfe0)
		return ids[cell][(offset - 0xfe0) / 4];
	return cell == 0 ? gpio_word(offset) : rtc_word(offset);
}

/* An edge of the key, unless its line is an output or has levels. */
static void move_key(uint8_t input)
{
	bool rises = (input & KEY) != 0, wants_rise = (gpio.event & KEY) != 0;

	if (input != gpio.input && !((gpio.direction | gpio.sense) & KEY) &&
		(gpio.both & KEY || rises == wants_rise))
		gpio.edges |= KEY;
	gpio.input = input;
}

static void gpio_store(uint32_t offset, uint8_t value)
{
	uint8_t *words[] = { &gpio.direction, &gpio.sense, &gpio.both, &gpio.event, &gpio.enable,
		NULL, NULL, NULL, &gpio.alternate };
	uint8_t mask = (uint8_t)(offset >> 2);

	if (offset < 0x400)
		gpio.output = (uint8_t)((gpio.output & ~mask) | (value & mask));
	else if (offset == 0x41c)
		gpio.edges &= (uint8_t)~value;
	else if (offset < 0x424 && words[(offset - 0x400) / 4] != NULL)
		*words[(offset - 0x400) / 4] = value;
}

static void rtc_store(uint32_t offset, uint32_t value, uint32_t before)
{
	uint32_t now = host_seconds();

	switch (offset) {
	case 0x04:
		rtc.match = value;
		break;
	case 0x08:
		rtc.loaded = value;
		rtc.least = value - now;
		rtc.most = value - before;
		break;
	case 0x10:
		rtc.mask = value & 1;
		break;
	case 0x1c:
		rtc.raw &= ~value;
		break;
	default:
		break;
	}
}

/* --- the devices ------------------------------------------------------------------------------ */

static struct layout layout;
static struct mmio_bus bus;
static struct event_loop loop;
static struct kvm_vm kvm;
static struct machine machine = { .layout = &layout, .bus = &bus, .loop = &loop, .kvm = &kvm };
static struct device *devices[2];

static bool in_cell(uint32_t offset, unsigned int width)
{
	return offset + width <= CELL_SIZE;
}

static uint64_t load(size_t cell, uint32_t offset, unsigned int width)
{
	uint8_t data[8];
	uint64_t value;

	fuzz_check(mmio_bus_access(&bus, bases[cell] + offset, data, width, false) ==
		in_cell(offset, width));
	memcpy(&value, data, sizeof(value));
	return value;
}

/* Whether a match is now, as it is set, cannot be told from outside. */
static void follow_clock(void)
{
	uint32_t before = host_seconds(), shown = (uint32_t)load(1, 0, 4);
	uint32_t after = host_seconds(), raw = (uint32_t)load(1, 0x14, 4);

	fuzz_check(shown - (before + rtc.least) <= after - before + (rtc.most - rtc.least));
	fuzz_check(raw == rtc.raw || (raw == 1 && rtc.matched));
	rtc.raw = raw;
	rtc.matched = false;
}

static void check_all(void)
{
	follow_clock();
	for (uint32_t offset = 0x04; offset <= 0x20; offset += 4)
		fuzz_check(load(1, offset, 4) == word(1, offset));
	for (uint32_t offset = 0x400; offset <= 0x424; offset += 4)
		fuzz_check(load(0, offset, 4) == word(0, offset));
	/* All lines but the key's, which would count as looked at. */
	fuzz_check(load(0, (0xffu & ~KEY) << 2, 4) == word(0, (0xffu & ~KEY) << 2));
	fuzz_check(lines[0] == ((gpio_raw() & gpio.enable) != 0));
	fuzz_check(lines[1] == ((rtc.raw & rtc.mask) != 0));
}

static void one_load(size_t cell, uint32_t offset, unsigned int width)
{
	uint64_t value = load(cell, offset, width), expected = 0, known = 0;

	if (!in_cell(offset, width)) {
		fuzz_check(value == 0);
		return;
	}
	for (unsigned int i = 0; i < width; i++) {
		uint32_t at = offset + i;

		expected |= (uint64_t)(word(cell, at & ~3u) >> 8 * (at & 3) & 0xff) << 8 * i;
		if (cell == 1 && at < 4)
			continue; /* the time goes on, check_all() looks at it */
		known |= UINT64_C(0xff) << 8 * i;
	}
	fuzz_check((value & known) == (expected & known));
	for (uint32_t at = offset & ~3u; cell == 0 && at < offset + width; at += 4)
		if (at < 0x400 && at >> 2 & KEY && pins() & KEY)
			gpio.seen = true;
}

static void one_store(size_t cell, uint32_t offset, unsigned int width, uint64_t value)
{
	uint32_t before = host_seconds();
	uint8_t data[8];

	memcpy(data, &value, sizeof(data));
	fuzz_check(mmio_bus_access(&bus, bases[cell] + offset, data, width, true) ==
		in_cell(offset, width));
	if (!in_cell(offset, width) || offset % 4 != 0 || (cell == 1 && width < 4))
		return;
	for (unsigned int at = 0; at < width; at += 4) {
		if (offset + at >= 0xfe0)
			break;
		if (cell == 0)
			gpio_store(offset + at, (uint8_t)(value >> 8 * at));
		else
			rtc_store(offset + at, (uint32_t)(value >> 8 * at), before);
	}
}

static void one_access(struct fuzz_input *input, uint8_t step)
{
	unsigned int width = 1u << (step >> 1 & 3);
	size_t cell = step & 1;
	uint64_t value = 0;
	uint16_t offset;

	fuzz_take(input, &offset, sizeof(offset));
	switch (step >> 4 & 7) {
	case 7:
		offset %= CELL_SIZE;
		break;
	case 6:
		offset = (uint16_t)(0xfd8 + offset % 0x28);
		break;
	default:
		offset = (uint16_t)(cell == 0 ? 0x3fc + offset % 0x2c : offset % 0x24);
		if (step & 0x80)
			offset &= (uint16_t)~3u;
	}
	if (step & 8) {
		one_load(cell, offset, width);
		return;
	}
	fuzz_take(input, &value, width);
	one_store(cell, offset, width, value);
}

static void time_is_over(int timer)
{
	event_signal(timers[timer]);
	fuzz_check(event_loop_run_once(&loop, 0) == 0);
}

static void reset(void)
{
	for (size_t i = 0; i < 2; i++)
		devices[i]->ops->quiesce(devices[i]);
	memset(&gpio, 0, sizeof(gpio));
	memset(&rtc, 0, sizeof(rtc));
}

static void from_outside(uint8_t step)
{
	switch (step & 3) {
	case 0:
		gpio_press_power_key(devices[0]);
		gpio.seen = false;
		move_key(KEY);
		break;
	case 1:
		time_is_over(0);
		if (gpio.seen)
			move_key(0);
		break;
	case 2:
		time_is_over(1);
		rtc.raw = 1;
		break;
	default:
		reset();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };

	if (bus.count == 0) {
		layout_init(&layout);
		fuzz_check(event_loop_open(&loop) == 0);
		fuzz_check(gpio_create(&machine, &devices[0]) == 0);
		fuzz_check(rtc_create(&machine, &devices[1]) == 0);
	}
	reset();
	check_all();
	for (int i = 0; i < STEPS && input.left; i++) {
		uint8_t step = fuzz_byte(&input);

		if (step >= 0xf0)
			from_outside(step);
		else
			one_access(&input, step);
		check_all();
	}
	return 0;
}
