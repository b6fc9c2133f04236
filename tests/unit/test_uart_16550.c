/* SPDX-License-Identifier: Apache-2.0 */
/* The 16550A's registers, by the PC16550D data sheet's chapters and as Linux' 8250 driver tests. */
#include "devices/serial/uart_16550.h"

#include <criterion/criterion.h>
#include <string.h>

enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR };
#define FCR IIR

static struct uart_16550 uart;

/* The other end. */
static uint8_t sent[4096], offered[64];
static size_t sent_count, takes = SIZE_MAX, offered_count;
static bool line;
static int64_t clock_ms;

static size_t fake_send(struct uart_16550 *from, const uint8_t *data, size_t size)
{
	size_t count = size < takes ? size : takes;

	(void)from;
	memcpy(sent + sent_count, data, count);
	sent_count += count;
	takes -= takes == SIZE_MAX ? 0 : count;
	return count;
}

static size_t fake_receive(struct uart_16550 *to, uint8_t *data, size_t size)
{
	size_t count = size < offered_count ? size : offered_count;

	(void)to;
	memcpy(data, offered, count);
	offered_count -= count;
	memmove(offered, offered + count, offered_count);
	return count;
}

static void fake_line(struct uart_16550 *of, bool level)
{
	(void)of;
	cr_assert_neq(level, line, "changes only");
	line = level;
}

static int64_t fake_now(struct uart_16550 *of)
{
	(void)of;
	return clock_ms;
}

static const struct uart_16550_ops ops = { fake_send, fake_receive, fake_line, fake_now };

static void begin(void)
{
	uart_16550_init(&uart, "uart", 0, &ops);
}

static void end(void)
{
	uart_16550_destroy(&uart);
}

TestSuite(uart_16550, .init = begin, .fini = end, .timeout = 20);

static uint8_t rd(uint64_t offset)
{
	return (uint8_t)uart.region.ops->read(&uart.region, offset, 1);
}

static void wr(uint64_t offset, uint8_t value)
{
	uart.region.ops->write(&uart.region, offset, 1, value);
}

static void offer(const char *text)
{
	offered_count = strlen(text);
	memcpy(offered, text, offered_count);
	uart_16550_wake(&uart);
}

/* 8.0, table IV: after a master reset. */
Test(uart_16550, power_on_state)
{
	cr_assert_eq(rd(IER), 0);
	cr_assert_eq(rd(IIR), 0x01);
	cr_assert_eq(rd(LCR), 0);
	cr_assert_eq(rd(MCR), 0);
	cr_assert_eq(rd(LSR), 0x60);
	cr_assert_eq(rd(MSR), 0xb0, "the other end is there: CTS, DSR, DCD");
	cr_assert_eq(rd(SCR), 0);
	cr_assert_eq(rd(8), 0);
	cr_assert_not(line);
}

/* 8.1, 8.2: DLAB hides data and interrupt enable; 8.9: scratch. */
Test(uart_16550, divisor_latch_and_scratch)
{
	wr(LCR, 0x83);
	wr(DATA, 0x34);
	wr(IER, 0x12);
	cr_assert_eq(rd(DATA), 0x34);
	cr_assert_eq(rd(IER), 0x12);
	wr(LCR, 0x03);
	cr_assert_eq(rd(LCR), 0x03);
	cr_assert_eq(rd(IER), 0);
	cr_assert_eq(sent_count, 0);
	wr(SCR, 0xa5);
	cr_assert_eq(rd(SCR), 0xa5);
}

/* Linux' autoconfiguration: the bits of IER that exist, the FIFOs that FCR shows. */
Test(uart_16550, what_linux_probes)
{
	wr(IER, 0xff);
	cr_assert_eq(rd(IER), 0x0f);
	wr(IER, 0);
	wr(MCR, 0x1a); /* LOOP, OUT2, RTS */
	cr_assert_eq(rd(MSR) & 0xf0, 0x90, "DCD and CTS");
	wr(MCR, 0);
	wr(FCR, 0x01);
	cr_assert_eq(rd(IIR) & 0xc0, 0xc0);
	wr(FCR, 0);
	cr_assert_eq(rd(IIR) & 0xc0, 0);
}

/* 8.7: what is sent comes back, nothing goes out or in; 8.3: overrun. */
Test(uart_16550, loopback)
{
	wr(FCR, 0x01);
	wr(MCR, 0x10);
	offer("x");
	cr_assert_eq(rd(LSR), 0x60, "disconnected");
	for (uint8_t i = 0; i < 17; i++)
		wr(DATA, i);
	cr_assert_eq(sent_count, 0);
	cr_assert_eq(rd(LSR), 0x63, "the 17th overran");
	cr_assert_eq(rd(LSR), 0x61, "which is told once");
	for (uint8_t i = 0; i < 16; i++)
		cr_assert_eq(rd(DATA), i);
	cr_assert_eq(rd(LSR), 0x60);
	wr(MCR, 0);
	cr_assert_eq(rd(LSR), 0x61, "the other end again");
	cr_assert_eq(rd(DATA), 'x');
}

/* What waits to be sent stays there meanwhile: the transmitter is not empty. */
Test(uart_16550, loopback_does_not_empty_the_transmitter)
{
	wr(FCR, 0x01);
	takes = 0;
	wr(DATA, 'a');
	wr(MCR, 0x10);
	wr(DATA, 'b');
	wr(IER, 0x02);
	cr_assert_eq(rd(IIR) & 0x0f, 0x01);
	cr_assert_not(line);
}

/* 8.3: without FIFOs the last character stays. */
Test(uart_16550, loopback_of_a_16450)
{
	wr(MCR, 0x10);
	wr(DATA, 1);
	wr(DATA, 2);
	cr_assert_eq(rd(LSR), 0x63);
	cr_assert_eq(rd(DATA), 2);
}

/* 8.8: changes of the inputs, until they are read; bit 2 for the end of a ring. */
Test(uart_16550, modem_status)
{
	wr(MCR, 0x10);
	cr_assert_eq(rd(MSR), 0x0b, "CTS, DSR and DCD fell");
	wr(IER, 0x08);
	cr_assert_not(line);
	wr(MCR, 0x14);
	cr_assert_not(line, "a ring that begins");
	cr_assert_eq(rd(MSR), 0x40);
	wr(MCR, 0x10);
	cr_assert(line);
	cr_assert_eq(rd(IIR), 0x00);
	cr_assert_eq(rd(MSR), 0x04);
	cr_assert_not(line);
	cr_assert_eq(rd(IIR), 0x01);
}

/* 8.5, table III: sources by priority, each with what resets it. */
Test(uart_16550, interrupt_priorities)
{
	wr(MCR, 0x10);
	wr(DATA, 1);
	wr(DATA, 2);
	wr(IER, 0x0f);
	cr_assert(line);
	cr_assert_eq(rd(IIR), 0x06);
	cr_assert_eq(rd(LSR), 0x63);
	cr_assert_eq(rd(IIR), 0x04);
	cr_assert_eq(rd(DATA), 2);
	cr_assert_eq(rd(IIR), 0x02);
	cr_assert_eq(rd(IIR), 0x00, "reading it was the answer");
	cr_assert_eq(rd(MSR), 0x0b);
	cr_assert_eq(rd(IIR), 0x01);
	cr_assert_not(line);
}

/* Linux' THRE test: enabling the interrupt of an empty transmitter raises it, each time. */
Test(uart_16550, empty_transmitter_interrupts_when_enabled)
{
	for (int i = 0; i < 2; i++) {
		wr(IER, 0x02);
		cr_assert(line);
		cr_assert_eq(rd(IIR), 0x02);
		cr_assert_not(line);
		wr(IER, 0);
	}
	wr(IER, 0x02);
	rd(IIR);
	wr(DATA, 'a');
	cr_assert(line, "sent, and empty again");
	cr_assert_arr_eq(sent, "a", 1);
}

/* 8.4: trigger levels; below one, what is there is told as a time-out. */
Test(uart_16550, receive_fifo)
{
	wr(FCR, 0x81); /* 8 bytes */
	wr(IER, 0x01);
	offer("1234567");
	cr_assert(line);
	cr_assert_eq(rd(IIR), 0xcc);
	offer("89abcdefghijkl");
	cr_assert_eq(rd(IIR), 0xc4);
	cr_assert_eq(offered_count, 5, "no more than 16 are taken");
	for (const char *c = "123456789abcdefghijkl"; *c; c++)
		cr_assert_eq(rd(DATA), *c);
	cr_assert_not(line);
	cr_assert_eq(rd(LSR), 0x60);
	cr_assert_eq(rd(DATA), 0, "nothing is there");
}

/* 8.4: bits 1 and 2 clear the FIFOs, and so does a change of bit 0. */
Test(uart_16550, fifos_are_cleared)
{
	wr(FCR, 0x01);
	offer("abc");
	wr(FCR, 0x03);
	cr_assert_eq(rd(LSR), 0x60);
	offer("abc");
	wr(FCR, 0x00);
	cr_assert_eq(rd(LSR), 0x60);
	takes = 0;
	wr(FCR, 0x01);
	wr(DATA, 'x');
	cr_assert_eq(rd(LSR), 0x00);
	wr(FCR, 0x05);
	cr_assert_eq(rd(LSR), 0x60);
	takes = SIZE_MAX;
	uart_16550_wake(&uart);
	cr_assert_eq(sent_count, 0);
}

/* A driver that waits for the interrupt waits, and loses nothing but what it wrote over the top. */
Test(uart_16550, other_end_that_takes_nothing)
{
	wr(FCR, 0x01);
	wr(IER, 0x02);
	rd(IIR);
	takes = 0;
	for (uint8_t i = 0; i < 20; i++)
		wr(DATA, i);
	cr_assert_not(line);
	clock_ms = 999;
	cr_assert_eq(rd(LSR), 0x00);
	takes = 6;
	uart_16550_wake(&uart);
	cr_assert_not(line, "not empty yet");
	takes = SIZE_MAX;
	uart_16550_wake(&uart);
	cr_assert(line);
	cr_assert_eq(rd(LSR), 0x60);
	cr_assert_eq(sent_count, 16);
	for (uint8_t i = 0; i < 16; i++)
		cr_assert_eq(sent[i], i);
}

/* A guest that polls goes on after a second, without what it wrote, until something is taken. */
Test(uart_16550, polling_ends)
{
	takes = 0;
	wr(DATA, 'a');
	clock_ms = 999;
	cr_assert_eq(rd(LSR), 0x00);
	clock_ms = 1000;
	cr_assert_eq(rd(LSR), 0x60);
	for (int i = 0; i < 3; i++) {
		wr(DATA, 'b');
		cr_assert_eq(rd(LSR), 0x60, "no second wait");
	}
	takes = 1;
	wr(DATA, 'c');
	cr_assert_arr_eq(sent, "c", 1);
	wr(DATA, 'd');
	cr_assert_eq(rd(LSR), 0x00, "and now it waits again");
	clock_ms = 1999;
	cr_assert_eq(rd(LSR), 0x00);
	clock_ms = 2000;
	cr_assert_eq(rd(LSR), 0x60);
}

/* Nobody polls while the driver sleeps: a wake-up alone discards nothing. */
Test(uart_16550, waking_discards_nothing)
{
	takes = 0;
	wr(DATA, 'a');
	clock_ms = 100000;
	uart_16550_wake(&uart);
	takes = 1;
	uart_16550_wake(&uart);
	cr_assert_arr_eq(sent, "a", 1);
}

Test(uart_16550, wide_accesses_touch_one_register_after_the_other)
{
	uart.region.ops->write(&uart.region, LCR, 2, 0x1003);
	cr_assert_eq(rd(LCR), 0x03);
	cr_assert_eq(rd(MCR), 0x10);
	cr_assert_eq(uart.region.ops->read(&uart.region, LCR, 4) & 0xffffff, 0x601003);
	cr_assert_eq(uart.region.ops->read(&uart.region, 0xff8, 8), 0);
	uart.region.ops->write(&uart.region, 0xff8, 8, UINT64_MAX);
}

/* What each register is after a reset, and which bits of a store stay. DATA keeps nothing. */
static const struct {
	uint8_t power_on, writable;
} table[8] = { [IER] = { 0, 0x0f },
	[IIR] = { 0x01, 0 },
	[LCR] = { 0, 0xff },
	[MCR] = { 0, 0x1f },
	[LSR] = { 0x60, 0 },
	[MSR] = { 0xb0, 0 },
	[SCR] = { 0, 0xff } };

static void store_changes_what_it_covers(uint64_t offset, unsigned int width)
{
	static const uint64_t kept[] = { IER, LCR, MCR, SCR };

	uart_16550_reset(&uart);
	/* No bit of it is that of the divisor latch, or that of the loop. */
	uart.region.ops->write(&uart.region, offset, width, 0x6867666564636261);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		uint64_t at = kept[i];
		uint8_t expected = table[at].power_on;

		if (at >= offset && at < offset + width)
			expected = (uint8_t)(0x61 + (at - offset)) & table[at].writable;
		cr_assert_eq(rd(at), expected, "%u after %u bytes at 0x%x", (unsigned int)at, width,
			(unsigned int)offset);
	}
}

static void load_is_made_of_bytes(uint64_t offset, unsigned int width)
{
	uint64_t expected = 0;

	for (uint64_t i = 0; i < width; i++)
		if (offset + i < 8)
			expected |= (uint64_t)table[offset + i].power_on << 8 * i;
	cr_assert_eq(uart.region.ops->read(&uart.region, offset, width), expected,
		"%u bytes at 0x%x", width, (unsigned int)offset);
}

Test(uart_16550, every_offset_and_width)
{
	for (unsigned int width = 1; width <= 8; width *= 2)
		for (uint64_t offset = 0; offset + width <= uart.region.size; offset++) {
			sent_count = 0;
			store_changes_what_it_covers(offset, width);
			cr_assert_eq(sent_count, offset == 0, "only DATA goes out");
		}
	uart_16550_reset(&uart);
	for (unsigned int width = 1; width <= 8; width *= 2)
		for (uint64_t offset = 0; offset + width <= uart.region.size; offset++)
			load_is_made_of_bytes(offset, width);
}

Test(uart_16550, reset)
{
	wr(FCR, 0x01);
	wr(IER, 0x0f);
	wr(LCR, 0x83);
	wr(MCR, 0x1f);
	wr(SCR, 1);
	cr_assert(line);
	uart_16550_reset(&uart);
	cr_assert_not(line);
	cr_assert_eq(rd(IER), 0);
	cr_assert_eq(rd(IIR), 1);
	cr_assert_eq(rd(LCR) | rd(MCR) | rd(SCR), 0);
	cr_assert_eq(rd(LSR), 0x60);
	cr_assert_eq(rd(MSR), 0xb0);
}
