/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest with a network interface, for tests: register file, front end and the worker's loop are
 * real; a socket stands for the tap, its other end is the test's. One at a time.
 */
#ifndef TESTS_UNIT_NET_GUEST_H
#define TESTS_UNIT_NET_GUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/virtio/net_loop.h"
#include "devices/virtio/vhost_user_front.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/base/util.h"

enum { RECEIVE, TRANSMIT };

#define NET_OFFLOADS	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM))
#define NET_BUFFER_SIZE 1600
#define NET_BUFFERS	(TEST_RAM_BASE + 0x10000)
#define NET_RING_SIZE	16

struct net_guest {
	struct test_ram ram;
	struct test_ring rings[2];
	struct vhost_user_front front;
	struct virtio_mmio mmio;
	struct net_worker worker;
	pthread_t thread;
	int sockets[2], wire[2]; /* the test's end of the wire is 0 */
	int status;		 /* what the worker ended with */
};

extern struct net_guest net_guest;

/* `wire_type`: SOCK_SEQPACKET stands for a tap, SOCK_STREAM is a program's stream. */
void net_guest_open(int wire_type);

/* From reset to DRIVER_OK. */
void net_guest_driver(uint64_t features);

/* Ends the connection; the worker must end with status 0. */
void net_guest_end(void);

void net_guest_notify(uint32_t queue);
bool net_guest_readable(int fd, int timeout_ms);

/* Waits for the device to use a buffer; the length that it says. */
uint32_t net_guest_used(int queue);

/* The guest sends `size` bytes of frame behind a header, in pieces that part the header. */
void net_guest_send(struct virtio_net_hdr_mrg_rxbuf header, uint32_t size);

/* That frame must have come out. */
void net_guest_sent(uint32_t size);

/* Offers a buffer for a frame, in two pieces; a frame of `size` bytes comes; it must be in there.
 */
void net_guest_offer(uint32_t size);
void net_guest_arrive(uint8_t fill, size_t size);
void net_guest_received(uint8_t fill, uint32_t size);

#endif
