/* SPDX-License-Identifier: Apache-2.0 */
/* The header in front of each frame (virtio 1.2, 5.1.6): what of the guest's is passed on. */
#ifndef DEVICES_VIRTIO_NET_HEADER_H
#define DEVICES_VIRTIO_NET_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/virtio_net.h>

/* With version 1 it is this long whatever else was negotiated (5.1.6.1). */
#define NET_HEADER_SIZE ((uint32_t)sizeof(struct virtio_net_hdr_mrg_rxbuf))

/* 5.1.6.2: a frame is at most 65535 bytes of packet and 14 of Ethernet's header, a VLAN's 4 more.
 */
#define NET_FRAME_MAX	65553u
#define NET_FRAME_MIN	14u

/*
 * Whether a driver that negotiated `features` may send a frame of `frame_size` bytes behind this
 * header (5.1.6.2.1): one field asks for no more than another allows, and none points outside. The
 * header is a copy: the guest cannot change it any more.
 */
bool net_header_valid(
	const struct virtio_net_hdr_mrg_rxbuf *header, uint64_t features, uint32_t frame_size);

#endif
