/* SPDX-License-Identifier: Apache-2.0 */
/* A network without a tap: passt makes ordinary sockets of the guest's frames. */
#ifndef DEVICES_VIRTIO_NET_PASST_H
#define DEVICES_VIRTIO_NET_PASST_H

struct net_options;
struct net_tap;
struct worker;

/*
 * Starts passt; *tap is the machine's end of its stream. Returns 0 or -errno (logged), with nothing
 * started and nothing open.
 */
int net_passt_start(struct worker *passt, const struct net_options *options, struct net_tap *tap);

/* Whether passt is installed. Returns 0 or -ENOENT (logged). */
int net_passt_check(void);

#endif
