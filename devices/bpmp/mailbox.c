/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's part of the mailbox face: three windows of registers and the two eventfds to the
 * worker. On the fast path the shared memory is a memory slot and the doorbells are eventfds that
 * KVM knows (hsp.h), so that a request takes no exit to user space; on the trapping path every
 * access of the guest comes here. The worker cannot tell.
 */
#include "devices/bpmp/mailbox.h"

#include "devices/bpmp/audit.h"
#include "devices/bpmp/bpmp.h"
#include "devices/bpmp/ivc.h"
#include "devices/bpmp/open_host.h"
#include "devices/bpmp/window_device.h"
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

static const struct mmio_ops misc_ops = { .read = misc_read, .write = misc_write };

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
	if (bpmp_supervisor_restore(&mailbox->supervisor) < 0 &&
		bpmp_supervisor_worker_gone(&mailbox->supervisor))
		bpmp_keeper_restore(&mailbox->keeper);
	bpmp_hsp_reset(&mailbox->hsp);
	event_take(mailbox->answer.fd);
}

static void mailbox_destroy(struct device *device)
{
	struct bpmp_mailbox *mailbox = container_of(device, struct bpmp_mailbox, device);

	bpmp_supervisor_stop(&mailbox->supervisor);
	bpmp_keeper_stop(&mailbox->keeper, bpmp_supervisor_worker_gone(&mailbox->supervisor));
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
		BPMP_MISC_SIZE + BPMP_STRAPS_SIZE, &misc_ops };
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

static int start_worker(
	struct bpmp_mailbox *mailbox, int host_fd, int audit_fd, const struct bpmp_ids *ids)
{
	const int fds[BPMP_FD_COUNT] = {
		[BPMP_FD_HOST] = host_fd,
		[BPMP_FD_SHARED] = mailbox->shared_fd,
		[BPMP_FD_DOORBELL] = mailbox->doorbell_fd,
		[BPMP_FD_ANSWER] = mailbox->answer.fd,
		[BPMP_FD_JOURNAL] = mailbox->keeper.journal.fd,
		[BPMP_FD_LIFELINE] = mailbox->keeper.lifeline,
		[BPMP_FD_AUDIT] = audit_fd,
	};
	const size_t count = audit_fd >= 0 ? BPMP_FD_COUNT : BPMP_FD_AUDIT;

	return bpmp_supervisor_start(
		&mailbox->supervisor, mailbox->device.machine, "bpmp", fds, count, ids);
}

int bpmp_get_statistics(struct device *device, struct bpmp_statistics *statistics)
{
	struct bpmp_supervisor *supervisor = bpmp_window_supervisor(device);

	if (!supervisor)
		supervisor = &container_of(device, struct bpmp_mailbox, device)->supervisor;
	return bpmp_supervisor_statistics(supervisor, statistics);
}

int bpmp_create(struct machine *machine, const struct bpmp_options *options,
	const struct bpmp_ids *ids, struct device **device)
{
	struct bpmp_mailbox *mailbox = calloc(1, sizeof(*mailbox));
	int host_fd = -1, audit_fd = -1, error;

	if (!mailbox)
		return -ENOMEM;
	mailbox->device = (struct device){ &mailbox_ops, "bpmp", machine };
	mailbox->fast = machine->fast_path && !options->trap;
	mailbox->shared_fd = mailbox->doorbell_fd = mailbox->answer.fd = -1;
	bpmp_keeper_init(&mailbox->keeper, machine);
	mailbox->supervisor.machine = machine;
	mailbox->supervisor.ended.fd = -1;
	mailbox->supervisor.worker = (struct worker){ .pid = -1, .pid_fd = -1, .socket = -1 };

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
	if (!error && options->audit) {
		audit_fd = bpmp_audit_open(options->audit, &mailbox->supervisor.audit_left);
		error = audit_fd < 0 ? audit_fd : 0;
	}
	if (!error) {
		host_fd = bpmp_open_host(options->host);
		error = host_fd < 0 ? host_fd : 0;
	}
	if (!error)
		error = bpmp_keeper_start(&mailbox->keeper, options->name, options->host);
	if (!error)
		error = start_worker(mailbox, host_fd, audit_fd, ids);
	close_fd(&mailbox->keeper.lifeline); /* the worker alone has them */
	close_fd(&host_fd);
	close_fd(&audit_fd);
	if (error) {
		mailbox_destroy(&mailbox->device);
		return error;
	}
	*device = &mailbox->device;
	return 0;
}
