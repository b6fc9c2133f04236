/* SPDX-License-Identifier: Apache-2.0 */
/* A compressed --kernel, unpacked once by a jailed worker into a sealed memfd. */
#ifndef VMM_KERNEL_UNPACK_H
#define VMM_KERNEL_UNPACK_H

#include "arch/aarch64/kernel_payload.h"

#include <stdint.h>

/*
 * Unpacks `payload` of the open file *fd, at most `limit` bytes. *fd is then the memfd (the file is
 * closed) and *size its length. Before lock-in. Returns 0 or -errno (logged, naming `path`).
 */
int kernel_unpack(const char *path, const struct kernel_payload *payload, uint64_t limit, int *fd,
	uint64_t *size);

/* The worker's main; returns its exit status. */
int unpack_worker_main(int argc, char **argv);

#endif
