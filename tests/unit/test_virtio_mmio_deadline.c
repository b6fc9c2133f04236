/* SPDX-License-Identifier: Apache-2.0 */
/* How long a register file waits for its back end, and what it makes of its answers. */
#include "tests/unit/virtio_mmio_bench.h"
#include "vmm/base/clock.h"

#include <errno.h>

TestSuite(virtio_mmio_deadline, .init = open_device, .fini = close_device, .timeout = 30);

/* Each write of the driver's that waits for a back end has all of the time. */
Test(virtio_mmio_deadline, every_write_begins_a_new_deadline)
{
	test_driver_start(&mmio, TEST_VERSION_1, rings, 2);
	set(VIRTIO_MMIO_QUEUE_SEL, 1);
	back_end.front.deadline = 1; /* of the last write, long ago */
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	cr_assert_eq(back_end.stopped, 1);
	back_end.front.deadline = 1;
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(back_end.stopped, 2);
	test_driver_prepare(&mmio, TEST_VERSION_1, rings, 2);
	back_end.front.deadline = 1;
	set(VIRTIO_MMIO_STATUS, ALIVE);
	cr_assert(mmio.queues[0].started);
}

static int question(struct vhost_front *front, void *context)
{
	cr_assert_eq(front, &back_end.front);
	cr_assert_gt(front->deadline, clock_ms());
	cr_assert_eq(pthread_mutex_trylock(&mmio.lock), EBUSY, "a vCPU would speak to it as well");
	return *(const int *)context;
}

Test(virtio_mmio_deadline, back_end_that_is_asked_something)
{
	static const struct {
		int answer;
		bool fails;
	} cases[] = {
		{ 0, false },
		{ -ERANGE, false },
		{ -EREMOTEIO, false },
		{ 1, false },
		{ -ECONNRESET, true },
		{ -ETIMEDOUT, true },
		{ -EPROTO, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int answer = cases[i].answer;

		failures = 0;
		back_end.front.deadline = 1;
		cr_assert_eq(virtio_mmio_ask(&mmio, question, &answer), answer);
		cr_assert_eq(failures, cases[i].fails, "answer %d", answer);
		cr_assert_eq(pthread_mutex_trylock(&mmio.lock), 0);
		pthread_mutex_unlock(&mmio.lock);
	}
	cr_assert_eq(get(VIRTIO_MMIO_STATUS), NEEDS_RESET);
}
