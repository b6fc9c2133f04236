/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets between host and guest, AF_VSOCK on both sides: virtio vsock, served by the kernel. */
#ifndef DEVICES_VIRTIO_VSOCK_H
#define DEVICES_VIRTIO_VSOCK_H

#include <stdint.h>

struct device;
struct machine;

/* 5.10.4: 0 to 2 are reserved, of them 2 is the host; VMADDR_CID_ANY is no address. */
#define VSOCK_CID_MIN 3u
#define VSOCK_CID_MAX 0xfffffffeu

/*
 * Takes the address `cid` on this host, and claims a register file and an interrupt. Returns 0 with
 * *device, or -errno with a line logged that names cause and remedy.
 */
int vsock_create(struct machine *machine, uint32_t cid, struct device **device);

/* Whether the address can be had: takes it for a moment. Returns 0 or -errno (logged). */
int vsock_check(uint32_t cid);

#endif
