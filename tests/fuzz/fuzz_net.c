/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network interface's worker on rings that hold anything.
 *
 * Input: which offloads are negotiated, how many frames arrive, and a 16-bit place for each ring's
 * descriptors, available and used part in 64 KiB of RAM; then the RAM's contents. A socket with
 * message boundaries stands for the tap. What comes out of it must be what a driver may send.
 */
#include "devices/virtio/net_loop.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RAM_BASE  UINT64_C(0x40000000)
#define RAM_SIZE  0x10000
#define RING_SIZE 16

struct header {
	uint8_t options, frames;
	uint16_t places[2][3];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the place of vmm/base/log.c: writing lines would take most of the time. */
void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void open_worker(struct net_worker *worker, int wire[2])
{
	struct net_tap tap = { .features = BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4) |
			BIT(VIRTIO_NET_F_HOST_TSO6) | BIT(VIRTIO_NET_F_HOST_ECN) };
	int fd = guest_memory_create_fd(RAM_SIZE);

	check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, wire) == 0);
	tap.fd = wire[1];
	net_worker_init(worker, -1, &tap);
	check(fd >= 0 &&
		guest_memory_map(&worker->back.memory, fd, 0, RAM_BASE, RAM_SIZE, RAM_BASE) == 0);
}

/* False when the rings are nowhere. */
static bool start_queue(struct net_worker *worker, uint32_t index, const struct header *header)
{
	struct vhost_user_back_queue *queue = &worker->back.queues[index];
	struct virtqueue_addresses addresses = {
		.descriptors = RAM_BASE + header->places[index][0],
		.available = RAM_BASE + header->places[index][1],
		.used = RAM_BASE + header->places[index][2],
	};

	memset(&queue->ring, 0, sizeof(queue->ring));
	queue->ring.index = index;
	queue->ring.size = RING_SIZE;
	queue->ring.indirect = (header->options & 0x10) != 0;
	queue->ring.event_index = (header->options & 0x20) != 0;
	queue->enabled = true;
	queue->started = virtqueue_find_rings(&queue->ring, &worker->back.memory, &addresses) == 0;
	if (queue->started)
		virtqueue_start(&queue->ring, 0);
	return queue->started;
}

static void check_sent(const struct net_worker *worker, int wire)
{
	static uint8_t frame[NET_FRAME_MAX + 4096];
	ssize_t size;

	while ((size = recv(wire, frame, sizeof(frame), MSG_DONTWAIT)) > 0) {
		struct virtio_net_hdr_mrg_rxbuf sent;

		check(size >= (ssize_t)NET_HEADER_SIZE);
		memcpy(&sent, frame, sizeof(sent));
		check(net_header_valid(
			&sent, worker->back.features, (uint32_t)size - NET_HEADER_SIZE));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct net_worker worker;
	static int wire[2];
	uint8_t frame[1526] = { 0 };
	struct header header;
	bool started;

	if (worker.back.memory.count == 0)
		open_worker(&worker, wire);
	if (size < sizeof(header))
		return 0;
	memcpy(&header, data, sizeof(header));
	data += sizeof(header);
	size -= sizeof(header);
	if (size > RAM_SIZE)
		size = RAM_SIZE;
	memset(worker.back.memory.regions[0].host, 0, RAM_SIZE);
	if (size != 0)
		memcpy(worker.back.memory.regions[0].host, data, size);
	worker.back.features = (header.options & 1 ? worker.device.features : 0);
	started = start_queue(&worker, 0, &header);
	started = start_queue(&worker, 1, &header) || started;
	if (!started)
		return 0;
	for (unsigned int i = 0; i < header.frames % 8; i++)
		if (send(wire[0], frame, NET_HEADER_SIZE + 100 * (i + 1), MSG_DONTWAIT) < 0)
			break;
	for (unsigned int turn = 0; turn < 4; turn++) {
		net_worker_transmit(&worker);
		net_worker_receive(&worker);
		check_sent(&worker, wire[0]);
		check(worker.more_count == 0);
	}
	while (recv(wire[1], frame, sizeof(frame), MSG_DONTWAIT) > 0) {
	}
	return 0;
}
