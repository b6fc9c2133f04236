/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register file of a virtio device over MMIO, version 2 (virtio 1.2, section 4.2.2). It belongs
 * to the machine and touches no virtqueue: when the driver says DRIVER_OK the queues are handed to
 * a vhost back end, when it resets they are taken back.
 *
 * Trapping, every access comes here. Fast, the driver reads a page with the same contents, its
 * kicks are ioeventfds, and its acknowledgement of a used buffer notification does nothing: a
 * request takes no exit to user space.
 *
 * Section numbers in the code are those of virtio 1.2.
 */
#ifndef DEVICES_VIRTIO_VIRTIO_MMIO_H
#define DEVICES_VIRTIO_VIRTIO_MMIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/mmio.h"
#include "vmm/base/register_page.h"

struct guest_memory;
struct kvm_vm;
struct vhost_front;

#define VIRTIO_MMIO_SIZE       0x200 /* bytes of guest address space: 0x100 of configuration */
#define VIRTIO_MMIO_MAX_QUEUES 16
#define VIRTIO_MMIO_MAX_CONFIG 0x100

/* "bpmv", read as characters; drivers ignore it. */
#define VIRTIO_MMIO_VENDOR     0x766d7062

struct virtio_mmio_queue {
	uint32_t size;			      /* QueueNum, 0 until the driver set it */
	bool ready;			      /* QueueReady */
	bool started;			      /* at the back end */
	uint64_t descriptors, driver, device; /* guest-physical addresses of the three parts */
	int kick_fd, call_fd;		      /* eventfds */
};

/* A piece of a configuration space. */
struct virtio_config_part {
	uint32_t offset, size;
};

struct virtio_mmio {
	struct mmio_region region;
	/* Set up by virtio_mmio_init() and constant. */
	struct vhost_front *front;
	const struct guest_memory *memory;
	int memory_fd; /* set before the first vCPU runs */
	uint32_t device_id, queue_count, queue_size_max;
	uint64_t features; /* offered to the driver */
	/*
	 * The back end failed for good with -errno, see vhost.h (already logged). Called with the
	 * lock held, on the thread that found out: a vCPU's, or the event loop in
	 * virtio_mmio_reset(). May be called again.
	 */
	void (*failed)(struct virtio_mmio *mmio, int error);

	/* Held for every register access, also while the back end is waited for. */
	pthread_mutex_t lock;
	uint32_t status, device_features_select, driver_features_select, queue_select;
	uint64_t driver_features;
	uint32_t config_size;
	/* What the driver may write, and what is 0 after each reset. */
	struct virtio_config_part config_writable;
	uint32_t config_generation; /* another one with each change (4.2.2) */
	uint8_t config[VIRTIO_MMIO_MAX_CONFIG];
	struct virtio_mmio_queue queues[VIRTIO_MMIO_MAX_QUEUES];
	bool was_driven;       /* DRIVER_OK was set, since attach() */
	bool dead;	       /* the back end failed: no reset helps */
	bool misplaced_logged; /* once, whatever the guest repeats */

	/*
	 * What the event loop may change: it must not wait for a vCPU that waits for a back end.
	 * Held for moments only; taken inside `lock`.
	 */
	pthread_mutex_t event_lock;
	bool needs_reset;	   /* DEVICE_NEEDS_RESET */
	bool config_changed;	   /* bit 1 of InterruptStatus */
	uint32_t shown;		   /* fast: the status that the page was last made from */
	struct register_page page; /* closed: trapping */
	int config_fd;		   /* eventfd: interrupt for a configuration change */
	int error_fd;		   /* eventfd: the back end gave a queue up */
};

struct virtio_mmio_options {
	const char *name;
	uint64_t base; /* guest-physical */
	uint32_t device_id;
	uint32_t queue_count;
	uint32_t queue_size_max; /* a power of two */
	uint32_t config_size;
	const void *config; /* NULL: the back end has it, and the driver only reads it */
	struct virtio_config_part config_writable; /* of `config`, not of a back end's; 0 in it */
	struct vhost_front *front;
	const struct guest_memory *memory; /* filled before the first vCPU runs */
	void (*failed)(struct virtio_mmio *mmio, int error);
	bool fast; /* `base` is a multiple of REGISTER_PAGE_STRIDE then */
};

/* Returns 0 or -errno (logged); after an error there is nothing to close. */
int virtio_mmio_init(struct virtio_mmio *mmio, const struct virtio_mmio_options *options);

void virtio_mmio_close(struct virtio_mmio *mmio);

/* A new VM is there: page and kicks. Returns 0 or -errno (logged). */
int virtio_mmio_attach(struct virtio_mmio *mmio, struct kvm_vm *vm);

/*
 * Stops every queue and puts the registers into their power-on state, with all vCPUs out. After it
 * returns, the back end does not touch guest memory (unless it has failed, which one has that is
 * not done by `deadline`, of clock_ms()).
 */
void virtio_mmio_reset(struct virtio_mmio *mmio, int64_t deadline);

/*
 * Calls ask(front, context) while nobody else speaks to the back end, and returns what it does. A
 * back end that is gone, silent or confused (vhost.h) fails the device. Event-loop thread; it may
 * wait for a vCPU that waits for the back end.
 */
int virtio_mmio_ask(struct virtio_mmio *mmio, int (*ask)(struct vhost_front *front, void *context),
	void *context);

/*
 * The configuration space becomes `config`, of config_size bytes. With all vCPUs out: a driver that
 * reads it field by field between two loads of ConfigGeneration then sees either all of the old or
 * all of the new. Returns whether there is a driver that has to hear of it: let the vCPUs run, then
 * signal `config_fd`. virtio_device_change_config() does all of this. What the driver wrote stays.
 */
bool virtio_mmio_change_config(struct virtio_mmio *mmio, const void *config);

/*
 * What of the configuration space the driver has written, into config_writable.size bytes.
 * Event-loop thread; does not wait for a vCPU that waits for a back end.
 */
void virtio_mmio_driver_config(struct virtio_mmio *mmio, void *part);

/* `error_fd` is readable: tells the driver that the device needs a reset (2.1.2). */
void virtio_mmio_queue_failed(struct virtio_mmio *mmio);

#endif
