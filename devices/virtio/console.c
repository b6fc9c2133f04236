/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's side of the console: its other end, its worker, its place in the machine. */
#include "devices/virtio/console.h"

#include "devices/virtio/console_endpoint.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <linux/virtio_ids.h>

/* Receive and transmit, without VIRTIO_CONSOLE_F_MULTIPORT (5.3.2). */
#define QUEUE_COUNT  2
#define QUEUE_SIZE   64

/* How long the worker may take to put the terminal back. */
#define END_GRACE_MS 1000

struct console {
	struct virtio_device virtio;
	struct console_endpoint endpoint;
	struct event_source stop; /* eventfd: Ctrl-A x was typed */
	bool hinted;		  /* once, however often the guest restarts */
};

static void stop_requested(struct event_source *source)
{
	struct console *console = container_of(source, struct console, stop);

	if (event_take(source->fd))
		machine_end(console->virtio.device.machine, MACHINE_STOPPED, NULL,
			"stopped from the console (Ctrl-A x)");
}

static void console_destroy(struct device *device)
{
	struct console *console = container_of(device, struct console, virtio.device);

	event_loop_remove(device->machine->loop, &console->stop);
	virtio_device_close(&console->virtio, END_GRACE_MS);
	/* After the worker is gone: it may have been killed with the terminal in its hands. */
	console_endpoint_close(&console->endpoint);
	close_fd(&console->stop.fd);
	free(console);
}

/* As with a distribution's initrd, whose scripts restart the guest where they have no console. */
static void hint_at_other_console(struct console *console)
{
	const struct virtio_device *virtio = &console->virtio;

	if (console->hinted || !virtio->device.machine->guest_ended || virtio->mmio.was_driven)
		return;
	log_warning("the guest has ended without a driver for its console, hvc0; where that is a "
		    "module, its first words are seen with --console none --serial stdio and "
		    "console=ttyS0 in --cmdline");
	console->hinted = true;
}

static void console_quiesce(struct device *device)
{
	hint_at_other_console(container_of(device, struct console, virtio.device));
	virtio_device_quiesce(device);
}

static const struct device_ops console_ops = {
	.describe = virtio_device_describe,
	.attach = virtio_device_attach,
	.quiesce = console_quiesce,
	.destroy = console_destroy,
};

static int start_worker(struct console *console, struct worker *worker)
{
	const struct console_start start = { .kind = console->endpoint.kind };
	const int fds[] = { console->stop.fd, console->endpoint.fd, console->endpoint.output_fd };
	size_t fd_count = console->endpoint.output_fd >= 0 ? 3 : 2;

	/* Not to die with the machine: it puts the terminal back when the machine was killed. */
	return worker_start_with(worker, "console", fds, fd_count, false, &start, sizeof(start));
}

static int open_device(struct console *console, struct machine *machine)
{
	const struct virtio_device_options options = {
		.name = "console",
		.ops = &console_ops,
		.device_id = VIRTIO_ID_CONSOLE,
		.queue_count = QUEUE_COUNT,
		.queue_size_max = QUEUE_SIZE,
	};
	struct worker worker;
	int error;

	console->stop.ready = stop_requested;
	console->stop.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (console->stop.fd < 0) {
		error = -errno;
		log_error("console: cannot create an eventfd: %s", strerror(-error));
		return error;
	}
	error = event_loop_add(machine->loop, &console->stop);
	if (error != 0) {
		log_error("console: cannot watch an eventfd: %s", strerror(-error));
		return error;
	}
	error = start_worker(console, &worker);
	if (error == 0)
		error = virtio_device_init(&console->virtio, machine, &options, &worker);
	if (error != 0)
		event_loop_remove(machine->loop, &console->stop);
	return error;
}

int console_create(
	struct machine *machine, const struct console_options *options, struct device **device)
{
	struct console *console;
	int error;

	*device = NULL;
	if (machine->planning)
		return virtio_device_plan(machine, "console");
	console = calloc(1, sizeof(*console));
	if (console == NULL)
		return -ENOMEM;
	console->stop.fd = -1;
	error = console_endpoint_open(&console->endpoint, "console", options);
	if (error == 0)
		error = open_device(console, machine);
	if (error != 0) {
		console_endpoint_close(&console->endpoint);
		close_fd(&console->stop.fd);
		free(console);
		return error;
	}
	*device = &console->virtio.device;
	return 0;
}
