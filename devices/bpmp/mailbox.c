/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's part of the mailbox face: three windows of registers and the two eventfds to the
 * worker. On the fast path the shared memory is a memory slot and the doorbells are eventfds that
 * KVM knows (hsp.h), so that a request takes no exit to user space; on the trapping path every
 * access of the guest comes here. The worker cannot tell.
 */
#include "devices/bpmp/mailbox.h"

#include "devices/bpmp/bpmp.h"
#include "devices/bpmp/ivc.h"
#include "fdt/builder.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* Where the shared memory goes: behind the HSP, below the guest's interrupt controller. */
#define SHARED_FROM 0x03d00000ull
#define SHARED_SPAN (0x08000000ull - SHARED_FROM)

static uint64_t misc_read(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	uint64_t value = 0;

	(void)region;
	for (unsigned int i = 0; i < width; i++) {
		uint64_t at = offset + i;

		if (at >= BPMP_MISC_CHIP_ID && at < BPMP_MISC_CHIP_ID + 4)
			value |= (uint64_t)(BPMP_CHIP_ID_TEGRA234 >> (at & 3) * 8 & 0xff) << i * 8;
	}
	return value;
}

static void misc_write(
	struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value)
{
	(void)region, (void)offset, (void)width, (void)value; /* read-only */
}

const struct mmio_ops bpmp_misc_ops = { .read = misc_read, .write = misc_write };

static void on_answer(struct event_source *source)
{
	struct bpmp_mailbox *mailbox = container_of(source, struct bpmp_mailbox, answer);

	event_take(source->fd);
	bpmp_hsp_answer(&mailbox->hsp);
}

static int mailbox_attach(struct device *device)
{
	struct bpmp_mailbox *mailbox = container_of(device, struct bpmp_mailbox, device);
	int slot;

	if (!mailbox->fast)
		return 0;
	slot = kvm_vm_map(device->machine->kvm, mailbox->shared.region.base, mailbox->shared.memory,
		BPMP_SHARED_SIZE, false);
	return slot < 0 ? slot : bpmp_hsp_attach(&mailbox->hsp);
}

static int mailbox_arm(struct device *device)
{
	struct bpmp_mailbox *mailbox = container_of(device, struct bpmp_mailbox, device);

	return bpmp_supervisor_guest_starts(&mailbox->supervisor);
}

static void mailbox_quiesce(struct device *device)
{
	struct bpmp_mailbox *mailbox = container_of(device, struct bpmp_mailbox, device);

	/* On failure it has told the machine to end: there is no next guest to be clean for. */
	(void)bpmp_supervisor_restore(&mailbox->supervisor);
	bpmp_hsp_reset(&mailbox->hsp);
	event_take(mailbox->answer.fd);
}

static void mailbox_destroy(struct device *device)
{
	struct bpmp_mailbox *mailbox = container_of(device, struct bpmp_mailbox, device);

	bpmp_supervisor_stop(&mailbox->supervisor);
	if (mailbox->answer.fd >= 0 && !mailbox->fast)
		event_loop_remove(device->machine->loop, &mailbox->answer);
	if (mailbox->shared.memory)
		munmap(mailbox->shared.memory, BPMP_SHARED_SIZE);
	close_fd(&mailbox->shared_fd);
	close_fd(&mailbox->doorbell_fd);
	close_fd(&mailbox->answer.fd);
	bpmp_hsp_destroy(&mailbox->hsp);
	free(mailbox);
}

static const struct device_ops mailbox_ops = {
	.describe = bpmp_mailbox_describe,
	.attach = mailbox_attach,
	.arm = mailbox_arm,
	.quiesce = mailbox_quiesce,
	.destroy = mailbox_destroy,
};

static int claim_addresses(struct bpmp_mailbox *mailbox)
{
	struct layout *layout = mailbox->device.machine->layout;
	int error = layout_claim(
		layout, "bpmp chip id", BPMP_MISC_BASE, BPMP_MISC_SIZE + BPMP_STRAPS_SIZE);

	if (!error)
		error = layout_claim(layout, "bpmp doorbell", BPMP_HSP_BASE, BPMP_HSP_SIZE);
	if (!error)
		error = layout_place(layout, "bpmp shared memory", SHARED_FROM, SHARED_SPAN,
			BPMP_SHARED_SIZE, &mailbox->shared.region.base);
	if (!error)
		error = layout_claim_spi(layout, "bpmp doorbell", BPMP_HSP_SPI);
	return error;
}

static int add_windows(struct bpmp_mailbox *mailbox)
{
	struct mmio_bus *bus = mailbox->device.machine->bus;
	int error;

	mailbox->misc = (struct mmio_region){ "chip id", BPMP_MISC_BASE,
		BPMP_MISC_SIZE + BPMP_STRAPS_SIZE, &bpmp_misc_ops };
	mailbox->shared.region.name = "bpmp shared memory";
	mailbox->shared.region.size = 2 * BPMP_IVC_AREA_SIZE;
	mailbox->shared.region.ops = &bpmp_shared_memory_ops;
	error = mmio_bus_add(bus, &mailbox->misc);
	if (!error)
		error = mmio_bus_add(bus, &mailbox->hsp.region);
	if (!error)
		error = mmio_bus_add(bus, &mailbox->shared.region);
	return error;
}

/* Shared memory and eventfds: all that machine and worker have in common. */
static int open_channels(struct bpmp_mailbox *mailbox)
{
	void *memory;

	mailbox->shared_fd = guest_memory_create_fd(BPMP_SHARED_SIZE);
	if (mailbox->shared_fd < 0)
		return mailbox->shared_fd;
	memory = mmap(
		NULL, BPMP_SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, mailbox->shared_fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	mailbox->shared.memory = memory;
	mailbox->doorbell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mailbox->doorbell_fd < 0)
		return -errno;
	mailbox->answer =
		(struct event_source){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_answer };
	if (mailbox->answer.fd < 0)
		return -errno;
	if (mailbox->fast)
		return 0;
	return event_loop_add(mailbox->device.machine->loop, &mailbox->answer);
}

static int start_worker(struct bpmp_mailbox *mailbox, const struct bpmp_options *options,
	const struct bpmp_ids *ids)
{
	const int fds[] = {
		[BPMP_MAILBOX_FD_SHARED - BPMP_FD_FACE] = mailbox->shared_fd,
		[BPMP_MAILBOX_FD_DOORBELL - BPMP_FD_FACE] = mailbox->doorbell_fd,
		[BPMP_MAILBOX_FD_ANSWER - BPMP_FD_FACE] = mailbox->answer.fd,
	};
	const struct bpmp_face face = { "bpmp", fds, ARRAY_SIZE(fds) };

	return bpmp_supervisor_start(&mailbox->supervisor, &face, options, ids);
}

int bpmp_create(struct machine *machine, const struct bpmp_options *options,
	const struct bpmp_ids *ids, struct device **device)
{
	struct bpmp_mailbox *mailbox = calloc(1, sizeof(*mailbox));
	int error;

	if (!mailbox)
		return -ENOMEM;
	mailbox->device = (struct device){ &mailbox_ops, "bpmp", machine };
	mailbox->fast = machine->fast_path && !options->trap;
	mailbox->shared_fd = mailbox->doorbell_fd = mailbox->answer.fd = -1;
	bpmp_supervisor_init(&mailbox->supervisor, machine);

	error = claim_addresses(mailbox);
	if (machine->planning) {
		free(mailbox);
		*device = NULL;
		return error;
	}
	if (!error) {
		error = open_channels(mailbox);
		if (error)
			log_error("cannot set up the guest's BPMP: %s", strerror(-error));
	}
	bpmp_hsp_init(&mailbox->hsp, machine->kvm, mailbox->doorbell_fd, mailbox->answer.fd);
	if (!error && mailbox->fast)
		error = bpmp_hsp_make_fast(&mailbox->hsp);
	if (!error)
		error = add_windows(mailbox);
	if (!error)
		error = start_worker(mailbox, options, ids);
	if (error) {
		mailbox_destroy(&mailbox->device);
		return error;
	}
	*device = &mailbox->device;
	return 0;
}
