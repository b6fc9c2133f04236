/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/console_guest.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define RAM_SIZE UINT64_C(0x400000)

struct console_guest guest;

static void *run_worker(void *argument)
{
	(void)argument;
	guest.worker_status = console_worker_run(&guest.worker);
	return NULL;
}

static void failed(struct virtio_mmio *device, int error)
{
	(void)device;
	cr_assert_fail("the back end failed: %s", strerror(-error));
}

/* A guest with its console's driver at work, and `fd` at the other end. */
void guest_start(enum console_kind kind, int fd, int output_fd)
{
	const struct virtio_mmio_options options = {
		.name = "console",
		.device_id = 3,
		.queue_count = 2,
		.queue_size_max = 64,
		.front = &guest.front.front,
		.memory = &guest.ram.memory,
		.failed = failed,
	};

	test_ram_open(&guest.ram, RAM_SIZE);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, guest.sockets), 0);
	guest.stop_fd = eventfd(0, EFD_NONBLOCK);
	console_worker_init(&guest.worker, guest.sockets[1], kind, fd, output_fd, guest.stop_fd);
	pthread_create(&guest.worker_thread, NULL, run_worker, NULL);
	cr_assert_eq(vhost_user_front_open(&guest.front, guest.sockets[0], "console", 2), 0);
	cr_assert_eq(virtio_mmio_init(&guest.mmio, &options), 0);
	guest.mmio.memory_fd = guest.ram.fd;
}

void guest_start_driver(uint64_t features)
{
	for (uint32_t i = 0; i < 2; i++)
		test_ring_open(&guest.rings[i], &guest.ram, TEST_RAM_BASE + i * TEST_RING_BYTES,
			RING_SIZE);
	test_driver_start(&guest.mmio, features | TEST_VERSION_1, guest.rings, 2);
	cr_assert_eq(test_register_read(&guest.mmio, VIRTIO_MMIO_STATUS), 15);
}

void guest_end(void)
{
	close(guest.sockets[0]);
	pthread_join(guest.worker_thread, NULL);
	cr_assert_eq(guest.worker_status, 0);
	console_worker_close(&guest.worker);
	close(guest.sockets[1]);
	virtio_mmio_close(&guest.mmio);
	test_ram_close(&guest.ram);
}

void guest_notify(uint32_t queue)
{
	test_register_write(&guest.mmio, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

bool test_wait_for(int fd, short events, int timeout_ms)
{
	struct pollfd wait = { .fd = fd, .events = events };

	return poll(&wait, 1, timeout_ms) == 1;
}

/* Sleeps until the device used a buffer of the queue; false after `timeout_ms`. */
bool guest_take(uint32_t queue, uint32_t *head, uint32_t *written, int timeout_ms)
{
	uint16_t *used_event = &guest.rings[queue].available->ring[RING_SIZE];
	uint64_t count;

	/* Of use with VIRTIO_F_EVENT_IDX, ignored without it (2.7.7). */
	__atomic_store_n(used_event, guest.rings[queue].taken, __ATOMIC_SEQ_CST);
	while (!test_ring_take(&guest.rings[queue], head, written)) {
		if (!test_wait_for(guest.mmio.queues[queue].call_fd, POLLIN, timeout_ms))
			return test_ring_take(&guest.rings[queue], head, written);
		if (read(guest.mmio.queues[queue].call_fd, &count, sizeof(count)) < 0)
			return false;
	}
	return true;
}

void guest_offer_receive(uint16_t index)
{
	test_ring_set(&guest.rings[RECEIVE], index, RECEIVE_GPA + index * (uint64_t)PIECE, PIECE,
		VRING_DESC_F_WRITE, 0);
	test_ring_offer(&guest.rings[RECEIVE], index);
}

/* What the guest prints; waits until it was taken. */
void guest_print(const char *text)
{
	uint32_t head, written;

	memcpy(test_ram_at(&guest.ram, TRANSMIT_GPA), text, strlen(text));
	test_ring_set(&guest.rings[TRANSMIT], 0, TRANSMIT_GPA, (uint32_t)strlen(text), 0, 0);
	test_ring_offer(&guest.rings[TRANSMIT], 0);
	guest_notify(TRANSMIT);
	cr_assert(guest_take(TRANSMIT, &head, &written, 5000));
	cr_assert_eq(written, 0, "the device writes nothing into what it reads");
}

/* What arrives in the guest, in one piece; offers the buffer again. */
const char *guest_receive(int timeout_ms)
{
	static char text[PIECE + 1];
	uint32_t head, written;

	if (!guest_take(RECEIVE, &head, &written, timeout_ms))
		return "nothing";
	memcpy(text, test_ram_at(&guest.ram, RECEIVE_GPA + head * (uint64_t)PIECE), written);
	text[written] = '\0';
	guest_offer_receive((uint16_t)head);
	guest_notify(RECEIVE);
	return text;
}

const char *test_read_text(int fd)
{
	static char text[PIECE + 1];
	ssize_t count;

	if (!test_wait_for(fd, POLLIN, 5000))
		return "nothing";
	count = read(fd, text, PIECE);
	text[count < 0 ? 0 : count] = '\0';
	return text;
}
