/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/virtio_mmio_state.h"

#include "devices/virtio/vhost.h"
#include "vmm/base/clock.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

uint32_t virtio_mmio_status(const struct virtio_mmio *mmio, uint32_t status)
{
	return status | (mmio->needs_reset ? VIRTIO_CONFIG_S_NEEDS_RESET : 0);
}

/*
 * The back end signals the interrupt without the machine's knowledge, so bit 0 is set whenever
 * there may have been one: a used buffer notification that turns out empty is allowed (2.3).
 */
uint32_t virtio_mmio_interrupt_status(const struct virtio_mmio *mmio, uint32_t status)
{
	return ((status & VIRTIO_CONFIG_S_DRIVER_OK) != 0 ? VIRTIO_MMIO_INT_VRING : 0) |
		(mmio->config_changed ? VIRTIO_MMIO_INT_CONFIG : 0);
}

void virtio_mmio_publish_events(struct virtio_mmio *mmio)
{
	register_page_update32(&mmio->page, VIRTIO_MMIO_INTERRUPT_STATUS,
		virtio_mmio_interrupt_status(mmio, mmio->shown));
	register_page_update32(
		&mmio->page, VIRTIO_MMIO_STATUS, virtio_mmio_status(mmio, mmio->shown));
}

/* 2.1.2: DEVICE_NEEDS_RESET, and after DRIVER_OK an interrupt that says so. */
static void set_needs_reset(struct virtio_mmio *mmio)
{
	mmio->needs_reset = true;
	mmio->config_changed = true;
	virtio_mmio_publish_events(mmio); /* before the interrupt */
	event_signal(mmio->config_fd);
}

static void needs_reset(struct virtio_mmio *mmio)
{
	pthread_mutex_lock(&mmio->event_lock);
	set_needs_reset(mmio);
	pthread_mutex_unlock(&mmio->event_lock);
}

static void fail(struct virtio_mmio *mmio, int error)
{
	mmio->dead = true;
	needs_reset(mmio);
	mmio->failed(mmio, error);
}

void virtio_mmio_queue_failed(struct virtio_mmio *mmio)
{
	/* Taken under the lock: a reset in between has emptied it, and there is nothing to tell. */
	pthread_mutex_lock(&mmio->event_lock);
	if (event_take_shared(mmio->error_fd))
		set_needs_reset(mmio);
	pthread_mutex_unlock(&mmio->event_lock);
}

/* Where the ring is in this process; false when the driver's addresses are no good (2.7). */
static bool find_ring(const struct virtio_mmio *mmio, const struct virtio_mmio_queue *queue,
	struct vhost_queue *ring)
{
	uint64_t size = queue->size;

	if (queue->descriptors % VRING_DESC_ALIGN_SIZE != 0 ||
		queue->driver % VRING_AVAIL_ALIGN_SIZE != 0 ||
		queue->device % VRING_USED_ALIGN_SIZE != 0)
		return false;
	ring->descriptors =
		guest_memory_at(mmio->memory, queue->descriptors, size * sizeof(struct vring_desc));
	ring->available = guest_memory_at(mmio->memory, queue->driver, 6 + 2 * size);
	ring->used = guest_memory_at(mmio->memory, queue->device, 6 + 8 * size);
	return ring->descriptors != NULL && ring->available != NULL && ring->used != NULL;
}

static int start_queue(struct virtio_mmio *mmio, uint32_t index)
{
	struct virtio_mmio_queue *queue = &mmio->queues[index];
	struct vhost_queue ring = {
		.index = index,
		.size = queue->size,
		.kick_fd = queue->kick_fd,
		.call_fd = queue->call_fd,
		.error_fd = mmio->error_fd,
	};
	int error;

	if (!find_ring(mmio, queue, &ring)) {
		if (!mmio->misplaced_logged)
			log_error("%s: the guest's driver placed queue %u outside of guest memory "
				  "or out of alignment; the device waits for a reset",
				mmio->region.name, index);
		mmio->misplaced_logged = true;
		needs_reset(mmio);
		return 0;
	}
	error = mmio->front->ops->start_queue(mmio->front, &ring);
	if (error != 0)
		return error;
	queue->started = true;
	/* The driver may have made buffers available, and kicked, before DRIVER_OK. */
	event_signal_shared(queue->kick_fd);
	return 0;
}

static void begin(struct virtio_mmio *mmio)
{
	mmio->front->deadline = clock_ms() + VHOST_DEADLINE_MS;
}

/* DRIVER_OK: the back end takes over the queues that are ready. */
static void activate(struct virtio_mmio *mmio)
{
	int error;

	mmio->was_driven = true;
	if (mmio->dead)
		return;
	error = mmio->front->ops->set_features(mmio->front, mmio->driver_features);
	if (error == 0)
		error = mmio->front->ops->set_memory(mmio->front, mmio->memory, mmio->memory_fd);
	for (uint32_t i = 0; i < mmio->queue_count && error == 0; i++)
		if (mmio->queues[i].ready)
			error = start_queue(mmio, i);
	if (error == 0)
		return;
	log_error("%s: the back end cannot be started: %s", mmio->region.name, strerror(-error));
	fail(mmio, error);
}

static void stop_queue(struct virtio_mmio *mmio, uint32_t index)
{
	int error;

	if (!mmio->queues[index].started)
		return;
	mmio->queues[index].started = false;
	error = mmio->front->ops->stop_queue(mmio->front, index);
	if (error != 0)
		fail(mmio, error);
}

/* 2.1: everything goes back to where it was at power-on, except what a failed device shows. */
void virtio_mmio_to_power_on(struct virtio_mmio *mmio, int64_t deadline)
{
	mmio->front->deadline = deadline;
	for (uint32_t i = 0; i < mmio->queue_count; i++) {
		struct virtio_mmio_queue *queue = &mmio->queues[i];

		stop_queue(mmio, i);
		*queue = (struct virtio_mmio_queue){
			.kick_fd = queue->kick_fd,
			.call_fd = queue->call_fd,
		};
	}
	mmio->status = 0;
	mmio->device_features_select = 0;
	mmio->driver_features_select = 0;
	mmio->driver_features = 0;
	mmio->queue_select = 0;
	pthread_mutex_lock(&mmio->event_lock);
	memset(mmio->config + mmio->config_writable.offset, 0, mmio->config_writable.size);
	if (event_take_shared(mmio->error_fd))
		log_debug("%s: the queue that broke is reset", mmio->region.name);
	mmio->needs_reset = mmio->dead;
	mmio->config_changed = false;
	pthread_mutex_unlock(&mmio->event_lock);
}

static bool features_acceptable(const struct virtio_mmio *mmio)
{
	/* 2.2: a subset of what is offered; 6.1: version 1, there is no legacy interface here. */
	return (mmio->driver_features & ~mmio->features) == 0 &&
		(mmio->driver_features & (UINT64_C(1) << VIRTIO_F_VERSION_1)) != 0;
}

/*
 * Bits are taken in the order of 3.1.1, each only after the one before it. A driver cannot clear a
 * bit but by a reset (2.1.1), and after FAILED nothing but a reset helps.
 */
void virtio_mmio_write_status(struct virtio_mmio *mmio, uint32_t value)
{
	static const uint32_t order[] = {
		VIRTIO_CONFIG_S_ACKNOWLEDGE,
		VIRTIO_CONFIG_S_DRIVER,
		VIRTIO_CONFIG_S_FEATURES_OK,
		VIRTIO_CONFIG_S_DRIVER_OK,
	};

	if (value == 0) {
		virtio_mmio_to_power_on(mmio, clock_ms() + VHOST_DEADLINE_MS);
		return;
	}
	begin(mmio);
	if ((mmio->status & VIRTIO_CONFIG_S_FAILED) != 0 || (mmio->status & ~value) != 0)
		return;
	if ((value & VIRTIO_CONFIG_S_FAILED) != 0) {
		mmio->status |= VIRTIO_CONFIG_S_FAILED;
		return;
	}
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if ((mmio->status & order[i]) != 0)
			continue;
		if ((value & order[i]) == 0)
			return;
		if (order[i] == VIRTIO_CONFIG_S_FEATURES_OK && !features_acceptable(mmio))
			return;
		mmio->status |= order[i];
		if (order[i] == VIRTIO_CONFIG_S_DRIVER_OK)
			activate(mmio);
	}
}

void virtio_mmio_write_queue_ready(
	struct virtio_mmio *mmio, struct virtio_mmio_queue *queue, uint32_t value)
{
	const uint32_t state =
		VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED;

	begin(mmio);
	/* A queue may be withdrawn at any time (4.2.2.2): the write returns when it is. */
	if (value == 0) {
		stop_queue(mmio, (uint32_t)(queue - mmio->queues));
		queue->ready = false;
	} else if (value == 1 && (mmio->status & state) == VIRTIO_CONFIG_S_FEATURES_OK &&
		queue->size != 0) {
		queue->ready = true;
	}
}

int virtio_mmio_ask(struct virtio_mmio *mmio, int (*ask)(struct vhost_front *front, void *context),
	void *context)
{
	int error;

	pthread_mutex_lock(&mmio->lock);
	begin(mmio);
	error = ask(mmio->front, context);
	if (error == -ECONNRESET || error == -ETIMEDOUT || error == -EPROTO)
		fail(mmio, error);
	pthread_mutex_unlock(&mmio->lock);
	return error;
}

void virtio_mmio_set_config(struct virtio_mmio *mmio, const void *config)
{
	if (memcmp(mmio->config, config, mmio->config_size) == 0)
		return;
	memcpy(mmio->config, config, mmio->config_size);
	mmio->config_generation++;
}

int virtio_mmio_fetch_config(struct virtio_mmio *mmio)
{
	uint8_t config[VIRTIO_MMIO_MAX_CONFIG];
	int error;

	if (mmio->config_size == 0)
		return 0;
	if (mmio->front->ops->read_config == NULL)
		return -ENOTSUP;
	error = mmio->front->ops->read_config(mmio->front, config, mmio->config_size);
	if (error == 0)
		virtio_mmio_set_config(mmio, config);
	return error;
}

/* Byte by byte: a store may reach over either end of what the driver may write. */
void virtio_mmio_write_config(
	struct virtio_mmio *mmio, uint64_t offset, unsigned int width, uint64_t value)
{
	const struct virtio_config_part *own = &mmio->config_writable;

	if ((mmio->status & VIRTIO_CONFIG_S_DRIVER) == 0)
		return;
	pthread_mutex_lock(&mmio->event_lock);
	for (unsigned int i = 0; i < width; i++)
		if (offset + i >= own->offset && offset + i - own->offset < own->size)
			mmio->config[offset + i] = (uint8_t)(value >> 8 * i);
	pthread_mutex_unlock(&mmio->event_lock);
}
