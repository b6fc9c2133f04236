/* SPDX-License-Identifier: Apache-2.0 */
/* The back end of vhost-user against a front end that breaks the protocol. */
#include "tests/unit/vhost_user_bench.h"

#include <errno.h>

TestSuite(vhost_user_back, .init = open_worker, .fini = close_worker, .timeout = 30);

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

Test(vhost_user_back, wrong_lengths_are_refused)
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

Test(vhost_user_back, descriptor_counts_are_exact)
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

Test(vhost_user_back, memory_tables_are_checked)
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

Test(vhost_user_back, rings_are_checked)
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

Test(vhost_user_back, unoffered_features_are_refused)
{
	uint64_t features = TEST_VERSION_1 | 0x10;

	agree_on_acknowledgements();
	cr_assert_eq(ask(VHOST_USER_SET_FEATURES, &features, 8, NULL, 0), 1);
	features = TEST_VERSION_1 | 0x8;
	cr_assert_eq(ask(VHOST_USER_SET_FEATURES, &features, 8, NULL, 0), 0);
	features = BIT(63) | BIT(VHOST_USER_PROTOCOL_F_REPLY_ACK);
	cr_assert_eq(ask(VHOST_USER_SET_PROTOCOL_FEATURES, &features, 8, NULL, 0), 1);
}

Test(vhost_user_back, nonsense_ends_the_conversation)
{
	say(VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
	cr_assert_eq(hear(0), -1, "version 0");
}

Test(vhost_user_back, answer_as_request_ends_the_conversation)
{
	say(VHOST_USER_GET_FEATURES, VHOST_USER_VERSION | VHOST_USER_REPLY, NULL, 0, NULL, 0);
	cr_assert_eq(hear(0), -1);
}

Test(vhost_user_back, payload_without_end_ends_the_conversation)
{
	const struct vhost_user_header header = { VHOST_USER_SET_FEATURES, VHOST_USER_VERSION,
		UINT32_MAX };

	cr_assert_eq(send(machine_end_of_socket, &header, sizeof(header), MSG_NOSIGNAL), 12);
	cr_assert_eq(hear(0), -1);
}

Test(vhost_user_back, refusal_without_acknowledgements_ends_the_conversation)
{
	const struct vhost_user_vring_state state = { 99, 1 };

	say(VHOST_USER_SET_VRING_NUM, VHOST_USER_VERSION, &state, sizeof(state), NULL, 0);
	cr_assert_eq(hear(0), -1, "there is no other way to say no");
}

Test(vhost_user_back, message_may_come_byte_by_byte)
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

Test(vhost_user_back, ring_starts_disabled_and_waits)
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

Test(vhost_user_back, ring_of_an_older_front_end_starts_enabled)
{
	set_up_ring_by_hand(TEST_VERSION_1);
	kick();
	cr_assert(signalled(call_fd, 5000));
}

Test(vhost_user_back, ring_goes_on_after_its_memory_was_replaced)
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
