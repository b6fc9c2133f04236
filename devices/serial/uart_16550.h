/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers of a 16550A, a byte each, as National's PC16550D data sheet (June 1995) has them;
 * chapter numbers below are its. There is no baud rate: what is sent is with the other end at once,
 * or waits in the FIFO while that takes nothing. Machine process; the registers alone, no I/O.
 */
#ifndef DEVICES_SERIAL_UART_16550_H
#define DEVICES_SERIAL_UART_16550_H

#include "vmm/base/mmio.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART_16550_FIFO	    16

/* How long a guest that polls finds the transmitter busy before its output is discarded. */
#define UART_16550_STALL_MS 1000

struct uart_16550;

/* The rest of the device; called with the lock held, none may block. */
struct uart_16550_ops {
	/* The other end takes up to `size` bytes; returns how many it took. */
	size_t (*send)(struct uart_16550 *uart, const uint8_t *data, size_t size);
	/* Gives up to `size` bytes that have come from it. */
	size_t (*receive)(struct uart_16550 *uart, uint8_t *data, size_t size);
	void (*set_line)(struct uart_16550 *uart, bool level);
	int64_t (*now_ms)(struct uart_16550 *uart);
};

struct uart_16550_fifo {
	uint8_t bytes[UART_16550_FIFO];
	size_t count;
};

struct uart_16550 {
	struct mmio_region region;
	const struct uart_16550_ops *ops;
	pthread_mutex_t lock; /* of all below, and of the order of levels */

	uint8_t enable, fifo_control, line_control, modem_control, scratch;
	uint8_t divisor_low, divisor_high;
	uint8_t modem_deltas; /* the low half of the modem status */
	bool overrun;
	bool transmitter_empty; /* this interrupt waits to be seen */
	bool line;

	struct uart_16550_fifo receive, transmit;
	int64_t stalled_since; /* while `transmit` holds something */
	bool discarding;       /* the other end has taken nothing for too long */
};

void uart_16550_init(
	struct uart_16550 *uart, const char *name, uint64_t base, const struct uart_16550_ops *ops);
void uart_16550_destroy(struct uart_16550 *uart);

/* The other end has taken something, or has something for us. From any thread. */
void uart_16550_wake(struct uart_16550 *uart);

/* Master reset (8.0); the line goes down. */
void uart_16550_reset(struct uart_16550 *uart);

#endif
