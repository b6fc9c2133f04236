/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's disks: virtio block devices (virtio 1.2, section 5.2), each with its own back end. */
#ifndef DEVICES_VIRTIO_BLOCK_H
#define DEVICES_VIRTIO_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct device;
struct machine;

/* Letters, digits and the like, as they go into the guest's /dev/disk/by-id (5.2.6). */
#define BLOCK_SERIAL_MAX 20

/* One `--disk`. Strings live as long as the process. */
struct block_options {
	const char *path;	/* of an image or block device; NULL: */
	const char *vhost_user; /* socket of a back end that somebody else runs */
	const char *serial;	/* NULL: none */
	bool read_only, direct;
	bool qcow2;	      /* what is at `path`; else it is raw */
	uint32_t queue_count; /* at most; one for each vCPU is best */
};

/*
 * Opens and locks the image and starts a worker or a program for it, or connects to the back end;
 * claims a register file and an interrupt. Returns 0 with *device, or -errno with a line logged
 * that names cause and remedy.
 */
int block_create(
	struct machine *machine, const struct block_options *options, struct device **device);

/* Whether its image can be had, which is opened and locked for a moment, or its back end is there.
 * Returns 0 or -errno (logged as above). */
int block_check(const struct block_options *options);

/*
 * Makes the disk of a device that block_create() made `bytes` long, growing its image; 0: as long
 * as its image or back end says by now. The guest is told. Event-loop thread; waits for the back
 * end. Returns NULL with the size in *bytes, or why it was not done.
 */
const char *block_resize(struct device *device, uint64_t *bytes);

/* The worker's main; returns its exit status. */
int block_worker_main(int argc, char **argv);

#endif
