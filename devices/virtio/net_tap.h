/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of a guest's network interface: a tap, or a macvtap, that exists already; or what
 * net_passt.h has in its place.
 */
#ifndef DEVICES_VIRTIO_NET_TAP_H
#define DEVICES_VIRTIO_NET_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include <net/if.h>

#include "devices/virtio/net.h"

/* 5.1.2: a receive and a transmit queue each; behind several pairs comes the control queue. */
#define QUEUES_PER_PAIR 2u

struct net_tap {
	int fd; /* non-blocking; each frame with a header of 12 bytes before it (5.1.6) */
	int more[NET_MAX_PAIRS - 1]; /* of its other queues, one for each pair after the first */
	uint32_t pair_count;
	bool is_stream;	     /* no tap, but a program's socket: net_stream.h */
	char name[IFNAMSIZ]; /* of the interface */
	uint64_t features;   /* virtio's, that the tap can carry: checksums and segmentation */
	bool has_mac;	     /* a macvtap, which gets frames for its own address only ... */
	uint8_t mac[NET_MAC_SIZE]; /* ... this one */
};

/*
 * Opens what `options` name, and has it add the headers; with up to `pairs` queues, where the tap
 * was made for several. All but the first are detached: no frames are steered into them. Returns 0,
 * or -errno with a line logged that names cause and remedy; nothing is open then.
 */
int net_tap_open(struct net_tap *tap, const struct net_options *options, uint32_t pairs);
void net_tap_close(struct net_tap *tap);

/* How many a device on this tap has. */
static inline uint32_t net_tap_queue_count(const struct net_tap *tap)
{
	return QUEUES_PER_PAIR * tap->pair_count + (tap->pair_count > 1 ? 1 : 0);
}

/* The descriptor of the tap's queue for pair `pair`. */
int net_tap_queue(const struct net_tap *tap, uint32_t pair);

/* Whether the host steers frames into this queue of a tap's, which has several. Returns 0 or
 * -errno. */
int net_tap_attach(int queue_fd, bool attached);

/*
 * The driver negotiated `features`: from now on the tap may leave to the guest what those allow
 * (checksums, large segments). Frames that waited are thrown away: they may be of another kind.
 * Returns 0 or -errno (logged).
 */
int net_tap_negotiated(struct net_tap *tap, uint64_t features);

#endif
