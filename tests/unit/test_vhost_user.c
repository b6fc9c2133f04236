/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of vhost-user with each other. */
#include "tests/unit/vhost_user_bench.h"

#include <errno.h>

TestSuite(vhost_user, .init = open_worker, .fini = close_worker, .timeout = 30);

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
