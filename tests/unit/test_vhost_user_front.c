/* SPDX-License-Identifier: Apache-2.0 */
/* The front end of vhost-user against a back end that breaks the protocol. */
#include "tests/unit/vhost_user_bench.h"
#include "vmm/base/clock.h"

#include <errno.h>
#include <time.h>

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

static bool dribbling;

/*
 * Serves until it is asked to stop a queue, and then is silent, or if dribbling sends a byte of the
 * answer now and then.
 */
static void *serve_until_stop(void *argument)
{
	const struct vhost_user_header answer = { VHOST_USER_GET_VRING_BASE, REPLY, 8 };
	struct vhost_user_header header = { 0, 0, 0 };

	(void)argument;
	do {
		if (recv(worker_end_of_socket, &header, sizeof(header), MSG_PEEK | MSG_WAITALL) <=
			0)
			return NULL;
	} while (
		header.request != VHOST_USER_GET_VRING_BASE && vhost_user_back_receive(&back) == 0);
	for (size_t i = 0; i < sizeof(answer) && dribbling; i++) {
		if (send(worker_end_of_socket, (const char *)&answer + i, 1, MSG_NOSIGNAL) != 1)
			break;
		usleep(200 * 1000);
	}
	return NULL;
}

Test(vhost_user_front, back_end_that_dribbles_ends_at_the_deadline)
{
	struct vhost_user_front front;
	struct timespec before, after;

	open_sockets();
	vhost_user_back_init(&back, worker_end_of_socket, &device);
	dribbling = true;
	pthread_create(&worker, NULL, serve_until_stop, NULL);
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

Test(vhost_user_front, silence_ends_at_the_deadline)
{
	struct vhost_user_front front;

	open_sockets();
	vhost_user_back_init(&back, worker_end_of_socket, &device);
	pthread_create(&worker, NULL, serve_until_stop, NULL);
	cr_assert_eq(vhost_user_front_open(&front, machine_end_of_socket, "test", 1), 0);
	front.deadline_ms = 300;
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 0), -ETIMEDOUT);
	close_worker();
}

/* A back end that takes its time for each of many requests is as bad as one that takes it once. */
Test(vhost_user_front, requests_that_belong_together_have_one_deadline)
{
	struct vhost_user_front front;

	open_sockets();
	vhost_user_back_init(&back, worker_end_of_socket, &device);
	pthread_create(&worker, NULL, serve_until_stop, NULL);
	cr_assert_eq(vhost_user_front_open(&front, machine_end_of_socket, "test", 1), 0);
	front.front.deadline = clock_ms() + 10000;
	cr_assert_eq(front.front.ops->set_features(&front.front, TEST_VERSION_1), 0);
	front.front.deadline = clock_ms() - 1; /* that was used up */
	cr_assert_eq(front.front.ops->set_features(&front.front, TEST_VERSION_1), -ETIMEDOUT);
	close_worker();
}

/* Works when it is kicked; answers at once, whatever is under way. */
static bool works, asked_while_busy;
static unsigned int memory_tables;

static void *serve_queue_1(void *argument)
{
	struct pollfd fds[] = { { .fd = worker_end_of_socket, .events = POLLIN },
		{ .fd = kick_fd, .events = POLLIN } };
	struct vhost_user_header header = { 0, 0, 0 };

	(void)argument;
	while (poll(fds, 2, -1) > 0) {
		if (fds[1].revents != 0) {
			signalled(kick_fd, 0);
			if (works)
				__atomic_store_n(
					&ring.used->idx, ring.available->idx, __ATOMIC_SEQ_CST);
		}
		if (fds[0].revents == 0)
			continue;
		if (recv(worker_end_of_socket, &header, sizeof(header), MSG_PEEK | MSG_WAITALL) <=
			0)
			break;
		if (header.request == VHOST_USER_GET_VRING_BASE)
			asked_while_busy = ring.used->idx != ring.available->idx;
		memory_tables += header.request == VHOST_USER_SET_MEM_TABLE;
		if (vhost_user_back_receive(&back) != 0)
			break;
	}
	return NULL;
}

static void open_busy(struct vhost_user_front *front)
{
	open_sockets();
	vhost_user_back_init(&back, worker_end_of_socket, &device);
	pthread_create(&worker, NULL, serve_queue_1, NULL);
	cr_assert_eq(vhost_user_front_open(front, machine_end_of_socket, "test", QUEUES), 0);
	front->uses_all = true;
	front->queues[1] = queue_of_ring(1);
	ring.available->idx = 3;
	ring.used->idx = 0xfffe;
}

/* Each driver that begins asks for it; a back end may unmap for it what requests in flight use. */
Test(vhost_user_front, memory_is_told_of_once)
{
	struct vhost_user_front front;

	test_ram_open(&ram, 0x10000);
	open_busy(&front);
	for (int driver = 0; driver < 3; driver++)
		cr_assert_eq(front.front.ops->set_memory(&front.front, &ram.memory, ram.fd), 0);
	cr_assert_eq(memory_tables, 1);
	close_worker();
	test_ram_close(&ram);
}

Test(vhost_user_front, requests_end_before_the_queue_is_taken_away)
{
	struct vhost_user_front front;

	works = true;
	open_busy(&front);
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 1), 0);
	cr_assert(!asked_while_busy);
	cr_assert_eq(ring.used->idx, 3);
	close_worker();
}

/* Another kernel's data, where the last one's ring was: nothing to wait for, and not to be looked
 * at. */
Test(vhost_user_front, a_ring_that_is_none_any_more_is_taken_away_at_once)
{
	struct vhost_user_front front;
	uint64_t kicks;

	open_busy(&front);
	front.deadline_ms = 300;
	front.queues[1].kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ring.available->idx = 0;
	ring.used->idx = 5;
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 1), 0);
	ring.used->idx = ring.available->idx;
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 1), 0);
	cr_assert_eq(read(front.queues[1].kick_fd, &kicks, sizeof(kicks)), -1, "no kick");
	close(front.queues[1].kick_fd);
	close_worker();
}

/* The guest's memory may say anything; what is in flight must not reach the next guest. */
Test(vhost_user_front, requests_that_never_end_are_the_end_of_the_device)
{
	struct vhost_user_front front;

	open_busy(&front);
	front.deadline_ms = 300;
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 1), -ETIMEDOUT);
	cr_assert(!asked_while_busy);
	cr_assert_not_null(strstr(fake_log_text(), "requests of the guest's have not ended"));
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 1), -ETIMEDOUT, "at once");
	close_worker();
}

Test(vhost_user_front, requests_of_a_back_end_that_is_gone_are_not_waited_for)
{
	struct vhost_user_front front;

	open_busy(&front);
	front.deadline_ms = INT32_MAX;
	shutdown(worker_end_of_socket, SHUT_RDWR);
	cr_assert_eq(front.front.ops->stop_queue(&front.front, 1), -ECONNRESET);
	close_worker();
}
