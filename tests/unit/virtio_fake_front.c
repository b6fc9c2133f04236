/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/virtio_fake_front.h"

#include "tests/unit/fakes.h"
#include "vmm/base/clock.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static struct fake_front *to_fake(struct vhost_front *front)
{
	return container_of(front, struct fake_front, front);
}

static int set_features(struct vhost_front *front, uint64_t features)
{
	struct fake_front *fake = to_fake(front);

	cr_assert_eq(features & ~front->features, 0, "acknowledged what was not offered");
	cr_assert_gt(front->deadline, clock_ms(), "a write has a deadline");
	fake->deadline = front->deadline;
	fake->features = features;
	if (!fake->silent)
		fake_trace("features 0x%llx", (unsigned long long)features);
	return fake->set_features;
}

static int set_memory(struct vhost_front *front, const struct guest_memory *memory, int memory_fd)
{
	(void)memory;
	if (!to_fake(front)->silent)
		fake_trace("memory %s", memory_fd >= 0 ? "given" : "missing");
	return to_fake(front)->set_memory;
}

static int start_queue(struct vhost_front *front, const struct vhost_queue *queue)
{
	struct fake_front *fake = to_fake(front);

	cr_assert_lt(queue->index, VIRTIO_MMIO_MAX_QUEUES);
	cr_assert_not(fake->running[queue->index], "queue %u is started twice", queue->index);
	cr_assert_neq(fake->features, 0, "queue %u is started before features", queue->index);
	cr_assert_eq(front->deadline, fake->deadline, "a write has one deadline");
	cr_assert_neq(queue->size, 0);
	cr_assert_eq(queue->size & (queue->size - 1), 0);
	cr_assert_not_null(queue->descriptors);
	cr_assert_not_null(queue->available);
	cr_assert_not_null(queue->used);
	if (!fake->silent)
		fake_trace("start %u of %u", queue->index, queue->size);
	if (fake->start_queue != 0)
		return fake->start_queue;
	if (fake->slow)
		usleep(10);
	fake->queues[queue->index] = *queue;
	fake->running[queue->index] = true;
	fake->started++;
	return 0;
}

static int stop_queue(struct vhost_front *front, uint32_t index)
{
	struct fake_front *fake = to_fake(front);

	cr_assert(fake->running[index], "queue %u is stopped without having been started", index);
	cr_assert_gt(front->deadline, clock_ms(), "a write has a deadline");
	if (fake->slow)
		usleep(10);
	fake->running[index] = false;
	fake->stopped++;
	if (!fake->silent)
		fake_trace("stop %u", index);
	return fake->stop_queue;
}

static int read_config(struct vhost_front *front, void *config, uint32_t size)
{
	struct fake_front *fake = to_fake(front);

	if (size > fake->config_size)
		return -EREMOTEIO;
	memcpy(config, fake->config, size);
	return 0;
}

static const struct vhost_front_ops plain_ops = {
	.set_features = set_features,
	.set_memory = set_memory,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
};

static const struct vhost_front_ops config_ops = {
	.set_features = set_features,
	.set_memory = set_memory,
	.start_queue = start_queue,
	.stop_queue = stop_queue,
	.read_config = read_config,
};

void fake_front_open(struct fake_front *fake, uint64_t features)
{
	*fake = (struct fake_front){ .front = { .ops = &plain_ops, .features = features } };
}

void fake_front_with_config(struct fake_front *fake, uint32_t size)
{
	fake->front.ops = &config_ops;
	fake->config_size = size;
	for (uint32_t i = 0; i < size; i++)
		fake->config[i] = (uint8_t)(i + 1);
}
