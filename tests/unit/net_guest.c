/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/net_guest.h"

#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <endian.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct net_guest net_guest;

static void *run(void *argument)
{
	(void)argument;
	net_guest.status = net_worker_run(&net_guest.worker);
	return NULL;
}

static void failed(struct virtio_mmio *device, int error)
{
	(void)device;
	cr_assert_fail("the back end failed: %s", strerror(-error));
}

void net_guest_driver(uint64_t features)
{
	for (uint32_t i = 0; i < 2; i++)
		test_ring_open(&net_guest.rings[i], &net_guest.ram,
			TEST_RAM_BASE + i * TEST_RING_BYTES, NET_RING_SIZE);
	test_driver_start(&net_guest.mmio, features | TEST_VERSION_1, net_guest.rings, 2);
	cr_assert_eq(test_register_read(&net_guest.mmio, VIRTIO_MMIO_STATUS), 15);
}

void net_guest_open(int wire_type)
{
	bool is_stream = wire_type == SOCK_STREAM;
	struct virtio_mmio_options options = {
		.name = "net0",
		.device_id = 1,
		.queue_count = 2,
		.queue_size_max = 256,
		.config_size = NET_MAC_SIZE,
		.config = "\2\0\0\0\0\1",
		.front = &net_guest.front.front,
		.memory = &net_guest.ram.memory,
		.failed = failed,
	};
	struct net_tap tap = { .name = "tap7", .is_stream = is_stream };

	fake_log_capture();
	test_ram_open(&net_guest.ram, 0x400000);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, net_guest.sockets), 0);
	cr_assert_eq(socketpair(AF_UNIX, wire_type | SOCK_NONBLOCK, 0, net_guest.wire), 0);
	tap.fd = net_guest.wire[1];
	if (!is_stream)
		tap.features = NET_OFFLOADS;
	cr_assert_eq(net_worker_init(&net_guest.worker, net_guest.sockets[1], &tap), 0);
	pthread_create(&net_guest.thread, NULL, run, NULL);
	cr_assert_eq(vhost_user_front_open(&net_guest.front, net_guest.sockets[0], "net0", 2), 0);
	cr_assert_eq(virtio_mmio_init(&net_guest.mmio, &options), 0);
	net_guest.mmio.memory_fd = net_guest.ram.fd;
}

void net_guest_end(void)
{
	close(net_guest.sockets[0]);
	pthread_join(net_guest.thread, NULL);
	cr_assert_eq(net_guest.status, 0);
	net_worker_close(&net_guest.worker);
	virtio_mmio_close(&net_guest.mmio);
	test_ram_close(&net_guest.ram);
}

void net_guest_notify(uint32_t queue)
{
	test_register_write(&net_guest.mmio, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

bool net_guest_readable(int fd, int timeout_ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, timeout_ms) == 1;
}

uint32_t net_guest_used(int queue)
{
	uint32_t head, written = 0;
	uint64_t count;

	while (!test_ring_take(&net_guest.rings[queue], &head, &written)) {
		cr_assert(net_guest_readable(net_guest.mmio.queues[queue].call_fd, 20000),
			"no interrupt");
		cr_assert_eq(read(net_guest.mmio.queues[queue].call_fd, &count, sizeof(count)), 8);
	}
	return written;
}

void net_guest_send(struct virtio_net_hdr_mrg_rxbuf header, uint32_t size)
{
	uint8_t *at = test_ram_at(&net_guest.ram, NET_BUFFERS);

	memcpy(at, &header, sizeof(header));
	for (uint32_t i = 0; i < size; i++)
		at[NET_HEADER_SIZE + i] = (uint8_t)i;
	test_ring_set(&net_guest.rings[TRANSMIT], 0, NET_BUFFERS, 7, VRING_DESC_F_NEXT, 1);
	test_ring_set(
		&net_guest.rings[TRANSMIT], 1, NET_BUFFERS + 7, NET_HEADER_SIZE + size - 7, 0, 0);
	test_ring_offer(&net_guest.rings[TRANSMIT], 0);
	net_guest_notify(TRANSMIT);
	cr_assert_eq(net_guest_used(TRANSMIT), 0);
}

void net_guest_sent(uint32_t size)
{
	uint8_t frame[4096];

	cr_assert(net_guest_readable(net_guest.wire[0], 20000));
	cr_assert_eq(read(net_guest.wire[0], frame, sizeof(frame)), NET_HEADER_SIZE + size);
	for (uint32_t i = 0; i < size; i++)
		cr_assert_eq(frame[NET_HEADER_SIZE + i], (uint8_t)i);
}

void net_guest_offer(uint32_t size)
{
	test_ring_set(&net_guest.rings[RECEIVE], 0, NET_BUFFERS + 0x10000, 5,
		VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	test_ring_set(&net_guest.rings[RECEIVE], 1, NET_BUFFERS + 0x10005, size - 5,
		VRING_DESC_F_WRITE, 0);
	test_ring_offer(&net_guest.rings[RECEIVE], 0);
	net_guest_notify(RECEIVE);
}

void net_guest_arrive(uint8_t fill, size_t size)
{
	uint8_t frame[4096] = { 0 };

	/* A tap says so of every frame that the host has checked, whatever was negotiated. */
	frame[offsetof(struct virtio_net_hdr, flags)] = VIRTIO_NET_HDR_F_DATA_VALID;
	memset(frame + NET_HEADER_SIZE, fill, size);
	cr_assert_eq(write(net_guest.wire[0], frame, NET_HEADER_SIZE + size),
		(ssize_t)(NET_HEADER_SIZE + size));
}

void net_guest_received(uint8_t fill, uint32_t size)
{
	struct virtio_net_hdr_mrg_rxbuf header;
	const uint8_t *at = test_ram_at(&net_guest.ram, NET_BUFFERS + 0x10000);

	cr_assert_eq(net_guest_used(RECEIVE), NET_HEADER_SIZE + size);
	memcpy(&header, at, sizeof(header));
	/* 5.1.6.4.1: without VIRTIO_NET_F_MRG_RXBUF a frame is in one buffer. */
	cr_assert_eq(le16toh(header.num_buffers), 1);
	/* And without VIRTIO_NET_F_GUEST_CSUM there are no flags. */
	cr_assert_eq(header.hdr.flags,
		(net_guest.mmio.driver_features & BIT(VIRTIO_NET_F_GUEST_CSUM)) != 0
			? VIRTIO_NET_HDR_F_DATA_VALID
			: 0);
	for (uint32_t i = 0; i < size; i++)
		cr_assert_eq(at[NET_HEADER_SIZE + i], fill);
}
