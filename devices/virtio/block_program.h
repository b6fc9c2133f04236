/* SPDX-License-Identifier: Apache-2.0 */
/* Images of formats that are not ours to parse: qemu-storage-daemon serves them. */
#ifndef DEVICES_VIRTIO_BLOCK_PROGRAM_H
#define DEVICES_VIRTIO_BLOCK_PROGRAM_H

struct block_options;
struct worker;

/*
 * Starts the program for a qcow2 image; its vhost-user socket is the worker's. Returns 0 or -errno
 * (logged).
 */
int block_program_start(struct worker *worker, const struct block_options *options);

/* Whether the program is installed. Returns 0 or -ENOENT (logged). */
int block_program_check(void);

#endif
