/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/virtio_mmio.h"

#include "devices/virtio/vhost.h"
#include "devices/virtio/virtio_mmio_state.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/kvm.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#define MAGIC	0x74726976 /* "virt", 4.2.2 */
#define VERSION 2

/*
 * What this register file can carry: the device type's own bits (0 to 23, 6), indirect descriptors,
 * event indices and version 1. Packed rings, notification data and the like are not passed on.
 */
#define CARRIED_FEATURES                                                                           \
	((BIT(24) - 1) | BIT(VIRTIO_RING_F_INDIRECT_DESC) | BIT(VIRTIO_RING_F_EVENT_IDX) |         \
		BIT(VIRTIO_F_VERSION_1))

static struct virtio_mmio *to_mmio(struct mmio_region *region)
{
	return container_of(region, struct virtio_mmio, region);
}

/* Half of a 64-bit register that is read or written through a window: 0 past its end. */
static uint32_t window_read(uint64_t value, uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(value >> (32 * select));
}

static void set_half(uint64_t *value, unsigned int half, uint32_t part)
{
	unsigned int shift = 32 * half;

	*value = (*value & ~(UINT64_C(0xffffffff) << shift)) | (uint64_t)part << shift;
}

/* NULL where QueueSel names no queue: any 32-bit value may be in it. */
static struct virtio_mmio_queue *selected_queue(struct virtio_mmio *mmio)
{
	return mmio->queue_select < mmio->queue_count ? &mmio->queues[mmio->queue_select] : NULL;
}

static uint32_t read_status(struct virtio_mmio *mmio)
{
	uint32_t value;

	pthread_mutex_lock(&mmio->event_lock);
	value = virtio_mmio_status(mmio, mmio->status);
	pthread_mutex_unlock(&mmio->event_lock);
	return value;
}

static uint32_t read_interrupt_status(struct virtio_mmio *mmio)
{
	uint32_t value;

	pthread_mutex_lock(&mmio->event_lock);
	value = virtio_mmio_interrupt_status(mmio, mmio->status);
	pthread_mutex_unlock(&mmio->event_lock);
	return value;
}

static void write_interrupt_ack(struct virtio_mmio *mmio, uint32_t value)
{
	if ((value & VIRTIO_MMIO_INT_CONFIG) == 0)
		return;
	pthread_mutex_lock(&mmio->event_lock);
	mmio->config_changed = false;
	pthread_mutex_unlock(&mmio->event_lock);
}

static uint32_t read_register(struct virtio_mmio *mmio, uint64_t offset)
{
	const struct virtio_mmio_queue *queue = selected_queue(mmio);

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return mmio->device_id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VIRTIO_MMIO_VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return window_read(mmio->features, mmio->device_features_select);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue != NULL ? mmio->queue_size_max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue != NULL && queue->ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return read_interrupt_status(mmio);
	case VIRTIO_MMIO_STATUS:
		return read_status(mmio);
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX; /* no shared memory regions: length and base are -1 */
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return mmio->config_generation;
	default:
		return 0; /* write-only, and reserved */
	}
}

/* Queue registers: only between FEATURES_OK and DRIVER_OK (3.1.1), and not of a ready queue. */
static void write_queue_register(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	struct virtio_mmio_queue *queue = selected_queue(mmio);

	if (queue == NULL || queue->ready)
		return;
	if ((mmio->status & VIRTIO_CONFIG_S_FEATURES_OK) == 0 ||
		(mmio->status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)) != 0)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		/* Sizes of split rings are powers of two (2.7). */
		if (value != 0 && value <= mmio->queue_size_max && (value & (value - 1)) == 0)
			queue->size = value;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&queue->descriptors, offset == VIRTIO_MMIO_QUEUE_DESC_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&queue->driver, offset == VIRTIO_MMIO_QUEUE_AVAIL_HIGH, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&queue->device, offset == VIRTIO_MMIO_QUEUE_USED_HIGH, value);
		break;
	default:
		break;
	}
}

/* Feature bits: only between DRIVER and FEATURES_OK (3.1.1). */
static void write_driver_features(struct virtio_mmio *mmio, uint32_t value)
{
	const uint32_t state =
		VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED;

	if ((mmio->status & state) == VIRTIO_CONFIG_S_DRIVER && mmio->driver_features_select <= 1)
		set_half(&mmio->driver_features, mmio->driver_features_select, value);
}

/* Trapping, or a queue that is not there. */
static void write_queue_notify(struct virtio_mmio *mmio, uint32_t value)
{
	/* Before DRIVER_OK no queue is started. */
	if (value < mmio->queue_count && mmio->queues[value].started)
		event_signal_shared(mmio->queues[value].kick_fd);
}

static void write_register(struct virtio_mmio *mmio, uint64_t offset, uint32_t value)
{
	struct virtio_mmio_queue *queue;

	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		mmio->device_features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_driver_features(mmio, value);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		mmio->driver_features_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		mmio->queue_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		queue = selected_queue(mmio);
		if (queue != NULL)
			virtio_mmio_write_queue_ready(mmio, queue, value);
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		write_queue_notify(mmio, value);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		write_interrupt_ack(mmio, value);
		break;
	case VIRTIO_MMIO_STATUS:
		virtio_mmio_write_status(mmio, value);
		break;
	default:
		write_queue_register(mmio, offset, value);
		break;
	}
}

static uint64_t read_config(const struct virtio_mmio *mmio, uint64_t offset, unsigned int width)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < width; i++)
		if (offset + i < mmio->config_size)
			value |= (uint64_t)mmio->config[offset + i] << (8 * i);
	return value;
}

/* Registers are 4 bytes wide and aligned (4.2.2.2); configuration fields may be of any width. */
static uint64_t mmio_read(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	struct virtio_mmio *mmio = to_mmio(region);
	uint64_t value = 0;

	pthread_mutex_lock(&mmio->lock);
	if (offset >= VIRTIO_MMIO_CONFIG)
		value = read_config(mmio, offset - VIRTIO_MMIO_CONFIG, width);
	else if (width == 4 && offset % 4 == 0)
		value = read_register(mmio, offset);
	pthread_mutex_unlock(&mmio->lock);
	return value;
}

/*
 * Fast: what the driver reads from now on. Only what changed is stored, as each store waits for the
 * cache.
 */
static void publish(struct virtio_mmio *mmio)
{
	static const uint16_t readable[] = {
		VIRTIO_MMIO_MAGIC_VALUE,
		VIRTIO_MMIO_VERSION,
		VIRTIO_MMIO_DEVICE_ID,
		VIRTIO_MMIO_VENDOR_ID,
		VIRTIO_MMIO_DEVICE_FEATURES,
		VIRTIO_MMIO_QUEUE_NUM_MAX,
		VIRTIO_MMIO_QUEUE_READY,
		VIRTIO_MMIO_SHM_LEN_LOW,
		VIRTIO_MMIO_SHM_LEN_HIGH,
		VIRTIO_MMIO_SHM_BASE_LOW,
		VIRTIO_MMIO_SHM_BASE_HIGH,
		VIRTIO_MMIO_CONFIG_GENERATION,
	};

	if (mmio->page.bytes == NULL)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(readable); i++)
		register_page_update32(&mmio->page, readable[i], read_register(mmio, readable[i]));
	for (uint32_t i = 0; i < mmio->config_size; i += 4)
		register_page_update32(&mmio->page, VIRTIO_MMIO_CONFIG + i,
			(uint32_t)read_config(mmio, i, sizeof(uint32_t)));
	pthread_mutex_lock(&mmio->event_lock);
	mmio->shown = mmio->status;
	virtio_mmio_publish_events(mmio);
	pthread_mutex_unlock(&mmio->event_lock);
}

static void mmio_write(
	struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value)
{
	struct virtio_mmio *mmio = to_mmio(region);

	pthread_mutex_lock(&mmio->lock);
	if (offset >= VIRTIO_MMIO_CONFIG)
		virtio_mmio_write_config(mmio, offset - VIRTIO_MMIO_CONFIG, width, value);
	else if (width == 4 && offset % 4 == 0)
		write_register(mmio, offset, (uint32_t)value);
	publish(mmio);
	pthread_mutex_unlock(&mmio->lock);
}

void virtio_mmio_reset(struct virtio_mmio *mmio, int64_t deadline)
{
	pthread_mutex_lock(&mmio->lock);
	virtio_mmio_to_power_on(mmio, deadline);
	publish(mmio);
	pthread_mutex_unlock(&mmio->lock);
}

bool virtio_mmio_change_config(struct virtio_mmio *mmio, const void *config)
{
	const struct virtio_config_part *own = &mmio->config_writable;
	uint8_t changed[VIRTIO_MMIO_MAX_CONFIG];
	bool told;

	pthread_mutex_lock(&mmio->lock);
	memcpy(changed, config, mmio->config_size);
	memcpy(changed + own->offset, mmio->config + own->offset, own->size);
	virtio_mmio_set_config(mmio, changed);
	/* One that has not begun will read it anyway. */
	told = mmio->status != 0;
	pthread_mutex_lock(&mmio->event_lock);
	mmio->config_changed |= told;
	pthread_mutex_unlock(&mmio->event_lock);
	publish(mmio);
	pthread_mutex_unlock(&mmio->lock);
	return told;
}

void virtio_mmio_driver_config(struct virtio_mmio *mmio, void *part)
{
	pthread_mutex_lock(&mmio->event_lock);
	memcpy(part, mmio->config + mmio->config_writable.offset, mmio->config_writable.size);
	pthread_mutex_unlock(&mmio->event_lock);
}

int virtio_mmio_attach(struct virtio_mmio *mmio, struct kvm_vm *vm)
{
	int error;

	mmio->was_driven = false;
	if (mmio->page.bytes == NULL)
		return 0;
	error = register_page_attach(&mmio->page, vm);
	/* Linux acknowledges what it read; with the bit of a configuration change it exits. */
	if (error == 0)
		error = register_page_ignore(
			&mmio->page, vm, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	for (uint64_t i = 0; i < mmio->queue_count && error == 0; i++)
		error = kvm_vm_ioeventfd(vm, mmio->region.base + VIRTIO_MMIO_QUEUE_NOTIFY,
			sizeof(uint32_t), &i, mmio->queues[i].kick_fd);
	return error;
}

static const struct mmio_ops register_ops = { .read = mmio_read, .write = mmio_write };

static int open_eventfd(int *fd)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

static int open_eventfds(struct virtio_mmio *mmio)
{
	int error = open_eventfd(&mmio->config_fd);

	if (error == 0)
		error = open_eventfd(&mmio->error_fd);
	for (uint32_t i = 0; i < mmio->queue_count && error == 0; i++) {
		error = open_eventfd(&mmio->queues[i].kick_fd);
		if (error == 0)
			error = open_eventfd(&mmio->queues[i].call_fd);
	}
	return error;
}

int virtio_mmio_init(struct virtio_mmio *mmio, const struct virtio_mmio_options *options)
{
	int error;

	if (options->queue_count > VIRTIO_MMIO_MAX_QUEUES ||
		options->config_size > VIRTIO_MMIO_MAX_CONFIG)
		return -EINVAL;
	*mmio = (struct virtio_mmio){
		.region = { .name = options->name,
			.base = options->base,
			.size = VIRTIO_MMIO_SIZE,
			.ops = &register_ops },
		.front = options->front,
		.memory = options->memory,
		.memory_fd = -1,
		.device_id = options->device_id,
		.queue_count = options->queue_count,
		.queue_size_max = options->queue_size_max,
		.features = options->front->features & CARRIED_FEATURES,
		.failed = options->failed,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.event_lock = PTHREAD_MUTEX_INITIALIZER,
		.config_size = options->config_size,
		.config_writable = options->config_writable,
		.config_fd = -1,
		.error_fd = -1,
	};
	for (uint32_t i = 0; i < VIRTIO_MMIO_MAX_QUEUES; i++) {
		mmio->queues[i].kick_fd = -1;
		mmio->queues[i].call_fd = -1;
	}
	if (options->config != NULL)
		memcpy(mmio->config, options->config, options->config_size);
	error = options->config == NULL ? virtio_mmio_fetch_config(mmio) : 0;
	if (error == 0)
		error = open_eventfds(mmio);
	if (error == 0 && options->fast)
		error = register_page_open(&mmio->page, options->base, VIRTIO_MMIO_SIZE);
	publish(mmio);
	if (error != 0) {
		log_error(
			"%s: cannot set up the virtio device: %s", options->name, strerror(-error));
		virtio_mmio_close(mmio);
	}
	return error;
}

void virtio_mmio_close(struct virtio_mmio *mmio)
{
	close_fd(&mmio->config_fd);
	close_fd(&mmio->error_fd);
	for (uint32_t i = 0; i < mmio->queue_count; i++) {
		close_fd(&mmio->queues[i].kick_fd);
		close_fd(&mmio->queues[i].call_fd);
	}
	register_page_close(&mmio->page);
	pthread_mutex_destroy(&mmio->lock);
	pthread_mutex_destroy(&mmio->event_lock);
}
