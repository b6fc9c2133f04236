/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every virtio device of the machine has: a register file in the window for them, an
 * interrupt, a vhost back end that is usually a worker of ours, and the operations of
 * devices/device.h on those. A device embeds it and adds how its back end is started.
 */
#ifndef DEVICES_VIRTIO_VIRTIO_DEVICE_H
#define DEVICES_VIRTIO_VIRTIO_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/device.h"
#include "devices/virtio/vhost_user_front.h"
#include "devices/virtio/virtio_mmio.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/worker.h"

/*
 * The register files: from where QEMU's virt machine has them too, up to the window for assigned
 * devices, REGISTER_PAGE_STRIDE apart, so that each can be a memory slot of its own.
 */
#define VIRTIO_WINDOW_BASE 0x0a000000
#define VIRTIO_WINDOW_SIZE 0x02000000

struct virtio_device {
	struct device device;
	struct virtio_mmio mmio;
	struct vhost_front *back_end;  /* `front`, or the kernel's */
	struct vhost_user_front front; /* not used with the kernel's */
	struct worker worker; /* or a program; pid_fd -1: the back end is no child of ours */
	int socket;	      /* the front end's; not in `worker`, whose reaping would close it
			       * under a vCPU */
	uint32_t spi;
	bool attached;
	struct event_source hang_up; /* of the back end; fd -1: not watched */
	struct event_source queue_failed;
};

struct virtio_device_options {
	const char *name; /* of the device, kept by reference */
	const struct device_ops *ops;
	uint32_t device_id;
	uint32_t queue_count;
	bool fewer_queues;  /* as many as the back end has, at most queue_count */
	bool queues_paired; /* queue_count of them, though the back end says how many pairs it has,
			     * as those of networks do */
	uint32_t queues_field; /* see vhost_user_front.h */
	uint64_t hidden;       /* features of the back end that the guest is not offered */
	uint64_t added;	       /* features that need nothing of the back end, nor are told to it */
	bool uses_all;	       /* sooner or later every buffer is used; see vhost_user_front.h */
	uint32_t queue_size_max;
	uint32_t config_size;
	const void *config;			   /* NULL: the back end has it */
	struct virtio_config_part config_writable; /* of `config`, by the driver; 0 in it */
};

/* Claims what virtio_device_init() claims, for a device that is planned and not made. */
int virtio_device_plan(struct machine *machine, const char *name);

/*
 * Connects to the socket at `path`, of a back end that is no child of ours, as virtio_device_init()
 * takes it. Returns 0 or -errno, with a line logged that names `option`.
 */
int virtio_device_connect(struct worker *connection, const char *option, const char *path);

/* Whether it could, as far as can be told without connecting. Returns 0 or -errno (logged). */
int virtio_device_check_peer(const char *option, const char *path);

/*
 * Takes over *worker, which was just started: greets it, claims addresses and an interrupt, and
 * watches it. For a back end that is no child of ours it holds a connected socket alone, with kind
 * NULL and pid_fd -1. Returns 0 or -errno (logged); the worker has been stopped, and its socket
 * closed, then.
 */
int virtio_device_init(struct virtio_device *virtio, struct machine *machine,
	const struct virtio_device_options *options, struct worker *worker);

/*
 * The same for a back end in the kernel, which was opened already and stays the caller's, until
 * after virtio_device_close(). *worker, greeted already, serves what the kernel does not; NULL:
 * there is no such thing.
 */
int virtio_device_init_kernel(struct virtio_device *virtio, struct machine *machine,
	const struct virtio_device_options *options, struct vhost_front *back_end,
	struct worker *worker);

/* For struct device_ops. */
int virtio_device_describe(struct device *device, struct fdt_builder *fdt);
int virtio_device_attach(struct device *device);
void virtio_device_quiesce(struct device *device);

/*
 * The configuration space becomes `config`, of as many bytes as it has, seen whole by the driver,
 * which is then interrupted (virtio 1.2, 2.3). Event-loop thread. Waits for a vCPU that waits for a
 * back end, VHOST_DEADLINE_MS at most.
 */
void virtio_device_change_config(struct virtio_device *virtio, const void *config);

/* Ends the worker, within `grace_ms`, and closes everything. */
void virtio_device_close(struct virtio_device *virtio, int grace_ms);

#endif
