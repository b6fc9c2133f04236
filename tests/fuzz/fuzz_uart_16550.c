/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The 16550's registers between a driver and another end that do anything. A copy of the device
 * goes the same way in accesses of one byte: a wide one is these, one after the other.
 *
 * Input: steps of a byte: bits 0 and 1 the width, bit 2 a load, bit 3 anywhere in the window rather
 * than at a register, bits 4 to 6 the register; with bit 7 the other end: it has something (0x80),
 * takes something again (0x90), time passes (0xa0), the guest is reset (0xb0).
 */
#include "devices/serial/uart_16550.h"
#include "tests/fuzz/fuzz_input.h"
#include "vmm/base/util.h"

#define STEPS 2000

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A device and its other end; copied as a whole. */
struct side {
	struct uart_16550 uart;
	uint8_t offered[32];
	size_t offered_count, takes;
	size_t written, sent; /* bytes */
	int64_t now;
	bool line;
};

static struct side *to_side(struct uart_16550 *uart)
{
	return container_of(uart, struct side, uart);
}

static size_t send_on(struct uart_16550 *uart, const uint8_t *data, size_t size)
{
	struct side *side = to_side(uart);
	size_t count = size < side->takes ? size : side->takes;

	fuzz_check(data == uart->transmit.bytes && size == uart->transmit.count && size != 0);
	fuzz_check(size <= sizeof(uart->transmit.bytes));
	side->takes -= count;
	side->sent += count;
	return count;
}

/* 8.7: with LOOP nothing comes in. */
static size_t receive(struct uart_16550 *uart, uint8_t *data, size_t size)
{
	struct side *side = to_side(uart);
	size_t count = size < side->offered_count ? size : side->offered_count;

	fuzz_check(!(uart->modem_control & 0x10));
	fuzz_check(data == uart->receive.bytes + uart->receive.count);
	fuzz_check(size != 0 && uart->receive.count + size <= sizeof(uart->receive.bytes));
	memcpy(data, side->offered, count);
	side->offered_count -= count;
	memmove(side->offered, side->offered + count, side->offered_count);
	return count;
}

static void set_line(struct uart_16550 *uart, bool level)
{
	fuzz_check(level != to_side(uart)->line);
	to_side(uart)->line = level;
}

static int64_t now_ms(struct uart_16550 *uart)
{
	return to_side(uart)->now;
}

static const struct uart_16550_ops ops = { send_on, receive, set_line, now_ms };

static uint64_t load(struct side *side, uint64_t offset, unsigned int width)
{
	return side->uart.region.ops->read(&side->uart.region, offset, width);
}

static void store_byte(struct side *side, uint64_t offset, uint8_t value)
{
	if (offset == DATA && !(side->uart.line_control & 0x80) &&
		!(side->uart.modem_control & 0x10))
		side->written++;
	side->uart.region.ops->write(&side->uart.region, offset, 1, value);
}

/* What a load of one register gives now, without doing what a load does. */
static uint8_t peek(const struct side *side, uint64_t offset)
{
	struct side copy;

	memcpy(&copy, side, sizeof(copy));
	return (uint8_t)load(&copy, offset, 1);
}

static void check_same(const struct side *wide, const struct side *narrow)
{
	const struct uart_16550 *one = &wide->uart, *other = &narrow->uart;

	fuzz_check(memcmp(&one->enable, &other->enable,
			   sizeof(*one) - offsetof(struct uart_16550, enable)) == 0);
	fuzz_check(wide->sent == narrow->sent && wide->offered_count == narrow->offered_count);
	fuzz_check(wide->line == narrow->line);
}

static void check_state(const struct side *side)
{
	const struct uart_16550 *uart = &side->uart;
	uint8_t interrupt = peek(side, IIR), status = peek(side, LSR);
	size_t room = uart->fifo_control & 1 ? UART_16550_FIFO : 1;

	fuzz_check(side->line == !(interrupt & 1) && side->line == uart->line);
	/* Table III: what is identified is enabled. */
	fuzz_check(!side->line || uart->enable != 0);
	fuzz_check((interrupt & 0xc0) == (uart->fifo_control & 1 ? 0xc0 : 0));
	fuzz_check((interrupt & 0x30) == 0);
	fuzz_check((interrupt & 0x0f) != 0x02 || (status & 0x20) != 0);
	fuzz_check((status & 0x9c) == 0 && !(status & 0x20) == !(status & 0x40));
	fuzz_check(uart->receive.count <= room && uart->transmit.count <= room);
	fuzz_check(side->sent <= side->written);
	fuzz_check((uart->enable & 0xf0) == 0 && (uart->modem_control & 0xe0) == 0);
	fuzz_check(peek(side, LCR) == uart->line_control && peek(side, SCR) == uart->scratch);
	fuzz_check(peek(side, MCR) == uart->modem_control);
}

/* What is kept of a store is what is read back. */
static void check_kept(const struct side *side, uint64_t offset, uint8_t value)
{
	bool latch = (side->uart.line_control & 0x80) != 0;

	if (offset == LCR || offset == SCR)
		fuzz_check(peek(side, offset) == value);
	else if (offset == MCR)
		fuzz_check(peek(side, offset) == (value & 0x1f));
	else if (offset == IER)
		fuzz_check(peek(side, offset) == (latch ? value : value & 0x0f));
	else if (offset == DATA && latch)
		fuzz_check(peek(side, offset) == value);
}

static void one_store(struct side *side, uint64_t offset, unsigned int width, uint64_t value)
{
	struct side narrow;

	memcpy(&narrow, side, sizeof(narrow));
	for (unsigned int i = 0; i < width; i++) {
		store_byte(&narrow, offset + i, (uint8_t)(value >> 8 * i));
		check_state(&narrow);
		check_kept(&narrow, offset + i, (uint8_t)(value >> 8 * i));
	}
	side->uart.region.ops->write(&side->uart.region, offset, width, value);
	side->written = narrow.written;
	check_same(side, &narrow);
}

static void one_load(struct side *side, uint64_t offset, unsigned int width)
{
	struct side narrow;
	uint64_t value = 0;

	memcpy(&narrow, side, sizeof(narrow));
	for (unsigned int i = 0; i < width; i++) {
		uint64_t byte = load(&narrow, offset + i, 1);

		fuzz_check(byte <= UINT8_MAX && (offset + i < 8 || byte == 0));
		value |= byte << 8 * i;
		check_state(&narrow);
	}
	fuzz_check(load(side, offset, width) == value);
	check_same(side, &narrow);
}

static void one_access(struct side *side, struct fuzz_input *input, uint8_t step)
{
	unsigned int width = 1u << (step & 3);
	uint64_t offset = step >> 4 & 7, value = 0;
	uint16_t place;

	if (step & 8) {
		fuzz_take(input, &place, sizeof(place));
		offset = place % (side->uart.region.size - width + 1);
	}
	if (step & 4) {
		one_load(side, offset, width);
		return;
	}
	fuzz_take(input, &value, width);
	one_store(side, offset, width, value);
}

/* 8.0 */
static void reset(struct side *side)
{
	uart_16550_reset(&side->uart);
	fuzz_check(!side->line && side->uart.receive.count + side->uart.transmit.count == 0);
	for (uint64_t offset = IER; offset <= SCR; offset++) {
		static const uint8_t power_on[] = {
			[IIR] = 0x01, [LSR] = 0x60, [MSR] = 0xb0, [SCR] = 0
		};

		if (offset != LSR || side->offered_count == 0)
			fuzz_check(peek(side, offset) == power_on[offset]);
	}
}

static void other_end(struct side *side, struct fuzz_input *input, uint8_t step)
{
	size_t more = step & 15;

	switch (step >> 4 & 3) {
	case 0:
		if (more > sizeof(side->offered) - side->offered_count)
			more = sizeof(side->offered) - side->offered_count;
		fuzz_take(input, side->offered + side->offered_count, more);
		side->offered_count += more;
		uart_16550_wake(&side->uart);
		break;
	case 1:
		side->takes = more == 15 ? SIZE_MAX / 2 : more;
		uart_16550_wake(&side->uart);
		break;
	case 2:
		side->now += fuzz_byte(input) * 10;
		break;
	default:
		reset(side);
	}
	check_state(side);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct side side;

	memset(&side, 0, sizeof(side));
	uart_16550_init(&side.uart, "fuzz", 0, &ops);
	for (int i = 0; i < STEPS && input.left; i++) {
		uint8_t step = fuzz_byte(&input);

		if (step & 0x80)
			other_end(&side, &input, step);
		else
			one_access(&side, &input, step);
		check_state(&side);
	}
	uart_16550_destroy(&side.uart);
	return 0;
}
