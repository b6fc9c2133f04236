/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One interrupt of an assigned device, from the host's line to the guest's without user space:
 *
 *   line -> VFIO masks it (level only) and signals trigger_fd -> KVM injects the SPI
 *   guest's end of interrupt -> KVM signals unmask_fd (level only) -> VFIO unmasks the line
 *
 * The order of the steps is the point: everything behind trigger_fd is ready before VFIO gets it,
 * so an interrupt that is pending at that moment is not lost.
 */
#ifndef DEVICES_VFIO_IRQ_H
#define DEVICES_VFIO_IRQ_H

#include "devices/vfio/host.h"

#include <stdbool.h>
#include <stdint.h>

struct kvm_vm;

struct vfio_irq {
	const struct vfio_host *host;
	const char *device; /* for the log */
	int fd;		    /* the device's */
	uint32_t index;
	uint32_t spi;
	bool level; /* VFIO masks the line at each interrupt, and must be told to unmask it */
	int trigger_fd, unmask_fd;
	/* Steps that are done, and that vfio_irq_detach() undoes. */
	bool irqfd_set, unmask_set, trigger_set;
};

/*
 * Asks VFIO for interrupt `index` and makes its eventfds. The SPI is the caller's to choose.
 * Returns 0 or -errno (logged).
 */
int vfio_irq_open(struct vfio_irq *irq, const struct vfio_host *host, const char *device, int fd,
	uint32_t index);
void vfio_irq_close(struct vfio_irq *irq);

/*
 * In a new VM, with the VGIC initialised: presets the SPI's trigger type, then irqfd with resample,
 * then VFIO's unmask eventfd. Nothing can be signalled yet. Returns 0 or -errno (logged); what was
 * done is undone by vfio_irq_detach().
 */
int vfio_irq_attach(struct vfio_irq *irq, struct kvm_vm *vm);

/*
 * Unmasks the line (it may still be masked by an interrupt that the previous VM never ended) and,
 * last of all, gives VFIO the trigger. Returns 0 or -errno (logged).
 */
int vfio_irq_arm(struct vfio_irq *irq);

/* Trigger off, unmask eventfd off, irqfd removed, both eventfds drained. */
void vfio_irq_detach(struct vfio_irq *irq, struct kvm_vm *vm);

#endif
