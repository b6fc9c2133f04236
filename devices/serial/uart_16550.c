/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/serial/uart_16550.h"

#include "vmm/base/util.h"

#include <string.h>

#define REGISTERS 0x1000ull

/* Register addresses (table I); 0 and 1 are the divisor latch with DLAB. */
enum {
	DATA,
	ENABLE,
	IDENTIFY_OR_FIFO,
	LINE_CONTROL,
	MODEM_CONTROL,
	LINE_STATUS,
	MODEM_STATUS,
	SCRATCH
};

/* 8.6 interrupt enable */
#define IER_RECEIVED 0x01
#define IER_EMPTY    0x02
#define IER_LINE     0x04
#define IER_MODEM    0x08

/* 8.5 interrupt identification, by priority */
#define IIR_NONE     0x01
#define IIR_LINE     0x06
#define IIR_RECEIVED 0x04
#define IIR_TIMEOUT  0x0c
#define IIR_EMPTY    0x02
#define IIR_MODEM    0x00
#define IIR_FIFOS    0xc0

/* 8.4 FIFO control */
#define FCR_ENABLE   0x01
#define FCR_CLEAR_RX 0x02
#define FCR_CLEAR_TX 0x04

#define LCR_DLAB     0x80

/* 8.7 modem control */
#define MCR_DTR	     0x01
#define MCR_RTS	     0x02
#define MCR_OUT1     0x04
#define MCR_OUT2     0x08
#define MCR_LOOP     0x10

/* 8.3 line status */
#define LSR_READY    0x01
#define LSR_OVERRUN  0x02
#define LSR_EMPTY    0x60 /* holding register and transmitter */

/* 8.8 modem status */
#define MSR_CTS	     0x10
#define MSR_DSR	     0x20
#define MSR_RI	     0x40
#define MSR_DCD	     0x80

static bool fifos_enabled(const struct uart_16550 *uart)
{
	return (uart->fifo_control & FCR_ENABLE) != 0;
}

static size_t capacity(const struct uart_16550 *uart)
{
	return fifos_enabled(uart) ? UART_16550_FIFO : 1;
}

static void drop_first(struct uart_16550_fifo *fifo, size_t count)
{
	fifo->count -= count;
	memmove(fifo->bytes, fifo->bytes + count, fifo->count);
}

/* 8.7: with LOOP the outputs are the inputs; else the other end is always ready. */
static uint8_t modem_inputs(const struct uart_16550 *uart)
{
	uint8_t control = uart->modem_control;

	if (!(control & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (uint8_t)((control & MCR_RTS ? MSR_CTS : 0) | (control & MCR_DTR ? MSR_DSR : 0) |
		(control & MCR_OUT1 ? MSR_RI : 0) | (control & MCR_OUT2 ? MSR_DCD : 0));
}

/* 8.4: RCVR trigger levels */
static size_t trigger(const struct uart_16550 *uart)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return fifos_enabled(uart) ? levels[uart->fifo_control >> 6] : 1;
}

/* The interrupt of the highest priority (table III). */
static uint8_t identify(const struct uart_16550 *uart)
{
	if (uart->enable & IER_LINE && uart->overrun)
		return IIR_LINE;
	if (uart->enable & IER_RECEIVED && uart->receive.count >= trigger(uart))
		return IIR_RECEIVED;
	/* No time passes between characters: what is there has waited long enough. */
	if (uart->enable & IER_RECEIVED && uart->receive.count > 0)
		return IIR_TIMEOUT;
	if (uart->enable & IER_EMPTY && uart->transmitter_empty)
		return IIR_EMPTY;
	if (uart->enable & IER_MODEM && uart->modem_deltas)
		return IIR_MODEM;
	return IIR_NONE;
}

static void update_line(struct uart_16550 *uart)
{
	bool level = identify(uart) != IIR_NONE;

	if (level == uart->line)
		return;
	uart->line = level;
	uart->ops->set_line(uart, level);
}

/* Takes in what the other end has for us, as far as there is room (8.7: LOOP disconnects it). */
static void pull(struct uart_16550 *uart)
{
	size_t room = capacity(uart);

	room = uart->receive.count < room ? room - uart->receive.count : 0;
	if (room > 0 && !(uart->modem_control & MCR_LOOP))
		uart->receive.count +=
			uart->ops->receive(uart, uart->receive.bytes + uart->receive.count, room);
}

/*
 * Sends on. While the other end takes nothing, the transmitter is busy, as with a slow line; after
 * a second of it a guest that looks finds its output discarded, so that none polls for ever. A
 * driver that waits for the interrupt waits on.
 */
static void flush(struct uart_16550 *uart, bool guest_looks)
{
	size_t sent;

	if (uart->transmit.count == 0)
		return;
	sent = uart->ops->send(uart, uart->transmit.bytes, uart->transmit.count);
	if (sent > 0) {
		drop_first(&uart->transmit, sent);
		uart->discarding = false;
		uart->stalled_since = uart->ops->now_ms(uart);
	} else if (uart->discarding ||
		(guest_looks &&
			uart->ops->now_ms(uart) - uart->stalled_since >= UART_16550_STALL_MS)) {
		uart->discarding = true;
		uart->transmit.count = 0;
	}
	if (uart->transmit.count == 0)
		uart->transmitter_empty = true;
}

/* 8.3: a full FIFO keeps what it has and loses the new character; a lone register is overwritten.
 */
static void loop_back(struct uart_16550 *uart, uint8_t byte)
{
	struct uart_16550_fifo *fifo = &uart->receive;

	if (fifo->count >= capacity(uart)) {
		uart->overrun = true;
		if (!fifos_enabled(uart))
			fifo->bytes[0] = byte;
		return;
	}
	fifo->bytes[fifo->count++] = byte;
}

static void transmit(struct uart_16550 *uart, uint8_t byte)
{
	uart->transmitter_empty = false;
	if (uart->modem_control & MCR_LOOP) {
		loop_back(uart, byte);
		uart->transmitter_empty = uart->transmit.count == 0;
		return;
	}
	if (uart->transmit.count == 0)
		uart->stalled_since = uart->ops->now_ms(uart);
	/* A driver that does not wait for room loses what it writes. */
	if (uart->transmit.count < capacity(uart))
		uart->transmit.bytes[uart->transmit.count++] = byte;
	flush(uart, true);
}

static uint8_t read_data(struct uart_16550 *uart)
{
	uint8_t byte = 0;

	if (uart->receive.count > 0) {
		byte = uart->receive.bytes[0];
		drop_first(&uart->receive, 1);
	}
	if (uart->receive.count == 0)
		pull(uart);
	return byte;
}

static uint8_t read_identification(struct uart_16550 *uart)
{
	uint8_t reason = identify(uart);

	if (reason == IIR_EMPTY)
		uart->transmitter_empty = false; /* table III: reading it is an answer */
	return (uint8_t)(reason | (fifos_enabled(uart) ? IIR_FIFOS : 0));
}

static uint8_t read_line_status(struct uart_16550 *uart)
{
	uint8_t status;

	flush(uart, true);
	pull(uart);
	status = (uint8_t)((uart->receive.count > 0 ? LSR_READY : 0) |
		(uart->overrun ? LSR_OVERRUN : 0) | (uart->transmit.count == 0 ? LSR_EMPTY : 0));
	uart->overrun = false;
	return status;
}

static uint8_t read_register(struct uart_16550 *uart, uint64_t offset)
{
	bool latch = (uart->line_control & LCR_DLAB) != 0;
	uint8_t value;

	switch (offset) {
	case DATA:
		return latch ? uart->divisor_low : read_data(uart);
	case ENABLE:
		return latch ? uart->divisor_high : uart->enable;
	case IDENTIFY_OR_FIFO:
		return read_identification(uart);
	case LINE_CONTROL:
		return uart->line_control;
	case MODEM_CONTROL:
		return uart->modem_control;
	case LINE_STATUS:
		return read_line_status(uart);
	case MODEM_STATUS:
		value = modem_inputs(uart) | uart->modem_deltas;
		uart->modem_deltas = 0;
		return value;
	case SCRATCH:
		return uart->scratch;
	default:
		return 0;
	}
}

/* 8.6: an empty transmitter interrupts when its interrupt is enabled, Linux tests for it. */
static void write_enable(struct uart_16550 *uart, uint8_t value)
{
	value &= IER_RECEIVED | IER_EMPTY | IER_LINE | IER_MODEM;
	if (value & ~uart->enable & IER_EMPTY && uart->transmit.count == 0)
		uart->transmitter_empty = true;
	uart->enable = value;
}

/* 8.4: bits other than 0 count only with bit 0; a change of bit 0 empties both FIFOs. */
static void write_fifo_control(struct uart_16550 *uart, uint8_t value)
{
	bool changed = ((value ^ uart->fifo_control) & FCR_ENABLE) != 0;

	if (!(value & FCR_ENABLE))
		value = 0;
	if (changed || value & FCR_CLEAR_RX)
		uart->receive.count = 0;
	if (changed || value & FCR_CLEAR_TX) {
		uart->transmit.count = 0;
		uart->transmitter_empty = true;
	}
	uart->fifo_control = value & (uint8_t) ~(FCR_CLEAR_RX | FCR_CLEAR_TX);
	pull(uart);
}

static void write_modem_control(struct uart_16550 *uart, uint8_t value)
{
	uint8_t before = modem_inputs(uart), changed;

	uart->modem_control = value & 0x1f;
	changed = before ^ modem_inputs(uart);
	/* 8.8: bit 2 is for the end of a ring alone. */
	if (!(before & MSR_RI))
		changed &= (uint8_t)~MSR_RI;
	uart->modem_deltas |= changed >> 4;
	pull(uart);
}

static void write_register(struct uart_16550 *uart, uint64_t offset, uint8_t value)
{
	bool latch = (uart->line_control & LCR_DLAB) != 0;

	switch (offset) {
	case DATA:
		if (latch)
			uart->divisor_low = value;
		else
			transmit(uart, value);
		break;
	case ENABLE:
		if (latch)
			uart->divisor_high = value;
		else
			write_enable(uart, value);
		break;
	case IDENTIFY_OR_FIFO:
		write_fifo_control(uart, value);
		break;
	case LINE_CONTROL:
		uart->line_control = value;
		break;
	case MODEM_CONTROL:
		write_modem_control(uart, value);
		break;
	case SCRATCH:
		uart->scratch = value;
		break;
	default: /* 8.3, 8.8: the status registers are for reading */
		break;
	}
}

static struct uart_16550 *to_uart(struct mmio_region *region)
{
	return container_of(region, struct uart_16550, region);
}

/* A wider access touches one register after the other. */
static uint64_t uart_read(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	struct uart_16550 *uart = to_uart(region);
	uint64_t value = 0;

	pthread_mutex_lock(&uart->lock);
	for (unsigned int i = 0; i < width; i++)
		value |= (uint64_t)read_register(uart, offset + i) << i * 8;
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
	return value;
}

static void uart_write(
	struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value)
{
	struct uart_16550 *uart = to_uart(region);

	pthread_mutex_lock(&uart->lock);
	for (unsigned int i = 0; i < width; i++)
		write_register(uart, offset + i, (uint8_t)(value >> i * 8));
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
}

static const struct mmio_ops registers = { uart_read, uart_write };

void uart_16550_init(
	struct uart_16550 *uart, const char *name, uint64_t base, const struct uart_16550_ops *ops)
{
	*uart = (struct uart_16550){
		.region = { name, base, REGISTERS, &registers },
		.ops = ops,
		.transmitter_empty = true,
	};
	pthread_mutex_init(&uart->lock, NULL);
}

void uart_16550_destroy(struct uart_16550 *uart)
{
	pthread_mutex_destroy(&uart->lock);
}

void uart_16550_wake(struct uart_16550 *uart)
{
	pthread_mutex_lock(&uart->lock);
	flush(uart, false);
	pull(uart);
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
}

void uart_16550_reset(struct uart_16550 *uart)
{
	pthread_mutex_lock(&uart->lock);
	flush(uart, false);
	uart->enable = uart->fifo_control = uart->line_control = uart->modem_control = 0;
	uart->divisor_low = uart->divisor_high = uart->scratch = uart->modem_deltas = 0;
	uart->overrun = false;
	uart->receive.count = uart->transmit.count = 0;
	uart->transmitter_empty = true;
	update_line(uart);
	pthread_mutex_unlock(&uart->lock);
}
