/* SPDX-License-Identifier: Apache-2.0 */
/* virtio 1.2, 5.1.6: which headers of a driver's frames are passed on. */
#include "devices/virtio/net_header.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <endian.h>

#define CSUM	BIT(VIRTIO_NET_F_CSUM)
#define TSO4	BIT(VIRTIO_NET_F_HOST_TSO4)
#define TSO6	BIT(VIRTIO_NET_F_HOST_TSO6)
#define ECN	BIT(VIRTIO_NET_F_HOST_ECN)
#define ALL	(CSUM | TSO4 | TSO6 | ECN)

#define NEEDS	VIRTIO_NET_HDR_F_NEEDS_CSUM
#define TCPV4	VIRTIO_NET_HDR_GSO_TCPV4
#define TCPV6	VIRTIO_NET_HDR_GSO_TCPV6
#define GSO_ECN VIRTIO_NET_HDR_GSO_ECN

struct header_case {
	const char *what;
	uint64_t features;
	uint32_t frame;
	uint8_t flags, gso;
	uint16_t header, size, start, offset;
	bool valid;
};

static const struct header_case cases[] = {
	{ "plain", 0, 60, 0, 0, 0, 0, 0, 0, true },
	{ "of the least size", 0, 14, 0, 0, 0, 0, 0, 0, true },
	{ "less than a link header", 0, 13, 0, 0, 0, 0, 0, 0, false },
	{ "none at all", 0, 0, 0, 0, 0, 0, 0, 0, false },
	{ "of the most", 0, NET_FRAME_MAX, 0, 0, 0, 0, 0, 0, true },
	{ "of one byte more", 0, NET_FRAME_MAX + 1, 0, 0, 0, 0, 0, 0, false },
	{ "fields without their flag are ignored", 0, 60, 0, 0, 65535, 65535, 65535, 65535, true },
	{ "checksum", CSUM, 60, NEEDS, 0, 0, 0, 34, 16, true },
	{ "checksum not negotiated", TSO4, 60, NEEDS, 0, 0, 0, 34, 16, false },
	{ "checksum at the end", CSUM, 60, NEEDS, 0, 0, 0, 34, 24, true },
	{ "checksum half outside", CSUM, 60, NEEDS, 0, 0, 0, 34, 25, false },
	{ "checksum whose sum wraps 16 bits", CSUM, 60, NEEDS, 0, 0, 0, 65535, 1, false },
	{ "segments", ALL, 4000, NEEDS, TCPV4, 54, 1448, 34, 16, true },
	{ "segments over IPv6", ALL, 4000, NEEDS, TCPV6, 74, 1428, 54, 16, true },
	{ "segments with ECN", ALL, 4000, NEEDS, TCPV4 | GSO_ECN, 54, 1448, 34, 16, true },
	{ "segments not negotiated", CSUM | TSO6, 4000, NEEDS, TCPV4, 54, 1448, 34, 16, false },
	{ "segments over IPv6 not negotiated", CSUM | TSO4, 4000, NEEDS, TCPV6, 74, 1428, 54, 16,
		false },
	{ "ECN not negotiated", CSUM | TSO4, 4000, NEEDS, TCPV4 | GSO_ECN, 54, 1448, 34, 16,
		false },
	{ "segments without checksums", ALL, 4000, 0, TCPV4, 54, 1448, 34, 16, false },
	{ "segments of no bytes", ALL, 4000, NEEDS, TCPV4, 54, 0, 34, 16, false },
	{ "header longer than the frame", ALL, 4000, NEEDS, TCPV4, 4001, 1448, 34, 16, false },
	{ "ECN of nothing", ALL, 60, 0, GSO_ECN, 0, 0, 0, 0, false },
	{ "UDP fragments", ALL, 4000, NEEDS, VIRTIO_NET_HDR_GSO_UDP, 42, 1448, 34, 6, false },
	{ "UDP segments", ALL, 4000, NEEDS, 5, 42, 1448, 34, 6, false },
	{ "unknown segments", ALL, 4000, NEEDS, 0x7f, 42, 1448, 34, 6, false },
	{ "flag of the device's", ALL, 60, VIRTIO_NET_HDR_F_DATA_VALID, 0, 0, 0, 0, 0, false },
	{ "flag of coalescing", ALL, 60, VIRTIO_NET_HDR_F_RSC_INFO, 0, 0, 0, 0, 0, false },
	{ "unknown flag", ALL, 60, 0x80, 0, 0, 0, 0, 0, false },
};

Test(net_header, asks_for_no_more_than_was_negotiated_and_points_nowhere_else)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct header_case *c = &cases[i];
		struct virtio_net_hdr_mrg_rxbuf header = { .hdr = {
								   .flags = c->flags,
								   .gso_type = c->gso,
								   .hdr_len = htole16(c->header),
								   .gso_size = htole16(c->size),
								   .csum_start = htole16(c->start),
								   .csum_offset =
									   htole16(c->offset),
							   } };

		cr_expect_eq(
			net_header_valid(&header, c->features, c->frame), c->valid, "%s", c->what);
	}
}
