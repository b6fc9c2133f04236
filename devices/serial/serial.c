/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's side of the early UART: other end, worker, place in the machine. */
#include "devices/serial/serial.h"

#include "devices/device.h"
#include "devices/serial/serial_worker.h"
#include "devices/serial/uart_16550.h"
#include "devices/virtio/console_endpoint.h"
#include "fdt/builder.h"
#include "vmm/base/clock.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#define WINDOW_END     0x0a000000ull

#define GIC_SPI	       0
#define IRQ_LEVEL_HIGH 4

/* The PC's crystal; drivers divide it by 16 for the fastest rate, which means nothing here. */
#define CLOCK_HZ       1843200

/* How long the worker may take for the last words and the terminal. */
#define END_GRACE_MS   1000

struct serial {
	struct device device;
	struct uart_16550 uart;
	uint32_t spi;
	struct console_endpoint endpoint;
	struct worker worker;
	struct event_source wake;  /* eventfd: the worker has taken or given bytes */
	struct event_source stop;  /* eventfd: Ctrl-A x was typed */
	struct event_source ended; /* the worker has */
};

static struct serial *to_serial(struct uart_16550 *uart)
{
	return container_of(uart, struct serial, uart);
}

static size_t serial_send(struct uart_16550 *uart, const uint8_t *data, size_t size)
{
	ssize_t n = send(to_serial(uart)->worker.socket, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return size; /* the worker is gone: the event loop ends the VM */
	return n > 0 ? (size_t)n : 0;
}

static size_t serial_receive(struct uart_16550 *uart, uint8_t *data, size_t size)
{
	ssize_t n = recv(to_serial(uart)->worker.socket, data, size, MSG_DONTWAIT);

	return n > 0 ? (size_t)n : 0;
}

static void serial_set_line(struct uart_16550 *uart, bool level)
{
	struct serial *serial = to_serial(uart);

	/* Fails only when there is no VM, and then there is nobody to interrupt. */
	(void)kvm_vm_set_spi(serial->device.machine->kvm, serial->spi, level);
}

static int64_t serial_now_ms(struct uart_16550 *uart)
{
	(void)uart;
	return clock_ms();
}

static const struct uart_16550_ops uart_ops = {
	.send = serial_send,
	.receive = serial_receive,
	.set_line = serial_set_line,
	.now_ms = serial_now_ms,
};

static void on_wake(struct event_source *source)
{
	struct serial *serial = container_of(source, struct serial, wake);

	if (event_take(source->fd))
		uart_16550_wake(&serial->uart);
}

static void on_stop(struct event_source *source)
{
	struct serial *serial = container_of(source, struct serial, stop);

	if (event_take(source->fd))
		machine_end(serial->device.machine, MACHINE_STOPPED, NULL,
			"stopped from the early UART (Ctrl-A x)");
}

static void on_ended(struct event_source *source)
{
	struct serial *serial = container_of(source, struct serial, ended);
	char reason[128];

	event_loop_remove(serial->device.machine->loop, source);
	worker_reap(&serial->worker, reason, sizeof(reason));
	machine_end(serial->device.machine, MACHINE_DEVICE_FAILED, serial->device.name, reason);
}

static int serial_describe(struct device *device, struct fdt_builder *fdt)
{
	struct serial *serial = container_of(device, struct serial, device);
	const uint64_t reg[][2] = { { serial->uart.region.base, serial->uart.region.size } };
	char path[64];

	snprintf(path, sizeof(path), "/serial@%" PRIx64, reg[0][0]);
	fdt_begin(fdt, "%s", path + 1);
	fdt_str(fdt, "compatible", "ns16550a");
	fdt_reg(fdt, reg, 1);
	fdt_cell_list(fdt, "interrupts", GIC_SPI, serial->spi, IRQ_LEVEL_HIGH);
	fdt_u32(fdt, "clock-frequency", CLOCK_HZ);
	fdt_end(fdt);
	fdt_builder_alias(fdt, "serial", path);
	return 0;
}

static void serial_quiesce(struct device *device)
{
	uart_16550_reset(&container_of(device, struct serial, device)->uart);
}

static void close_events(struct serial *serial)
{
	struct event_loop *loop = serial->device.machine->loop;

	if (serial->worker.pid_fd >= 0)
		event_loop_remove(loop, &serial->ended);
	close_fd(&serial->wake.fd); /* which takes it out of the event loop, too */
	close_fd(&serial->stop.fd);
}

static void serial_destroy(struct device *device)
{
	struct serial *serial = container_of(device, struct serial, device);

	event_loop_remove(device->machine->loop, &serial->wake);
	event_loop_remove(device->machine->loop, &serial->stop);
	close_events(serial);
	worker_stop(&serial->worker, END_GRACE_MS);
	/* After the worker is gone: it may have been killed with the terminal in its hands. */
	console_endpoint_close(&serial->endpoint);
	uart_16550_destroy(&serial->uart);
	free(serial);
}

static const struct device_ops serial_ops = {
	.describe = serial_describe,
	.quiesce = serial_quiesce,
	.destroy = serial_destroy,
};

static int start_worker(struct serial *serial)
{
	const struct serial_start start = { .kind = serial->endpoint.kind };
	const int fds[] = { serial->stop.fd, serial->wake.fd, serial->endpoint.fd,
		serial->endpoint.output_fd };
	size_t fd_count = serial->endpoint.output_fd >= 0 ? 4 : 3;
	/* Not to die with the machine: it puts the terminal back when the machine was killed. */
	int error = worker_start_with(
		&serial->worker, "serial", fds, fd_count, false, &start, sizeof(start));

	if (error)
		return error;
	serial->ended = (struct event_source){ serial->worker.pid_fd, on_ended };
	return event_loop_add(serial->device.machine->loop, &serial->ended);
}

static int open_events(struct serial *serial)
{
	struct event_loop *loop = serial->device.machine->loop;
	int error;

	serial->wake = (struct event_source){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_wake };
	serial->stop = (struct event_source){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_stop };
	error = serial->wake.fd < 0 || serial->stop.fd < 0 ? -errno : 0;
	if (!error)
		error = event_loop_add(loop, &serial->wake);
	if (!error)
		error = event_loop_add(loop, &serial->stop);
	if (error)
		log_error("early UART: cannot have an eventfd: %s", strerror(-error));
	return error;
}

static int add_registers(struct serial *serial)
{
	struct machine *machine = serial->device.machine;
	uint64_t base = 0;
	int error;

	error = layout_place(machine->layout, "early UART (--serial)", SERIAL_BASE,
		WINDOW_END - SERIAL_BASE, 0x1000, &base);
	if (!error)
		error = layout_place_spi(machine->layout, "early UART", SERIAL_SPI, &serial->spi);
	if (error || machine->planning)
		return error;
	uart_16550_init(&serial->uart, "early UART", base, &uart_ops);
	return mmio_bus_add(machine->bus, &serial->uart.region);
}

int serial_create(
	struct machine *machine, const struct console_options *options, struct device **device)
{
	struct serial *serial = calloc(1, sizeof(*serial));
	int error;

	*device = NULL;
	if (!serial)
		return -ENOMEM;
	serial->device = (struct device){ &serial_ops, "early UART", machine };
	serial->worker.pid_fd = serial->worker.socket = -1;
	serial->wake.fd = serial->stop.fd = -1;
	if (machine->planning) {
		error = add_registers(serial);
		free(serial);
		return error;
	}
	error = console_endpoint_open(&serial->endpoint, "serial", options);
	if (!error) {
		error = open_events(serial);
		if (!error)
			error = start_worker(serial);
		/* Last: the bus and the layout forget nothing. */
		if (!error)
			error = add_registers(serial);
		if (error) {
			close_events(serial);
			worker_stop(&serial->worker, 0);
			console_endpoint_close(&serial->endpoint);
		}
	}
	if (error) {
		free(serial);
		return error;
	}
	*device = &serial->device;
	return 0;
}

uint64_t serial_base(struct device *device)
{
	const struct serial *serial = container_of(device, struct serial, device);

	return serial->uart.region.base;
}
