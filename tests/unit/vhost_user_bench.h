/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back-end library in a thread, behind a socket, with RAM and a ring. Each test file that
 * includes this has its own; TestSuite(..., .init = open_worker, .fini = close_worker).
 */
#ifndef TESTS_UNIT_VHOST_USER_BENCH_H
#define TESTS_UNIT_VHOST_USER_BENCH_H

#include "devices/virtio/vhost_user_back.h"
#include "devices/virtio/vhost_user_front.h"
#include "tests/unit/fakes.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#define UNUSED	   __attribute__((unused))

#define RAM_SIZE   UINT64_C(0x100000)
#define BUFFER_GPA (TEST_RAM_BASE + 0x20000)
#define QUEUES	   2
#define PROTOCOL   BIT(VHOST_USER_F_PROTOCOL_FEATURES)

static UNUSED struct test_ram ram;
static UNUSED struct test_ring ring;
static UNUSED int machine_end_of_socket, worker_end_of_socket;
static UNUSED struct vhost_user_back back;
static UNUSED int back_status;
static UNUSED pthread_t worker;
static UNUSED int kick_fd, call_fd, error_fd;

/* A device that says of each buffer how long it was, and writes 'x' over what it may write. */
static UNUSED void serve_queue(uint32_t index)
{
	static struct virtqueue_chain chain;

	while (vhost_user_back_pop(&back, index, &chain) == 1) {
		char letters[64];
		uint32_t written;

		memset(letters, 'x', sizeof(letters));
		written = virtqueue_copy_to_chain(&chain, &back.memory, letters, sizeof(letters));
		virtqueue_push(&back.queues[index].ring, chain.head, written);
	}
	vhost_user_back_signal(&back, index);
}

static UNUSED void *work(void *argument)
{
	(void)argument;
	for (;;) {
		struct pollfd fds[1 + QUEUES] = { { .fd = back.socket, .events = POLLIN } };

		for (uint32_t i = 0; i < QUEUES; i++)
			fds[1 + i] = (struct pollfd){ .fd = vhost_user_back_kick_fd(&back, i),
				.events = POLLIN };
		poll(fds, 1 + QUEUES, -1);
		if (fds[0].revents != 0) {
			back_status = vhost_user_back_receive(&back);
			if (back_status != 0)
				break;
		} else {
			for (uint32_t i = 0; i < QUEUES; i++)
				if (fds[1 + i].revents != 0)
					vhost_user_back_kicked(&back, i);
		}
		for (uint32_t i = 0; i < QUEUES; i++)
			serve_queue(i);
	}
	shutdown(back.socket, SHUT_RDWR);
	return NULL;
}

static UNUSED const struct vhost_user_back_device device = {
	.features = 0x8,
	.queue_count = QUEUES,
	.config = "configuration",
	.config_size = 13,
};

static UNUSED void open_sockets(void)
{
	int pair[2];

	fake_log_capture();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	machine_end_of_socket = pair[0];
	worker_end_of_socket = pair[1];
	test_ram_open(&ram, RAM_SIZE);
	test_ring_open(&ring, &ram, TEST_RAM_BASE, 16);
	kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	error_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static UNUSED void open_worker(void)
{
	open_sockets();
	vhost_user_back_init(&back, worker_end_of_socket, &device);
	pthread_create(&worker, NULL, work, NULL);
}

static UNUSED void close_worker(void)
{
	shutdown(machine_end_of_socket, SHUT_RDWR);
	pthread_join(worker, NULL);
	vhost_user_back_close(&back);
	close(machine_end_of_socket);
	close(worker_end_of_socket);
	close(kick_fd);
	close(call_fd);
	close(error_fd);
	test_ram_close(&ram);
}

static UNUSED struct vhost_queue queue_of_ring(uint32_t index)
{
	return (struct vhost_queue){
		.index = index,
		.size = ring.size,
		.descriptors = ring.descriptors,
		.available = ring.available,
		.used = ring.used,
		.kick_fd = kick_fd,
		.call_fd = call_fd,
		.error_fd = error_fd,
	};
}

static UNUSED void kick(void)
{
	const uint64_t one = 1;

	cr_assert_eq(write(kick_fd, &one, sizeof(one)), 8);
}

static UNUSED bool signalled(int fd, int timeout_ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	uint64_t count;

	return poll(&wait, 1, timeout_ms) == 1 && read(fd, &count, sizeof(count)) == 8;
}

static UNUSED size_t open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

#endif
