/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/net_header.h"
#include "vmm/base/util.h"

#include <endian.h>

static bool checksum_valid(
	const struct virtio_net_hdr *header, uint64_t features, uint32_t frame_size)
{
	uint32_t at = (uint32_t)le16toh(header->csum_start) + le16toh(header->csum_offset);

	if ((header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0)
		return true;
	return (features & BIT(VIRTIO_NET_F_CSUM)) != 0 && at + sizeof(uint16_t) <= frame_size;
}

static bool segmentation_valid(
	const struct virtio_net_hdr *header, uint64_t features, uint32_t frame_size)
{
	uint64_t needed;

	switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return header->gso_type == VIRTIO_NET_HDR_GSO_NONE;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		needed = BIT(VIRTIO_NET_F_HOST_TSO4);
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		needed = BIT(VIRTIO_NET_F_HOST_TSO6);
		break;
	default: /* of UDP, which is not offered, or unknown */
		return false;
	}
	if ((header->gso_type & VIRTIO_NET_HDR_GSO_ECN) != 0)
		needed |= BIT(VIRTIO_NET_F_HOST_ECN);
	/* Each segment gets a checksum of its own, so the first has to be asked for. */
	return (features & needed) == needed && header->gso_size != 0 &&
		(header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0 &&
		le16toh(header->hdr_len) <= frame_size;
}

bool net_header_valid(
	const struct virtio_net_hdr_mrg_rxbuf *header, uint64_t features, uint32_t frame_size)
{
	/* The other flags are the device's to set, or of features that are not offered. */
	if ((header->hdr.flags & ~VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0)
		return false;
	return frame_size >= NET_FRAME_MIN && frame_size <= NET_FRAME_MAX &&
		checksum_valid(&header->hdr, features, frame_size) &&
		segmentation_valid(&header->hdr, features, frame_size);
}
