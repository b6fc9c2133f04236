/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of vhost-user: with each other, and each against one that breaks the protocol. */
#include "devices/virtio/vhost_user_back.h"
#include "devices/virtio/vhost_user_front.h"
#include "tests/unit/fakes.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/virtio_config.h>

#define RAM_SIZE   UINT64_C(0x100000)
#define BUFFER_GPA (TEST_RAM_BASE + 0x20000)
#define QUEUES	   2
#define BIT(n)	   (UINT64_C(1) << (n))
#define PROTOCOL   BIT(VHOST_USER_F_PROTOCOL_FEATURES)

static struct test_ram ram;
static struct test_ring ring;
static int machine_end_of_socket, worker_end_of_socket;
static struct vhost_user_back back;
static int back_status;
static pthread_t worker;
static int kick_fd, call_fd, error_fd;

/* A device that says of each buffer how long it was, and writes 'x' over what it may write. */
static void serve_queue(uint32_t index)
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

static void *work(void *argument)
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

static const struct vhost_user_back_device device = {
	.features = 0x8,
	.queue_count = QUEUES,
	.config = "configuration",
	.config_size = 13,
};

static void open_sockets(void)
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

static void open_worker(void)
{
	open_sockets();
	vhost_user_back_init(&back, worker_end_of_socket, &device);
	pthread_create(&worker, NULL, work, NULL);
}

static void close_worker(void)
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

TestSuite(vhost_user, .init = open_worker, .fini = close_worker, .timeout = 30);

static struct vhost_queue queue_of_ring(uint32_t index)
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

static void kick(void)
{
	const uint64_t one = 1;

	cr_assert_eq(write(kick_fd, &one, sizeof(one)), 8);
}

static bool signalled(int fd, int timeout_ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	uint64_t count;

	return poll(&wait, 1, timeout_ms) == 1 && read(fd, &count, sizeof(count)) == 8;
}

static size_t open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(directory) != NULL)
		count++;
	closedir(directory);
	return count;
}

Test(vhost_user, ends_agree_on_features)
{
	struct vhost_user_front front;

	cr_assert_eq(vhost_user_front_open(&front, machine_end_of_socket, "test", QUEUES), 0);
	cr_assert_eq(front.front.features,
		0x8 | TEST_VERSION_1 | BIT(VIRTIO_RING_F_INDIRECT_DESC) |
			BIT(VIRTIO_RING_F_EVENT_IDX));
	cr_assert_eq(front.protocol_features,
		BIT(VHOST_USER_PROTOCOL_F_MQ) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK) |
			BIT(VHOST_USER_PROTOCOL_F_CONFIG));
}

Test(vhost_user, more_queues_than_the_back_end_has_are_an_error)
{
	struct vhost_user_front front;

	cr_assert_eq(
		vhost_user_front_open(&front, machine_end_of_socket, "test", QUEUES + 1), -ENOTSUP);
	cr_assert_not_null(strstr(fake_log_text(), "the back end has 2 queues"));
}

Test(vhost_user, queue_is_served_and_stopped)
{
	struct vhost_user_front front;
	struct vhost_queue queue = queue_of_ring(1);
	size_t descriptors;
	uint32_t head, written;

	cr_assert_eq(vhost_user_front_open(&front, machine_end_of_socket, "test", QUEUES), 0);
	descriptors = open_descriptors();
	for (int life = 0; life < 3; life++) {
		test_ring_open(&ring, &ram, TEST_RAM_BASE, 16);
		cr_assert_eq(front.front.ops->set_features(&front.front, TEST_VERSION_1), 0);
		cr_assert_eq(front.front.ops->set_memory(&front.front, &ram.memory, ram.fd), 0);
		cr_assert_eq(front.front.ops->start_queue(&front.front, &queue), 0);
		for (uint16_t i = 0; i < 100; i++) {
			test_ring_set(&ring, 2, BUFFER_GPA, 5, VRING_DESC_F_WRITE, 0);
			test_ring_offer(&ring, 2);
			kick();
			cr_assert(signalled(call_fd, 5000));
			cr_assert(test_ring_take(&ring, &head, &written));
			cr_assert_eq(head, 2);
			cr_assert_eq(written, 5);
		}
		cr_assert_arr_eq(test_ram_at(&ram, BUFFER_GPA), "xxxxx", 6);
		cr_assert_eq(front.front.ops->stop_queue(&front.front, 1), 0);
		/* Nothing is touched any more. */
		test_ring_offer(&ring, 2);
		kick();
		cr_assert_not(signalled(call_fd, 50));
		cr_assert_not(test_ring_take(&ring, &head, &written));
		signalled(kick_fd, 0);
	}
	/* What the worker keeps: call and error eventfds. */
	cr_assert_leq(open_descriptors(), descriptors + 2, "descriptors leak");
}

Test(vhost_user, broken_ring_is_reported)
{
	struct vhost_user_front front;
	struct vhost_queue queue = queue_of_ring(0);

	cr_assert_eq(vhost_user_front_open(&front, machine_end_of_socket, "test", QUEUES), 0);
	front.front.ops->set_features(&front.front, TEST_VERSION_1);
	front.front.ops->set_memory(&front.front, &ram.memory, ram.fd);
	cr_assert_eq(front.front.ops->start_queue(&front.front, &queue), 0);
	test_ring_offer(&ring, 99);
	kick();
	cr_assert(signalled(error_fd, 5000));
	cr_assert_not_null(strstr(fake_log_text(), "queue 0: the guest's driver broke the ring"));
	/* Kicks do not wake the worker any more; the reset does. */
	kick();
	cr_assert_not(signalled(error_fd, 50));
	cr_assert(signalled(kick_fd, 0), "nobody read it");
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 0), 0);
	test_ring_open(&ring, &ram, TEST_RAM_BASE, 16);
	cr_assert_eq(front.front.ops->start_queue(&front.front, &queue), 0);
	test_ring_set(&ring, 0, BUFFER_GPA, 1, VRING_DESC_F_WRITE, 0);
	test_ring_offer(&ring, 0);
	kick();
	cr_assert(signalled(call_fd, 5000));
}

Test(vhost_user, config_space_is_read_and_not_written)
{
	struct vhost_user_front front;
	char config[14] = "";

	cr_assert_eq(vhost_user_front_open(&front, machine_end_of_socket, "test", QUEUES), 0);
	cr_assert_eq(front.front.ops->read_config(&front.front, config, 13), 0);
	cr_assert_str_eq(config, "configuration");
	cr_assert_eq(front.front.ops->read_config(&front.front, config, 14), -EREMOTEIO);
	cr_assert_eq(front.front.ops->write_config(&front.front, 0, "C", 1), -EREMOTEIO);
	cr_assert_eq(front.front.ops->read_config(&front.front, config, 1), 0, "still in step");
}

Test(vhost_user, queue_outside_of_memory_is_refused)
{
	struct vhost_user_front front;
	struct vhost_queue queue = queue_of_ring(0);

	cr_assert_eq(vhost_user_front_open(&front, machine_end_of_socket, "test", QUEUES), 0);
	front.front.ops->set_features(&front.front, TEST_VERSION_1);
	front.front.ops->set_memory(&front.front, &ram.memory, ram.fd);
	queue.used = (const char *)queue.used + RAM_SIZE;
	cr_assert_eq(front.front.ops->start_queue(&front.front, &queue), -EREMOTEIO);
	queue = queue_of_ring(QUEUES);
	cr_assert_eq(front.front.ops->start_queue(&front.front, &queue), -EREMOTEIO);
	queue = queue_of_ring(0);
	queue.size = 17;
	cr_assert_eq(front.front.ops->start_queue(&front.front, &queue), -EREMOTEIO);
}

/* --- a front end that breaks the protocol ---------------------------------------------------- */

static void say(uint32_t request, uint32_t flags, const void *payload, uint32_t size,
	const int *fds, size_t fd_count)
{
	struct vhost_user_header header = { .request = request, .flags = flags, .size = size };
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 16)];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	char message[1024];
	struct iovec part = { .iov_base = message, .iov_len = sizeof(header) + size };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };

	memcpy(message, &header, sizeof(header));
	if (size != 0)
		memcpy(message + sizeof(header), payload, size);
	if (fd_count != 0) {
		struct cmsghdr *rights;

		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		rights = CMSG_FIRSTHDR(&msg);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_count);
	}
	cr_assert_eq(sendmsg(machine_end_of_socket, &msg, MSG_NOSIGNAL),
		(ssize_t)(sizeof(header) + size));
}

/* The u64 of the answer, or -1 when the back end hung up. */
static int64_t hear(uint32_t request)
{
	struct vhost_user_header header;
	uint64_t value = 0;

	if (recv(machine_end_of_socket, &header, sizeof(header), MSG_WAITALL) !=
		(ssize_t)sizeof(header))
		return -1;
	cr_assert_eq(header.request, request);
	cr_assert_eq(header.flags, VHOST_USER_VERSION | VHOST_USER_REPLY);
	cr_assert_leq(header.size, sizeof(value));
	cr_assert_eq(recv(machine_end_of_socket, &value, header.size, MSG_WAITALL),
		(ssize_t)header.size);
	return (int64_t)value;
}

/* Says it with "need reply"; 0: accepted, 1: refused. */
static int64_t ask(
	uint32_t request, const void *payload, uint32_t size, const int *fds, size_t fd_count)
{
	say(request, VHOST_USER_VERSION | VHOST_USER_NEED_REPLY, payload, size, fds, fd_count);
	return hear(request);
}

static void agree_on_acknowledgements(void)
{
	uint64_t features = BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK);

	say(VHOST_USER_SET_PROTOCOL_FEATURES, VHOST_USER_VERSION, &features, 8, NULL, 0);
}

static int64_t ask_state(uint32_t request, uint32_t index, uint32_t num)
{
	const struct vhost_user_vring_state state = { index, num };

	return ask(request, &state, sizeof(state), NULL, 0);
}

Test(vhost_user, wrong_lengths_are_refused)
{
	static const uint32_t requests[] = { VHOST_USER_SET_FEATURES, VHOST_USER_SET_OWNER,
		VHOST_USER_SET_MEM_TABLE, VHOST_USER_SET_VRING_NUM, VHOST_USER_SET_VRING_ADDR,
		VHOST_USER_SET_VRING_BASE, VHOST_USER_SET_VRING_KICK, VHOST_USER_SET_VRING_CALL,
		VHOST_USER_SET_VRING_ERR, VHOST_USER_SET_PROTOCOL_FEATURES,
		VHOST_USER_SET_VRING_ENABLE, VHOST_USER_SET_CONFIG, 0, 19, 41, UINT32_MAX };
	const char zeroes[300] = "";

	agree_on_acknowledgements();
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		for (uint32_t size = 1; size <= 264; size += size < 48 ? 1 : 27) {
			if (size == 8 || size == 40)
				continue;
			cr_assert_eq(ask(requests[i], zeroes, size, NULL, 0), 1,
				"request %u of %u bytes", requests[i], size);
		}
	cr_assert_eq(ask(VHOST_USER_SET_OWNER, NULL, 0, NULL, 0), 0, "still in step");
}

Test(vhost_user, descriptor_counts_are_exact)
{
	const int fds[10] = { kick_fd, call_fd, ram.fd, ram.fd, ram.fd, ram.fd, ram.fd, ram.fd,
		ram.fd, ram.fd };
	struct vhost_user_memory table = { .count = 1,
		.regions = { { TEST_RAM_BASE, RAM_SIZE, 0x10000, 0 } } };
	uint64_t value = 0, none = VHOST_USER_VRING_NO_FD;
	size_t before;

	agree_on_acknowledgements();
	cr_assert_eq(ask(VHOST_USER_SET_OWNER, NULL, 0, NULL, 0), 0);
	before = open_descriptors();
	cr_assert_eq(ask(VHOST_USER_SET_OWNER, NULL, 0, fds, 1), 1, "nothing to do with it");
	cr_assert_eq(ask(VHOST_USER_SET_VRING_CALL, &value, 8, fds, 0), 1, "missing");
	cr_assert_eq(ask(VHOST_USER_SET_VRING_CALL, &value, 8, fds, 2), 1, "too many");
	cr_assert_eq(ask(VHOST_USER_SET_VRING_CALL, &none, 8, fds, 1), 1, "said to be none");
	cr_assert_eq(ask(VHOST_USER_SET_VRING_CALL, &none, 8, fds, 0), 0);
	cr_assert_eq(ask(VHOST_USER_SET_VRING_KICK, &none, 8, fds, 0), 1, "no polling here");
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 40, fds + 2, 0), 1, "no memory");
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 40, fds + 2, 2), 1, "too many");
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 40, fds, 10), 1, "far too many");
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 40, fds + 2, 1), 0);
	/* What came with a message is closed before the next one is looked at. */
	cr_assert_eq(ask(VHOST_USER_SET_OWNER, NULL, 0, NULL, 0), 0);
	cr_assert_eq(open_descriptors(), before, "descriptors leak");
	value = QUEUES;
	cr_assert_eq(ask(VHOST_USER_SET_VRING_CALL, &value, 8, fds, 1), 1, "no such queue");
	value = UINT64_MAX;
	cr_assert_eq(ask(VHOST_USER_SET_VRING_CALL, &value, 8, fds, 1), 1, "unknown bits");
	/* What came with a message is closed before the next one is looked at. */
	cr_assert_eq(ask(VHOST_USER_SET_OWNER, NULL, 0, NULL, 0), 0);
	cr_assert_eq(open_descriptors(), before, "descriptors leak");
}

Test(vhost_user, memory_tables_are_checked)
{
	struct vhost_user_memory table = { .count = 0 };
	const int fds[9] = { ram.fd, ram.fd, ram.fd, ram.fd, ram.fd, ram.fd, ram.fd, ram.fd,
		ram.fd };

	agree_on_acknowledgements();
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 8, NULL, 0), 1, "empty");
	table.count = UINT32_MAX;
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 264, fds, 8), 1, "4 billion regions");
	table.count = 2;
	table.regions[0] = (struct vhost_user_region){ TEST_RAM_BASE, 0x10000, 0, 0 };
	table.regions[1] = (struct vhost_user_region){ TEST_RAM_BASE + 0xf000, 0x1000, 0, 0 };
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 72, fds, 2), 1, "overlap");
	table.regions[1] = (struct vhost_user_region){ 0, 0, 0, 0 };
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 72, fds, 2), 1, "no bytes");
	table.regions[1] = (struct vhost_user_region){ UINT64_MAX - 0xfff, 0x2000, 0, 0 };
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 72, fds, 2), 1, "wraps");
	table.regions[1] = (struct vhost_user_region){ 0, 0x1000, 0, 17 };
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 72, fds, 2), 1, "offset in a page");
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 71, fds, 2), 1);
	for (uint32_t i = 0; i < 8; i++)
		table.regions[i] =
			(struct vhost_user_region){ i * 0x10000, 0x1000, i * 0x10000, i * 0x1000 };
	table.count = 8;
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 264, fds, 8), 0,
		"as many as there may "
		"be");
}

Test(vhost_user, rings_are_checked)
{
	struct vhost_user_vring_addr address = { .index = 0 };

	agree_on_acknowledgements();
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_NUM, QUEUES, 16), 1);
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_NUM, UINT32_MAX, 16), 1);
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_NUM, 0, 0), 1);
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_NUM, 0, 24), 1);
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_NUM, 0, 0x80000000), 1);
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_NUM, 0, 16), 0);
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_BASE, 0, 65536), 1);
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_BASE, QUEUES, 0), 1);
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_BASE, 0, 7), 0);
	cr_assert_eq(ask_state(VHOST_USER_GET_VRING_BASE, QUEUES, 0), 1);
	cr_assert_eq(ask_state(VHOST_USER_GET_VRING_BASE, 0, 0), INT64_C(7) << 32,
		"a queue that never started, where it was put");
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_ENABLE, 0, 2), 1);
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_ENABLE, QUEUES, 1), 1);
	cr_assert_eq(ask(VHOST_USER_SET_VRING_ADDR, &address, sizeof(address), NULL, 0), 1,
		"no memory yet");
	address.flags = 1;
	cr_assert_eq(
		ask(VHOST_USER_SET_VRING_ADDR, &address, sizeof(address), NULL, 0), 1, "logging");
}

Test(vhost_user, unoffered_features_are_refused)
{
	uint64_t features = TEST_VERSION_1 | 0x10;

	agree_on_acknowledgements();
	cr_assert_eq(ask(VHOST_USER_SET_FEATURES, &features, 8, NULL, 0), 1);
	features = TEST_VERSION_1 | 0x8;
	cr_assert_eq(ask(VHOST_USER_SET_FEATURES, &features, 8, NULL, 0), 0);
	features = BIT(63) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK);
	cr_assert_eq(ask(VHOST_USER_SET_PROTOCOL_FEATURES, &features, 8, NULL, 0), 1);
}

Test(vhost_user, nonsense_ends_the_conversation)
{
	say(VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
	cr_assert_eq(hear(0), -1, "version 0");
}

Test(vhost_user, answer_as_request_ends_the_conversation)
{
	say(VHOST_USER_GET_FEATURES, VHOST_USER_VERSION | VHOST_USER_REPLY, NULL, 0, NULL, 0);
	cr_assert_eq(hear(0), -1);
}

Test(vhost_user, payload_without_end_ends_the_conversation)
{
	const struct vhost_user_header header = { VHOST_USER_SET_FEATURES, VHOST_USER_VERSION,
		UINT32_MAX };

	cr_assert_eq(send(machine_end_of_socket, &header, sizeof(header), MSG_NOSIGNAL), 12);
	cr_assert_eq(hear(0), -1);
}

Test(vhost_user, refusal_without_acknowledgements_ends_the_conversation)
{
	const struct vhost_user_vring_state state = { 99, 1 };

	say(VHOST_USER_SET_VRING_NUM, VHOST_USER_VERSION, &state, sizeof(state), NULL, 0);
	cr_assert_eq(hear(0), -1, "there is no other way to say no");
}

Test(vhost_user, message_may_come_byte_by_byte)
{
	const struct {
		struct vhost_user_header header;
		struct vhost_user_vring_state state;
	} message = { { VHOST_USER_GET_VRING_BASE, VHOST_USER_VERSION, 8 }, { 1, 0 } };

	for (size_t i = 0; i < 20; i++) {
		cr_assert_eq(send(machine_end_of_socket, (const char *)&message + i, 1, 0), 1);
		usleep(1000);
	}
	cr_assert_eq(hear(VHOST_USER_GET_VRING_BASE), 1);
}

static void set_up_ring_by_hand(uint64_t features)
{
	struct vhost_user_memory table = { .count = 1,
		.regions = { { TEST_RAM_BASE, RAM_SIZE, 0x7000000, 0 } } };
	const struct vhost_user_vring_addr address = {
		.index = 0,
		.descriptors = 0x7000000 + ring.descriptors_gpa - TEST_RAM_BASE,
		.available = 0x7000000 + ring.available_gpa - TEST_RAM_BASE,
		.used = 0x7000000 + ring.used_gpa - TEST_RAM_BASE,
	};
	uint64_t index = 0;

	agree_on_acknowledgements();
	cr_assert_eq(ask(VHOST_USER_SET_FEATURES, &features, 8, NULL, 0), 0);
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 40, &ram.fd, 1), 0);
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_NUM, 0, 16), 0);
	cr_assert_eq(ask(VHOST_USER_SET_VRING_ADDR, &address, sizeof(address), NULL, 0), 0);
	cr_assert_eq(ask(VHOST_USER_SET_VRING_CALL, &index, 8, &call_fd, 1), 0);
	cr_assert_eq(ask(VHOST_USER_SET_VRING_KICK, &index, 8, &kick_fd, 1), 0);
	test_ring_set(&ring, 0, BUFFER_GPA, 1, VRING_DESC_F_WRITE, 0);
	test_ring_offer(&ring, 0);
}

Test(vhost_user, ring_starts_disabled_and_waits)
{
	set_up_ring_by_hand(TEST_VERSION_1 | PROTOCOL);
	cr_assert_not(signalled(call_fd, 50), "it was not kicked");
	kick();
	cr_assert_not(signalled(call_fd, 50), "it is disabled");
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_NUM, 0, 32), 1, "not while it runs");
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_BASE, 0, 3), 1, "not while it runs");
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_ENABLE, 0, 1), 0);
	cr_assert(signalled(call_fd, 5000), "the kick of before counts");
	cr_assert_eq(ask_state(VHOST_USER_SET_VRING_ENABLE, 0, 0), 0);
	test_ring_offer(&ring, 0);
	kick();
	cr_assert_not(signalled(call_fd, 50));
	cr_assert_eq(ask_state(VHOST_USER_GET_VRING_BASE, 0, 0), INT64_C(1) << 32,
		"where it would go on");
}

Test(vhost_user, ring_of_an_older_front_end_starts_enabled)
{
	set_up_ring_by_hand(TEST_VERSION_1);
	kick();
	cr_assert(signalled(call_fd, 5000));
}

Test(vhost_user, ring_goes_on_after_its_memory_was_replaced)
{
	struct vhost_user_memory table = { .count = 1,
		.regions = { { TEST_RAM_BASE, RAM_SIZE, 0x7000000, 0 } } };

	set_up_ring_by_hand(TEST_VERSION_1);
	kick();
	cr_assert(signalled(call_fd, 5000));
	cr_assert_eq(ask(VHOST_USER_SET_MEM_TABLE, &table, 40, &ram.fd, 1), 0);
	test_ring_offer(&ring, 0);
	kick();
	cr_assert(signalled(call_fd, 5000));
	table.regions[0].frontend_va = 0x8000000;
	cr_assert_eq(
		ask(VHOST_USER_SET_MEM_TABLE, &table, 40, &ram.fd, 1), 1, "the ring is not in it");
	test_ring_offer(&ring, 0);
	kick();
	cr_assert_not(signalled(call_fd, 50));
}

/* --- a back end that breaks the protocol ------------------------------------------------------ */

struct script {
	struct vhost_user_header header;
	uint64_t value;
	size_t size; /* bytes of the two that are sent */
};

static const struct script *script;

/* Answers the first request with what the script says, then is silent or gone. */
static void *act(void *argument)
{
	char request[300];

	(void)argument;
	if (recv(worker_end_of_socket, request, sizeof(request), 0) <= 0)
		return NULL;
	if (script != NULL) {
		char answer[20];

		memcpy(answer, &script->header, 12);
		memcpy(answer + 12, &script->value, 8);
		send(worker_end_of_socket, answer, script->size, MSG_NOSIGNAL);
	}
	shutdown(worker_end_of_socket, SHUT_WR);
	return NULL;
}

static int open_against(const struct script *answer)
{
	struct vhost_user_front front;
	int error;

	open_sockets();
	script = answer;
	pthread_create(&worker, NULL, act, NULL);
	error = vhost_user_front_open(&front, machine_end_of_socket, "test", 1);
	if (error != -ENOTSUP && error != -EREMOTEIO)
		cr_assert_eq(front.front.ops->set_features(&front.front, 0), error,
			"after a failure nothing more is tried");
	close_worker();
	return error;
}

#define REPLY (VHOST_USER_VERSION | VHOST_USER_REPLY)

TestSuite(vhost_user_front, .timeout = 30);

Test(vhost_user_front, back_end_without_version_1_is_an_error)
{
	const struct script answer = { { VHOST_USER_GET_FEATURES, REPLY, 8 }, 0xff, 20 };

	cr_assert_eq(open_against(&answer), -ENOTSUP);
	cr_assert_not_null(strstr(fake_log_text(), "VIRTIO_F_VERSION_1"));
}

Test(vhost_user_front, back_end_that_hangs_up_is_an_error)
{
	cr_assert_eq(open_against(NULL), -ECONNRESET);
}

Test(vhost_user_front, half_an_answer_is_an_error)
{
	const struct script answer = { { VHOST_USER_GET_FEATURES, REPLY, 8 }, 0, 15 };

	cr_assert_eq(open_against(&answer), -ECONNRESET);
}

Test(vhost_user_front, answer_to_another_question_is_an_error)
{
	const struct script answer = { { VHOST_USER_GET_PROTOCOL_FEATURES, REPLY, 8 },
		TEST_VERSION_1, 20 };

	cr_assert_eq(open_against(&answer), -EPROTO);
}

Test(vhost_user_front, answer_of_another_length_is_an_error)
{
	const struct script answer = { { VHOST_USER_GET_FEATURES, REPLY, UINT32_MAX }, 0, 20 };

	cr_assert_eq(open_against(&answer), -EPROTO);
}

Test(vhost_user_front, answer_without_the_reply_flag_is_an_error)
{
	const struct script answer = { { VHOST_USER_GET_FEATURES, VHOST_USER_VERSION, 8 },
		TEST_VERSION_1, 20 };

	cr_assert_eq(open_against(&answer), -EPROTO);
}

/*
 * Serves until it is asked to stop a queue, and then is silent, or with an argument sends a byte of
 * the answer now and then.
 */
static void *serve_until_stop(void *argument)
{
	const struct vhost_user_header answer = { VHOST_USER_GET_VRING_BASE, REPLY, 8 };
	struct vhost_user_header header = { 0, 0, 0 };

	do {
		if (recv(worker_end_of_socket, &header, sizeof(header), MSG_PEEK | MSG_WAITALL) <=
			0)
			return NULL;
	} while (
		header.request != VHOST_USER_GET_VRING_BASE && vhost_user_back_receive(&back) == 0);
	for (size_t i = 0; i < sizeof(answer) && argument != NULL; i++) {
		if (send(worker_end_of_socket, (const char *)&answer + i, 1, MSG_NOSIGNAL) != 1)
			break;
		usleep(200 * 1000);
	}
	return NULL;
}

/* Each byte that comes keeps SO_RCVTIMEO from running out; the deadline holds all the same. */
Test(vhost_user_front, back_end_that_dribbles_ends_at_the_deadline)
{
	struct vhost_user_front front;
	struct timespec before, after;

	open_sockets();
	vhost_user_back_init(&back, worker_end_of_socket, &device);
	pthread_create(&worker, NULL, serve_until_stop, &back);
	cr_assert_eq(vhost_user_front_open(&front, machine_end_of_socket, "test", 1), 0);
	cr_assert_eq(front.deadline_ms, 10000);
	front.deadline_ms = 500;
	clock_gettime(CLOCK_MONOTONIC, &before);
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 0), -ETIMEDOUT);
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 0), -ETIMEDOUT,
		"after a failure nothing more is tried");
	clock_gettime(CLOCK_MONOTONIC, &after);
	cr_assert_lt(
		(after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000,
		1500);
	cr_assert_not_null(strstr(fake_log_text(), "did not answer"));
	close_worker();
}

/* Silence ends by the socket's own deadline, which is shortened here. */
Test(vhost_user_front, silence_ends_at_the_deadline)
{
	const struct timeval soon = { .tv_usec = 300 * 1000 };
	struct vhost_user_front front;
	struct timeval set;
	socklen_t size = sizeof(set);

	open_sockets();
	vhost_user_back_init(&back, worker_end_of_socket, &device);
	pthread_create(&worker, NULL, serve_until_stop, NULL);
	cr_assert_eq(vhost_user_front_open(&front, machine_end_of_socket, "test", 1), 0);
	cr_assert_eq(getsockopt(machine_end_of_socket, SOL_SOCKET, SO_RCVTIMEO, &set, &size), 0);
	cr_assert_eq(set.tv_sec, 10);
	setsockopt(machine_end_of_socket, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 0), -ETIMEDOUT);
	close_worker();
}
