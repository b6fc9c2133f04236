/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/window_device.h"

#include "devices/bpmp/bpmp.h"
#include "fdt/builder.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct bpmp_window_device *of(struct mmio_region *region)
{
	return container_of(region, struct bpmp_window_device, region);
}

static uint64_t window_read(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	struct bpmp_window_device *window = of(region);
	uint64_t value;

	pthread_mutex_lock(&window->access);
	value = bpmp_window_load(&window->window, offset, width);
	pthread_mutex_unlock(&window->access);
	return value;
}

/* Said once for each boot: a guest could fill the log. */
static void complain(struct bpmp_window_device *window, int error)
{
	if (error == -EPROTO)
		machine_end(window->device.machine, MACHINE_DEVICE_FAILED, "bpmp",
			"its worker sent what is no answer");
	if (window->complained)
		return;
	window->complained = true;
	if (error == -ETIMEDOUT)
		log_warning("a request of the guest's got no answer from the host's BPMP in time; "
			    "the guest sees an I/O error, and so it does until there is one");
}

/* The guest's store at the trigger: when this returns, its answer is in place. */
static void carry_out(struct bpmp_window_device *window, uint64_t value)
{
	struct bpmp_window_request request;
	struct bpmp_window_answer answer;
	uint32_t room;
	int error;

	pthread_mutex_lock(&window->requests);
	pthread_mutex_lock(&window->access);
	room = bpmp_window_take(&window->window, value, &request);
	pthread_mutex_unlock(&window->access);

	error = bpmp_window_link_ask(&window->link, &request, &answer);
	if (error)
		complain(window, error);

	pthread_mutex_lock(&window->access);
	if (error)
		bpmp_window_fail(&window->window);
	else
		bpmp_window_answer(&window->window, &answer, room);
	pthread_mutex_unlock(&window->access);
	pthread_mutex_unlock(&window->requests);
}

static void window_write(
	struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value)
{
	struct bpmp_window_device *window = of(region);
	bool trigger;

	pthread_mutex_lock(&window->access);
	trigger = bpmp_window_store(&window->window, offset, width, value);
	pthread_mutex_unlock(&window->access);
	if (trigger)
		carry_out(window, value);
}

static const struct mmio_ops window_registers = { .read = window_read, .write = window_write };

int bpmp_window_describe(struct device *device, struct fdt_builder *fdt)
{
	static const char compatible[] = "nvidia,tegra234-bpmp\0nvidia,tegra186-bpmp";
	struct bpmp_window_device *window = container_of(device, struct bpmp_window_device, device);

	fdt_begin(fdt, "bpmp");
	fdt_strings(fdt, "compatible", compatible, sizeof(compatible));
	fdt_u64(fdt, "virtual-pa", window->region.base);
	fdt_u32(fdt, "#clock-cells", 1);
	fdt_u32(fdt, "#reset-cells", 1);
	fdt_u32(fdt, "#power-domain-cells", 1);
	fdt_u32(fdt, "phandle", device->machine->bpmp_phandle);
	fdt_end(fdt);
	fdt_begin(fdt, "__symbols__");
	fdt_str(fdt, "bpmp", "/bpmp");
	fdt_end(fdt);
	return 0;
}

int bpmp_window_make_fast(struct bpmp_window_device *window)
{
	int error = register_page_open(&window->page, window->region.base, BPMP_WINDOW_SIZE);

	if (error) {
		log_error("cannot make a page for the BPMP's window: %s", strerror(-error));
		return error;
	}
	window->window.bytes = window->page.bytes;
	window->window.shown = true;
	return 0;
}

/* The guest's stores before and behind the trigger, which alone must exit at once. */
static int coalesce(struct bpmp_window_device *window)
{
	static const uint32_t zones[][2] = {
		{ 0, BPMP_WINDOW_TRIGGER },
		{ BPMP_WINDOW_TRIGGER + 8, BPMP_WINDOW_SIZE - BPMP_WINDOW_TRIGGER - 8 },
	};
	int error = 0;

	for (size_t i = 0; i < ARRAY_SIZE(zones) && !error; i++)
		error = kvm_vm_coalesce(window->device.machine->kvm,
			window->region.base + zones[i][0], zones[i][1]);
	if (error == -EOPNOTSUPP) {
		log_info("this KVM does not coalesce stores: each one to the BPMP's window exits");
		return 0;
	}
	return error;
}

int bpmp_window_attach(struct device *device)
{
	struct bpmp_window_device *window = container_of(device, struct bpmp_window_device, device);
	int error;

	if (!window->page.bytes)
		return 0;
	error = register_page_attach(&window->page, device->machine->kvm);
	return error ? error : coalesce(window);
}

static int window_arm(struct device *device)
{
	struct bpmp_window_device *window = container_of(device, struct bpmp_window_device, device);

	return bpmp_supervisor_guest_starts(&window->supervisor);
}

static void window_quiesce(struct device *device)
{
	struct bpmp_window_device *window = container_of(device, struct bpmp_window_device, device);

	/* On failure it has told the machine to end: there is no next guest to be clean for. */
	(void)bpmp_supervisor_restore(&window->supervisor);
	bpmp_window_link_reset(&window->link);
	bpmp_window_clear(&window->window);
	window->complained = false;
}

static void window_destroy(struct device *device)
{
	struct bpmp_window_device *window = container_of(device, struct bpmp_window_device, device);

	bpmp_supervisor_stop(&window->supervisor);
	close_fd(&window->link.fd);
	close_fd(&window->worker_fd);
	register_page_close(&window->page);
	pthread_mutex_destroy(&window->requests);
	pthread_mutex_destroy(&window->access);
	free(window);
}

static const struct device_ops window_ops = {
	.describe = bpmp_window_describe,
	.attach = bpmp_window_attach,
	.arm = window_arm,
	.quiesce = window_quiesce,
	.destroy = window_destroy,
};

void bpmp_window_device_init(
	struct bpmp_window_device *window, struct machine *machine, uint64_t base)
{
	memset(window, 0, sizeof(*window));
	window->device = (struct device){ &window_ops, "bpmp", machine };
	window->region =
		(struct mmio_region){ "bpmp window", base, BPMP_WINDOW_CLAIM, &window_registers };
	window->window.bytes = window->bytes;
	pthread_mutex_init(&window->requests, NULL);
	pthread_mutex_init(&window->access, NULL);
	window->link = (struct bpmp_window_link){
		.fd = -1,
		.leave_fd = machine->leave_fd,
		.deadline_ms = BPMP_DEADLINE_MS,
		.grace_ms = BPMP_WINDOW_GRACE_MS,
	};
	window->worker_fd = -1;
	bpmp_supervisor_init(&window->supervisor, machine);
}

static int open_link(struct bpmp_window_device *window)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		int error = -errno;

		log_error("cannot set up the guest's BPMP: %s", strerror(-error));
		return error;
	}
	window->link.fd = pair[0];
	window->worker_fd = pair[1];
	return 0;
}

static int start_worker(struct bpmp_window_device *window, const struct bpmp_options *options,
	const struct bpmp_ids *ids)
{
	const struct bpmp_face face = { "bpmp-proxy", &window->worker_fd, 1 };
	int error = bpmp_supervisor_start(&window->supervisor, &face, options, ids);

	close_fd(&window->worker_fd); /* the worker alone has it */
	return error;
}

int bpmp_proxy_create(struct machine *machine, const struct bpmp_options *options,
	const struct bpmp_ids *ids, struct device **device)
{
	struct bpmp_window_device *window = aligned_alloc(
		_Alignof(struct bpmp_window_device), sizeof(struct bpmp_window_device));
	int error;

	if (!window)
		return -ENOMEM;
	bpmp_window_device_init(window, machine, options->base);
	error = layout_claim(
		machine->layout, "bpmp window", window->region.base, window->region.size);
	if (machine->planning) {
		window_destroy(&window->device);
		*device = NULL;
		return error;
	}
	if (!error)
		error = mmio_bus_add(machine->bus, &window->region);
	if (!error && machine->fast_path && !options->trap)
		error = bpmp_window_make_fast(window);
	if (!error)
		error = open_link(window);
	if (!error)
		error = start_worker(window, options, ids);
	if (error) {
		window_destroy(&window->device);
		return error;
	}
	*device = &window->device;
	return 0;
}
