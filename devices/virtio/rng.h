/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's source of random numbers: virtio's entropy device (virtio 1.2, section 5.4). */
#ifndef DEVICES_VIRTIO_RNG_H
#define DEVICES_VIRTIO_RNG_H

struct device;
struct machine;

/*
 * Starts the worker and claims a register file and an interrupt. Returns 0 with *device, or -errno
 * (logged).
 */
int rng_create(struct machine *machine, struct device **device);

/* The worker's main; returns its exit status. */
int rng_worker_main(int argc, char **argv);

#endif
