/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/virtio_device.h"

#include "devices/virtio/vhost.h"
#include "fdt/builder.h"
#include "vmm/base/clock.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/log.h"
#include "vmm/base/mmio.h"
#include "vmm/base/unix_socket.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct virtio_device *to_virtio(struct device *device)
{
	return container_of(device, struct virtio_device, device);
}

/* Interrupt cells of the GIC's binding: shared peripheral, rising edge. */
#define GIC_SPI		     0
#define IRQ_TYPE_EDGE_RISING 1

/* After one that stood still: the VM ends, and a back end that is well needs a moment. */
#define LEAST_DEADLINE_MS    1000

/* A program that ends closes its sockets some time before it can be waited for. */
#define CLOSED_TO_ENDED_MS   1000

/* The back end has ended, or will have nothing more to do with this device. */
static void hung_up(struct event_source *source)
{
	struct virtio_device *virtio = container_of(source, struct virtio_device, hang_up);
	char reason[128] = "its back end closed the connection";

	event_loop_remove(virtio->device.machine->loop, source);
	source->fd = -1;
	if (virtio->worker.pid_fd >= 0 && worker_has_ended(&virtio->worker, CLOSED_TO_ENDED_MS))
		worker_reap(&virtio->worker, reason, sizeof(reason));
	machine_end(virtio->device.machine, MACHINE_DEVICE_FAILED, virtio->device.name, reason);
}

static void queue_failed(struct event_source *source)
{
	struct virtio_device *virtio = container_of(source, struct virtio_device, queue_failed);

	virtio_mmio_queue_failed(&virtio->mmio);
}

/* On any thread. */
static void back_end_failed(struct virtio_mmio *mmio, int error)
{
	struct virtio_device *virtio = container_of(mmio, struct virtio_device, mmio);

	/* The event loop sees it too, and can say how a child of ours ended. */
	if (error == -ECONNRESET)
		return;
	machine_end(virtio->device.machine, MACHINE_DEVICE_FAILED, virtio->device.name,
		error == -ETIMEDOUT ? "its back end does not answer"
				    : "its back end refuses what the protocol asks for");
}

static int watch(struct virtio_device *virtio)
{
	struct event_loop *loop = virtio->device.machine->loop;
	int error;

	virtio->queue_failed.fd = virtio->mmio.error_fd;
	virtio->queue_failed.ready = queue_failed;
	error = event_loop_add(loop, &virtio->queue_failed);
	if (error != 0)
		return error;
	virtio->hang_up.fd = virtio->socket;
	virtio->hang_up.ready = hung_up;
	if (virtio->socket >= 0)
		error = event_loop_add_hang_up(loop, &virtio->hang_up);
	if (error != 0)
		event_loop_remove(loop, &virtio->queue_failed);
	return error;
}

static void unwatch(struct virtio_device *virtio)
{
	struct event_loop *loop = virtio->device.machine->loop;

	if (virtio->hang_up.fd >= 0)
		event_loop_remove(loop, &virtio->hang_up);
	event_loop_remove(loop, &virtio->queue_failed);
}

static int claim(struct machine *machine, const char *name, uint64_t *base, uint32_t *spi)
{
	int error = layout_place(machine->layout, name, VIRTIO_WINDOW_BASE, VIRTIO_WINDOW_SIZE,
		REGISTER_PAGE_STRIDE, base);

	return error != 0 ? error : layout_place_virtio_spi(machine->layout, name, spi);
}

static int add_registers(struct virtio_device *virtio, const struct virtio_device_options *options,
	uint32_t queue_count)
{
	struct machine *machine = virtio->device.machine;
	struct virtio_mmio_options registers = {
		.name = options->name,
		.device_id = options->device_id,
		.queue_count = queue_count,
		.queue_size_max = options->queue_size_max,
		.config_size = options->config_size,
		.config = options->config,
		.config_writable = options->config_writable,
		.front = virtio->back_end,
		.memory = machine->memory,
		.failed = back_end_failed,
		.fast = machine->fast_path,
	};
	int error = claim(machine, options->name, &registers.base, &virtio->spi);

	if (error == 0)
		error = virtio_mmio_init(&virtio->mmio, &registers);
	if (error != 0)
		return error;
	error = watch(virtio);
	if (error == 0) {
		/* Last: there is no way to take a region off the bus. */
		error = mmio_bus_add(machine->bus, &virtio->mmio.region);
		if (error == 0)
			return 0;
		unwatch(virtio);
	}
	log_error("%s: cannot set up the device: %s", options->name, strerror(-error));
	virtio_mmio_close(&virtio->mmio);
	return error;
}

int virtio_device_plan(struct machine *machine, const char *name)
{
	uint64_t base;
	uint32_t spi;

	return claim(machine, name, &base, &spi);
}

/* Returns `error`, or for a path that is no good -EINVAL. */
static int complain(const char *option, const char *path, int error)
{
	if (error == -ENAMETOOLONG) {
		log_error("%s vhost-user=%s: the path is longer than the %zu bytes that a socket's "
			  "may have; give a shorter one",
			option, path, UNIX_SOCKET_LONGEST_PATH);
		return -EINVAL;
	}
	if (error == -ETIMEDOUT)
		log_error("%s vhost-user=%s: its back end accepts no connection; restart it",
			option, path);
	else
		log_error("%s vhost-user=%s: %s; start its back end first", option, path,
			strerror(-error));
	return error;
}

int virtio_device_check_peer(const char *option, const char *path)
{
	int error = unix_socket_check_peer(path);

	return error != 0 ? complain(option, path, error) : 0;
}

int virtio_device_connect(struct worker *connection, const char *option, const char *path)
{
	int fd = unix_socket_connect(path, VHOST_DEADLINE_MS / 1000);

	*connection = (struct worker){ .pid = -1, .pid_fd = -1, .socket = fd < 0 ? -1 : fd };
	return fd < 0 ? complain(option, path, fd) : 0;
}

static void begin(struct virtio_device *virtio, struct machine *machine,
	const struct virtio_device_options *options, const struct worker *worker)
{
	virtio->device = (struct device){
		.ops = options->ops,
		.name = options->name,
		.machine = machine,
	};
	virtio->attached = false;
	virtio->worker = (struct worker){ .pid_fd = -1 };
	if (worker != NULL)
		virtio->worker = *worker;
	virtio->socket = worker != NULL ? worker->socket : -1;
	virtio->worker.socket = -1;
}

static void end_worker(struct virtio_device *virtio)
{
	close_fd(&virtio->socket);
	worker_stop(&virtio->worker, 1000);
}

int virtio_device_init(struct virtio_device *virtio, struct machine *machine,
	const struct virtio_device_options *options, struct worker *worker)
{
	int error;

	begin(virtio, machine, options, worker);
	virtio->back_end = &virtio->front.front;
	error = vhost_user_front_open(&virtio->front, virtio->socket, options->name,
		options->fewer_queues || options->queues_paired ? 1 : options->queue_count);
	virtio->front.uses_all = options->uses_all;
	virtio->front.queues_field = options->queues_field;
	virtio->front.front.features &= ~options->hidden;
	virtio->front.front.features |= options->added;
	if (virtio->front.queue_count > options->queue_count || options->queues_paired)
		virtio->front.queue_count = options->queue_count;
	if (error == 0)
		error = add_registers(virtio, options, virtio->front.queue_count);
	if (error != 0)
		end_worker(virtio);
	return error;
}

int virtio_device_init_kernel(struct virtio_device *virtio, struct machine *machine,
	const struct virtio_device_options *options, struct vhost_front *back_end,
	struct worker *worker)
{
	int error;

	begin(virtio, machine, options, worker);
	virtio->back_end = back_end;
	error = add_registers(virtio, options, options->queue_count);
	if (error != 0)
		end_worker(virtio);
	return error;
}

int virtio_device_describe(struct device *device, struct fdt_builder *fdt)
{
	const struct virtio_device *virtio = to_virtio(device);
	const uint64_t reg[1][2] = { { virtio->mmio.region.base, virtio->mmio.region.size } };

	fdt_begin(fdt, "virtio_mmio@%llx", (unsigned long long)virtio->mmio.region.base);
	fdt_str(fdt, "compatible", "virtio,mmio");
	fdt_reg(fdt, reg, 1);
	fdt_cell_list(fdt, "interrupts", GIC_SPI, virtio->spi, IRQ_TYPE_EDGE_RISING);
	/* The back ends and the guest share memory through the same caches. */
	fdt_empty(fdt, "dma-coherent");
	fdt_end(fdt);
	return 0;
}

/* Every queue has an eventfd of its own for the one interrupt; the edge makes them one wire. */
int virtio_device_attach(struct device *device)
{
	struct virtio_device *virtio = to_virtio(device);
	struct kvm_vm *kvm = device->machine->kvm;
	int error = kvm_vm_irqfd(kvm, virtio->spi, virtio->mmio.config_fd, -1);

	virtio->mmio.memory_fd = device->machine->memory_fd;
	if (error == 0)
		error = virtio_mmio_attach(&virtio->mmio, kvm);
	for (uint32_t i = 0; i < virtio->mmio.queue_count && error == 0; i++)
		error = kvm_vm_irqfd(kvm, virtio->spi, virtio->mmio.queues[i].call_fd, -1);
	if (error != 0)
		log_error("%s: cannot tie interrupt %u to the back end: %s", device->name,
			virtio->spi, strerror(-error));
	virtio->attached = error == 0;
	return error;
}

void virtio_device_quiesce(struct device *device)
{
	struct virtio_device *virtio = to_virtio(device);
	struct machine *machine = device->machine;
	struct kvm_vm *kvm = machine->kvm;

	virtio_mmio_reset(&virtio->mmio,
		clock_ms() + (machine->quiesce_failed ? LEAST_DEADLINE_MS : VHOST_DEADLINE_MS));
	machine->quiesce_failed |= virtio->mmio.dead;
	if (virtio->attached) {
		kvm_vm_irqfd_remove(kvm, virtio->spi, virtio->mmio.config_fd);
		for (uint32_t i = 0; i < virtio->mmio.queue_count; i++)
			kvm_vm_irqfd_remove(kvm, virtio->spi, virtio->mmio.queues[i].call_fd);
	}
	virtio->attached = false;
	/* What the old guest had coming is not the next one's. */
	event_take(virtio->mmio.config_fd);
	for (uint32_t i = 0; i < virtio->mmio.queue_count; i++)
		event_take_shared(virtio->mmio.queues[i].call_fd);
}

struct config_change {
	struct virtio_mmio *mmio;
	const void *config;
	bool told;
};

static void change_config(void *context)
{
	struct config_change *change = context;

	change->told = virtio_mmio_change_config(change->mmio, change->config);
}

void virtio_device_change_config(struct virtio_device *virtio, const void *config)
{
	struct machine *machine = virtio->device.machine;
	struct config_change change = { .mmio = &virtio->mmio, .config = config };

	machine->with_vcpus_out(machine, change_config, &change);
	if (change.told)
		event_signal(virtio->mmio.config_fd);
}

void virtio_device_close(struct virtio_device *virtio, int grace_ms)
{
	unwatch(virtio);
	close_fd(&virtio->socket);
	worker_stop(&virtio->worker, grace_ms);
	virtio_mmio_close(&virtio->mmio);
}
