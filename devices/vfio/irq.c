/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/vfio/irq.h"

#include "vmm/base/eventfd.h"
#include "vmm/base/kvm.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int log_failure(const struct vfio_irq *irq, const char *step, int error)
{
	log_error("%s: interrupt %u: %s: %s", irq->device, irq->index, step, strerror(-error));
	return error;
}

int vfio_irq_open(struct vfio_irq *irq, const struct vfio_host *host, const char *device, int fd,
	uint32_t index)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	int error;

	*irq = (struct vfio_irq){
		.host = host,
		.device = device,
		.fd = fd,
		.index = index,
		.trigger_fd = -1,
		.unmask_fd = -1,
	};
	error = vfio_call(host, fd, VFIO_DEVICE_GET_IRQ_INFO, (uintptr_t)&info);
	if (error == 0 && (!(info.flags & VFIO_IRQ_INFO_EVENTFD) || info.count != 1))
		error = -EINVAL;
	if (error != 0)
		return log_failure(irq, "VFIO does not describe it", error);
	irq->level = info.flags & VFIO_IRQ_INFO_AUTOMASKED;
	irq->trigger_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (irq->trigger_fd >= 0 && irq->level)
		irq->unmask_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (irq->trigger_fd < 0 || (irq->level && irq->unmask_fd < 0)) {
		error = log_failure(irq, "eventfd", -errno);
		vfio_irq_close(irq);
		return error;
	}
	return 0;
}

void vfio_irq_close(struct vfio_irq *irq)
{
	close_fd(&irq->trigger_fd);
	close_fd(&irq->unmask_fd);
}

/* VFIO_DEVICE_SET_IRQS for the one line of this index; `event_fd` only with DATA_EVENTFD. */
static int set_irqs(const struct vfio_irq *irq, uint32_t flags, uint32_t count, int32_t event_fd)
{
	_Alignas(struct vfio_irq_set) unsigned char
		request[sizeof(struct vfio_irq_set) + sizeof(event_fd)];
	struct vfio_irq_set set = {
		.argsz = sizeof(set),
		.flags = flags,
		.index = irq->index,
		.count = count,
	};

	if (flags & VFIO_IRQ_SET_DATA_EVENTFD)
		set.argsz = sizeof(request);
	memcpy(request, &set, sizeof(set));
	memcpy(request + sizeof(set), &event_fd, sizeof(event_fd));
	return vfio_call(irq->host, irq->fd, VFIO_DEVICE_SET_IRQS, (uintptr_t)request);
}

int vfio_irq_attach(struct vfio_irq *irq, struct kvm_vm *vm)
{
	int error;

	error = kvm_vm_set_spi_trigger(vm, irq->spi, irq->level);
	if (error != 0)
		return log_failure(irq, "the VGIC refuses its trigger type", error);
	error = kvm_vm_irqfd(vm, irq->spi, irq->trigger_fd, irq->unmask_fd);
	if (error != 0)
		return log_failure(irq, "KVM refuses its irqfd", error);
	irq->irqfd_set = true;
	if (!irq->level)
		return 0;
	error = set_irqs(
		irq, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 1, irq->unmask_fd);
	if (error != 0)
		return log_failure(irq, "VFIO refuses its unmask eventfd", error);
	irq->unmask_set = true;
	return 0;
}

int vfio_irq_arm(struct vfio_irq *irq)
{
	int error;

	if (irq->level) {
		error = set_irqs(irq, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_UNMASK, 1, -1);
		if (error != 0)
			return log_failure(irq, "VFIO cannot unmask it", error);
	}
	error = set_irqs(
		irq, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, 1, irq->trigger_fd);
	if (error != 0)
		return log_failure(irq, "VFIO refuses its trigger eventfd", error);
	irq->trigger_set = true;
	return 0;
}

void vfio_irq_detach(struct vfio_irq *irq, struct kvm_vm *vm)
{
	int error = 0;

	if (irq->trigger_set)
		error = set_irqs(irq, VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER, 0, -1);
	if (error != 0)
		log_failure(irq, "VFIO keeps its trigger", error);
	irq->trigger_set = false;
	error = 0;
	if (irq->unmask_set)
		error = set_irqs(
			irq, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK, 1, -1);
	if (error != 0)
		log_failure(irq, "VFIO keeps its unmask eventfd", error);
	irq->unmask_set = false;
	error = 0;
	if (irq->irqfd_set)
		error = kvm_vm_irqfd_remove(vm, irq->spi, irq->trigger_fd);
	if (error != 0)
		log_failure(irq, "KVM keeps its irqfd", error);
	irq->irqfd_set = false;
	event_take(irq->trigger_fd);
	event_take(irq->unmask_fd);
}
