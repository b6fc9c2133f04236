/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The balloon (virtio 1.2, section 5.5): memory that the guest gives back while it runs. How much
 * is asked for and how much is out is in the configuration space, which the machine has; pages are
 * the worker's.
 */
#ifndef DEVICES_VIRTIO_BALLOON_H
#define DEVICES_VIRTIO_BALLOON_H

#include <stdint.h>

struct device;
struct machine;
struct worker;

/* What the guest is left with, in bytes. */
struct balloon_status {
	uint64_t target; /* as asked for */
	uint64_t actual; /* as its driver says; all of its memory without one */
};

/*
 * Starts the worker and claims a register file and an interrupt. Returns 0 with *device, or -errno
 * (logged).
 */
int balloon_create(struct machine *machine, struct device **device);

/* The same with a worker that runs; it is taken over, or after an error has been stopped. */
int balloon_create_on(struct machine *machine, struct worker *worker, struct device **device);

/*
 * Asks the guest to make do with `bytes`, rounded up to 4 KiB; it takes its time, and may have no
 * driver that hears of it. Event-loop thread. `bytes` is not 0 and at most all of its memory.
 */
void balloon_set_target(struct device *device, uint64_t bytes);

/* Event-loop thread. */
struct balloon_status balloon_status(struct device *device);

/* The worker's main; returns its exit status. */
int balloon_worker_main(int argc, char **argv);

#endif
