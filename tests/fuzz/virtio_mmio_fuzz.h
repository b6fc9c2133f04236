/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio register file for its fuzzer: the back end, which fails when the input says so, and what
 * must hold after each step.
 */
#ifndef TESTS_FUZZ_VIRTIO_MMIO_FUZZ_H
#define TESTS_FUZZ_VIRTIO_MMIO_FUZZ_H

#include "devices/virtio/vhost.h"
#include "devices/virtio/virtio_mmio.h"
#include "tests/fuzz/fuzz_input.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#define RAM_BASE    UINT64_C(0x40000000)
#define RAM_SIZE    0x10000
#define SIZE_MOST   256

#define ACKNOWLEDGE VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER	    VIRTIO_CONFIG_S_DRIVER
#define FEATURES_OK VIRTIO_CONFIG_S_FEATURES_OK
#define DRIVER_OK   VIRTIO_CONFIG_S_DRIVER_OK
#define FAILED	    VIRTIO_CONFIG_S_FAILED
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET

#define VERSION_1   (UINT64_C(1) << VIRTIO_F_VERSION_1)
/* One bit of the type, an event index; a packed ring, which the registers do not pass on. */
#define OFFERED	    (VERSION_1 | UINT64_C(2) | UINT64_C(1) << 29 | UINT64_C(1) << VIRTIO_F_RING_PACKED)
#define CARRIED	    (VERSION_1 | UINT64_C(2) | UINT64_C(1) << 29)

struct queue_view {
	uint64_t parts[3]; /* descriptors, driver, device */
	uint32_t size, ready, started, running;
};

/* All that a driver or a back end can tell from before. No padding. */
struct view {
	uint64_t features;
	uint32_t status, interrupts, generation, device_select, driver_select, queue_select;
	struct queue_view queues[VIRTIO_MMIO_MAX_QUEUES];
	uint8_t config[VIRTIO_MMIO_MAX_CONFIG];
};

static struct guest_memory memory;

struct world {
	struct fuzz_input input;
	struct vhost_front front;
	struct virtio_mmio mmio;
	uint8_t back_config[VIRTIO_MMIO_MAX_CONFIG];
	bool running[VIRTIO_MMIO_MAX_QUEUES];
	int last;     /* what the front end was told in this activation: 1 features, 2 memory */
	bool failing; /* the back end failed a call in this step */
	bool lost, lost_now; /* and the machine was told */
	bool told;	     /* the driver has an interrupt for a configuration change */
	struct view before;
};

/* --- the back end -------------------------------------------------------------------------- */

static inline struct world *to_world(struct vhost_front *front)
{
	return container_of(front, struct world, front);
}

static inline int outcome(struct world *world)
{
	static const int errors[] = { ECONNRESET, ETIMEDOUT, EREMOTEIO, EPROTO };
	uint8_t kind = fuzz_byte(&world->input);

	if (kind < 0xf0)
		return 0;
	world->failing = true;
	return -errors[kind & 3];
}

static inline int set_features(struct vhost_front *front, uint64_t features)
{
	struct world *world = to_world(front);

	fuzz_check((features & ~CARRIED) == 0 && (features & VERSION_1) != 0);
	world->last = 1;
	return outcome(world);
}

static inline int set_memory(
	struct vhost_front *front, const struct guest_memory *ram, int memory_fd)
{
	struct world *world = to_world(front);

	fuzz_check(ram == &memory && memory_fd == world->mmio.memory_fd && world->last == 1);
	world->last = 2;
	return outcome(world);
}

/* 2.7: alignment and length of a part, all of it in guest memory. */
static inline void check_part(const void *part, uint64_t gpa, uint64_t size, uint64_t alignment)
{
	fuzz_check(gpa % alignment == 0);
	fuzz_check(gpa >= RAM_BASE && gpa - RAM_BASE <= RAM_SIZE - size);
	fuzz_check(part == (const char *)memory.regions[0].host + (gpa - RAM_BASE));
}

static inline int start_queue(struct vhost_front *front, const struct vhost_queue *queue)
{
	struct world *world = to_world(front);
	const struct virtio_mmio *mmio = &world->mmio;
	const struct virtio_mmio_queue *own = &mmio->queues[queue->index];
	uint64_t size = queue->size;
	int error;

	fuzz_check(queue->index < mmio->queue_count && !world->running[queue->index]);
	fuzz_check(world->last == 2 && (mmio->status & DRIVER_OK) != 0 && own->ready);
	fuzz_check(size == own->size && size != 0 && size <= SIZE_MOST && !(size & (size - 1)));
	check_part(queue->descriptors, own->descriptors, 16 * size, 16);
	check_part(queue->available, own->driver, 6 + 2 * size, 2);
	check_part(queue->used, own->device, 6 + 8 * size, 4);
	fuzz_check(queue->kick_fd == own->kick_fd && queue->call_fd == own->call_fd);
	fuzz_check(queue->error_fd == mmio->error_fd);
	error = outcome(world);
	world->running[queue->index] = error == 0;
	return error;
}

static inline int stop_queue(struct vhost_front *front, uint32_t index)
{
	struct world *world = to_world(front);

	fuzz_check(index < world->mmio.queue_count && world->running[index]);
	world->running[index] = false;
	return outcome(world);
}

static inline int read_config(struct vhost_front *front, void *config, uint32_t size)
{
	struct world *world = to_world(front);

	fuzz_check(size == world->mmio.config_size || !world->mmio.config_size);
	memcpy(config, world->back_config, size);
	return outcome(world);
}

static inline void failed(struct virtio_mmio *mmio, int error)
{
	struct world *world = container_of(mmio, struct world, mmio);

	fuzz_check(error < 0 && world->failing);
	world->lost = world->lost_now = true;
}

/* --- what must hold after each step -------------------------------------------------------- */

static inline uint32_t get(struct world *world, uint64_t offset)
{
	return (uint32_t)world->mmio.region.ops->read(&world->mmio.region, offset, 4);
}

static inline void look(struct world *world, struct view *view)
{
	const struct virtio_mmio *mmio = &world->mmio;

	memset(view, 0, sizeof(*view));
	view->features = mmio->driver_features;
	view->status = get(world, VIRTIO_MMIO_STATUS);
	view->interrupts = get(world, VIRTIO_MMIO_INTERRUPT_STATUS);
	view->generation = get(world, VIRTIO_MMIO_CONFIG_GENERATION);
	view->device_select = mmio->device_features_select;
	view->driver_select = mmio->driver_features_select;
	view->queue_select = mmio->queue_select;
	for (uint32_t i = 0; i < VIRTIO_MMIO_MAX_QUEUES; i++)
		view->queues[i] = (struct queue_view){
			.parts = { mmio->queues[i].descriptors, mmio->queues[i].driver,
				mmio->queues[i].device },
			.size = mmio->queues[i].size,
			.ready = mmio->queues[i].ready,
			.started = mmio->queues[i].started,
			.running = world->running[i],
		};
	for (uint32_t i = 0; i < VIRTIO_MMIO_MAX_CONFIG; i += 8) {
		uint64_t part =
			mmio->region.ops->read(&world->mmio.region, VIRTIO_MMIO_CONFIG + i, 8);

		memcpy(view->config + i, &part, sizeof(part));
	}
}

/* 4.2.2: what no driver changes, and what the page shows instead of it. */
static inline void check_registers(struct world *world, const struct view *view)
{
	const struct virtio_mmio *mmio = &world->mmio;
	bool exists = view->queue_select < mmio->queue_count;
	uint32_t features =
		view->device_select > 1 ? 0 : (uint32_t)(CARRIED >> 32 * view->device_select);

	fuzz_check(get(world, VIRTIO_MMIO_MAGIC_VALUE) == 0x74726976);
	fuzz_check(get(world, VIRTIO_MMIO_VERSION) == 2);
	fuzz_check(get(world, VIRTIO_MMIO_DEVICE_ID) == 7);
	fuzz_check(get(world, VIRTIO_MMIO_VENDOR_ID) == VIRTIO_MMIO_VENDOR);
	fuzz_check(get(world, VIRTIO_MMIO_DEVICE_FEATURES) == features);
	fuzz_check(get(world, VIRTIO_MMIO_QUEUE_NUM_MAX) == (exists ? SIZE_MOST : 0));
	fuzz_check(get(world, VIRTIO_MMIO_QUEUE_READY) ==
		(exists && view->queues[view->queue_select].ready));
	fuzz_check(get(world, VIRTIO_MMIO_SHM_LEN_LOW) == UINT32_MAX);
	for (uint32_t i = mmio->config_size; i < VIRTIO_MMIO_MAX_CONFIG; i++)
		fuzz_check(view->config[i] == 0);
	if (mmio->page.bytes == NULL)
		return;
	for (uint64_t at = 0; at < VIRTIO_MMIO_CONFIG; at += 4) {
		uint32_t shown;

		memcpy(&shown, mmio->page.bytes + at, sizeof(shown));
		fuzz_check(shown == get(world, at));
	}
	fuzz_check(memcmp(mmio->page.bytes + VIRTIO_MMIO_CONFIG, view->config,
			   VIRTIO_MMIO_MAX_CONFIG) == 0);
}

static inline void check_state(const struct world *world, const struct view *view)
{
	uint32_t status = view->status;

	fuzz_check((status &
			   ~(uint32_t)(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED |
				   NEEDS_RESET)) == 0);
	fuzz_check((status & DRIVER) == 0 || (status & ACKNOWLEDGE) != 0);
	fuzz_check((status & FEATURES_OK) == 0 || (status & DRIVER) != 0);
	fuzz_check((status & DRIVER_OK) == 0 || (status & FEATURES_OK) != 0);
	fuzz_check((status & FEATURES_OK) == 0 ||
		((view->features & ~CARRIED) == 0 && (view->features & VERSION_1) != 0));
	fuzz_check((view->interrupts & ~(uint32_t)VIRTIO_MMIO_INT_CONFIG) ==
		((status & DRIVER_OK) != 0 ? VIRTIO_MMIO_INT_VRING : 0));
	fuzz_check(!world->lost || (status & NEEDS_RESET) != 0);
	for (uint32_t i = 0; i < VIRTIO_MMIO_MAX_QUEUES; i++) {
		const struct queue_view *queue = &view->queues[i];

		fuzz_check(queue->started == queue->running);
		fuzz_check(!queue->running || (queue->ready && (status & DRIVER_OK) != 0));
		fuzz_check((queue->size & (queue->size - 1)) == 0 && queue->size <= SIZE_MOST);
		fuzz_check(!queue->ready || queue->size != 0);
	}
}

/* 2.1.2: the device may ask for a reset in the middle of anything, with an interrupt. */
static inline void allow_needs_reset(struct view *expected, const struct view *after)
{
	if ((after->status & NEEDS_RESET & ~expected->status) == 0)
		return;
	fuzz_check((after->interrupts & VIRTIO_MMIO_INT_CONFIG) != 0);
	expected->status |= NEEDS_RESET;
	expected->interrupts |= VIRTIO_MMIO_INT_CONFIG;
}

/* Of a failure that nobody had heard of, the interrupt tells. */
static inline void check_told(const struct world *world, const struct view *after)
{
	fuzz_check(world->told || (after->status & ~world->before.status & NEEDS_RESET) == 0);
	fuzz_check(world->told || !world->lost_now);
}

/* Nothing but what a step may change, which `expected` has by now, has changed. */
static inline void end_step(struct world *world, struct view *expected, const struct view *after)
{
	world->told = event_take(world->mmio.config_fd);
	allow_needs_reset(expected, after);
	/* One that asks already may ask again. */
	if (world->told)
		expected->interrupts |= after->interrupts & VIRTIO_MMIO_INT_CONFIG;
	fuzz_check(memcmp(expected, after, sizeof(*after)) == 0);
	check_state(world, after);
	check_registers(world, after);
	check_told(world, after);
	world->before = *after;
}

static inline void begin_step(struct world *world)
{
	world->failing = world->lost_now = false;
	world->last = 0;
}

#endif
