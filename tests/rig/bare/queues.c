/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attacks every virtio device with all CPUs at once. Each device has one CPU that brings it up and
 * offers it requests, and all CPUs change rings, requests and registers behind its back. What is
 * wrong is wrong in one thing mostly, so that devices get as far as doing something: the buffers
 * that they give back are counted.
 */
#include "queues.h"

/* 4.2.2 */
#define DEVICE_ID	    0x008
#define DEVICE_FEATURES	    0x010
#define DEVICE_FEATURES_SEL 0x014
#define DRIVER_FEATURES	    0x020
#define DRIVER_FEATURES_SEL 0x024
#define QUEUE_SEL	    0x030
#define QUEUE_NUM_MAX	    0x034
#define QUEUE_NUM	    0x038
#define QUEUE_READY	    0x044
#define QUEUE_NOTIFY	    0x050
#define INTERRUPT_ACK	    0x064
#define STATUS		    0x070
#define QUEUE_DESC	    0x080
#define QUEUE_DRIVER	    0x090
#define QUEUE_DEVICE	    0x0a0
#define CONFIG		    0x100
#define REGISTERS_SIZE	    0x200

/* 2.1 */
#define ACKNOWLEDGE	    1u
#define DRIVER		    2u
#define DRIVER_OK	    4u
#define FEATURES_OK	    8u
#define ALL_OK		    15u

#define F_INDIRECT	    (1ull << 28)
#define F_VERSION_1	    (1ull << 32)

#define STALE_ROUNDS	    48	/* then the queues are taken to be stopped */
#define PATIENCE	    400 /* looks at a used index after a kick */

struct places places;
static struct device devices[BARE_VIRTIO];
static uint32_t device_count;

static void add_device(uint64_t registers)
{
	uint32_t index = device_count++;
	struct device *device = &devices[index];

	device->registers = registers;
	device->home = places.ram + (places.end - places.ram) / 2 + index * HOME_SIZE;
	device->scratch = places.wild - (BARE_VIRTIO - index) * SCRATCH_SIZE;
	device->type = read32(registers + DEVICE_ID);
	device->sectors = read32(registers + CONFIG);
	device->cid = device->sectors;
	for (uint32_t i = 0; i < QUEUES; i++) {
		write32(registers + QUEUE_SEL, i);
		device->queues[i].size_max = read32(registers + QUEUE_NUM_MAX);
		if (!device->queues[i].size_max)
			break;
		device->queue_count++;
	}
}

void bare_queues_find(const struct bare_tree *tree)
{
	places.ram = tree->ram;
	places.end = tree->ram + tree->ram_size;
	places.wild = tree->ram + tree->ram_size / 2 + BARE_VIRTIO * (HOME_SIZE + SCRATCH_SIZE);
	for (uint32_t i = 0; i < tree->virtio_count; i++)
		if (read32(tree->virtio[i] + DEVICE_ID) != 0)
			add_device(tree->virtio[i]);
}

void bare_queues_print(void)
{
	bare_print(", used");
	for (uint32_t i = 0; i < device_count; i++) {
		bare_print(" ");
		bare_print_number(devices[i].type);
		bare_print(":");
		bare_print_number(devices[i].used);
	}
}

/* True when the device takes them. */
static bool negotiate(struct device *device, uint64_t *state)
{
	uint64_t at = device->registers, features;

	write32(at + DEVICE_FEATURES_SEL, 1);
	features = (uint64_t)read32(at + DEVICE_FEATURES) << 32;
	write32(at + DEVICE_FEATURES_SEL, 0);
	features |= read32(at + DEVICE_FEATURES);
	if (bare_below(state, 4))
		features &= bare_random(state) | F_VERSION_1 | F_INDIRECT;
	if (bare_below(state, 32) == 0)
		features ^= 1ull << bare_below(state, 64);
	for (uint32_t i = 0; i < 2; i++) {
		write32(at + DRIVER_FEATURES_SEL, i);
		write32(at + DRIVER_FEATURES, (uint32_t)(features >> 32 * i));
	}
	write32(at + STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
	device->indirect = features & F_INDIRECT;
	return read32(at + STATUS) & FEATURES_OK;
}

static bool is_inside(uint64_t at, uint64_t size)
{
	return at >= places.wild && at % 2 == 0 && at < places.end && size <= places.end - at;
}

/* Rings over each other, over other devices', at the edges of memory and outside. */
static void misplace(struct queue *queue, uint64_t *state)
{
	uint64_t size = queue->size, at = places.wild + 0x2000 * bare_below(state, 4);
	uint64_t *parts[] = { &queue->descriptors, &queue->available, &queue->used };

	if (bare_below(state, 4) == 0)
		at = (places.end - 16 * size - bare_below(state, 0x1000)) & ~15ull;
	queue->descriptors = at;
	queue->available = at + (bare_below(state, 4) ? 16 * size : 0);
	queue->used = at + (bare_below(state, 4) ? 0x1000 : 4 * bare_below(state, 64));
	if (bare_below(state, 3) == 0)
		*parts[bare_below(state, 3)] = bare_edge(state);
	queue->home = false;
	queue->reachable = is_inside(queue->descriptors, 16 * size) &&
		is_inside(queue->available, 6 + 2 * size) && is_inside(queue->used, 6 + 8 * size);
}

static void place(struct device *device, uint32_t number, uint64_t *state)
{
	struct queue *queue = &device->queues[number];
	uint32_t largest = queue->size_max < QUEUE_LARGEST ? queue->size_max : QUEUE_LARGEST;

	queue->size = largest;
	if (bare_below(state, 4) == 0)
		queue->size = 1u << bare_below(state, 9);
	if (queue->size > largest)
		queue->size = largest;
	queue->descriptors = device->home + RING_STRIDE * number;
	queue->available = queue->descriptors + 16 * QUEUE_LARGEST;
	queue->used = queue->available + 16 * QUEUE_LARGEST;
	queue->home = true;
	queue->reachable = true;
	if (bare_below(state, 12) == 0)
		misplace(queue, state);
	if (queue->reachable) {
		write32(queue->available, 0);
		write32(queue->used, 0);
	}
	queue->next = 0;
	queue->seen = 0;
	queue->cursor = 0;
}

static void write_address(uint64_t at, uint64_t address)
{
	write32(at, (uint32_t)address);
	write32(at + 4, (uint32_t)(address >> 32));
}

static void set_up_queue(struct device *device, uint32_t number, uint64_t *state)
{
	const struct queue *queue = &device->queues[number];
	uint64_t at = device->registers;

	place(device, number, state);
	write32(at + QUEUE_SEL, number);
	if (bare_below(state, 32) == 0)
		write32(at + QUEUE_NUM, (uint32_t)bare_random(state) >> bare_below(state, 32));
	write32(at + QUEUE_NUM, queue->size);
	write_address(at + QUEUE_DESC, queue->descriptors);
	write_address(at + QUEUE_DRIVER, queue->available);
	write_address(at + QUEUE_DEVICE, queue->used);
	if (bare_below(state, 16))
		write32(at + QUEUE_READY, 1);
}

static void bring_up(struct device *device, uint64_t *state)
{
	uint64_t at = device->registers;

	device->stale = 0;
	device->up = false;
	write32(at + STATUS, 0);
	write32(at + STATUS, ACKNOWLEDGE);
	write32(at + STATUS, ACKNOWLEDGE | DRIVER);
	if (!negotiate(device, state))
		return;
	for (uint32_t i = 0; i < device->queue_count; i++)
		set_up_queue(device, i, state);
	write32(at + STATUS, ALL_OK);
	device->up = true;
}

/* Whether buffers came back since the last look. */
static bool look(struct device *device, struct queue *queue)
{
	uint16_t seen, count;

	if (!queue->home)
		return false;
	seen = read16(queue->used + 2);
	count = (uint16_t)(seen - queue->seen);
	queue->seen = seen;
	/* More is no count: another device's page was given away, with this ring in it. */
	if (count == 0 || count > queue->size)
		return false;
	device->used += count;
	device->stale = 0;
	return true;
}

static void offer(struct device *device, uint32_t number, uint64_t *state)
{
	struct queue *queue = &device->queues[number];
	uint32_t room = queue->size - (uint16_t)(queue->next - queue->seen);
	uint32_t count = 1 + bare_below(state, 4);
	uint16_t head = 0;

	for (uint32_t i = 0; i < count && (i < room || bare_below(state, 64) == 0); i++) {
		/* Some twice. */
		if (i == 0 || bare_below(state, 8))
			head = bare_chain(device, number, state);
		write16(queue->available + 4 + 2 * (queue->next % queue->size), head);
		queue->next++;
	}
	barrier();
	write16(queue->available + 2,
		bare_below(state, 64) ? queue->next
				      : (uint16_t)(queue->next + bare_below(state, 0x8000)));
	barrier();
}

static void own_round(struct device *device, uint64_t *state)
{
	uint32_t number = bare_below(state, device->queue_count);
	struct queue *queue = &device->queues[number];

	if (!device->up || read32(device->registers + STATUS) != ALL_OK ||
		++device->stale > STALE_ROUNDS || bare_below(state, 256) == 0) {
		bring_up(device, state);
		return;
	}
	if (queue->reachable)
		offer(device, number, state);
	write32(device->registers + QUEUE_NOTIFY, number);
	if (bare_below(state, 64) == 0)
		write32(device->registers + STATUS, 0);
	for (uint32_t i = 0; i < PATIENCE && !look(device, queue); i++)
		if (queue->reachable && bare_below(state, 64) == 0)
			bare_rewrite(device, queue, state);
}

/* Of whoever owns the device, who knows nothing of it. */
static void disturb(const struct device *device, uint64_t *state)
{
	uint64_t at = device->registers;
	uint32_t number = bare_below(state, device->queue_count);
	struct queue home = {
		.size = QUEUE_LARGEST,
		.descriptors = device->home + RING_STRIDE * number,
	};

	home.available = home.descriptors + 16 * QUEUE_LARGEST;
	switch (bare_below(state, 16)) {
	case 0:
		write32(at + QUEUE_NOTIFY, number);
		break;
	case 1:
		write32(at + QUEUE_NOTIFY, (uint32_t)bare_random(state) >> bare_below(state, 32));
		break;
	case 2:
		write32(at + INTERRUPT_ACK, (uint32_t)bare_random(state) >> bare_below(state, 32));
		break;
	case 3:
	case 4:
		bare_noise(state, at + CONFIG, REGISTERS_SIZE - CONFIG);
		break;
	case 5: /* behind the registers, too */
		bare_noise(state, at, bare_below(state, 8) ? REGISTERS_SIZE : 0x1000);
		break;
	case 6: /* a few more than there are */
		write16(home.available + 2,
			(uint16_t)(read16(home.available + 2) + bare_below(state, 3)));
		break;
	case 7:
		if (bare_below(state, 64))
			break;
		write32(at + QUEUE_SEL, number);
		write32(at + QUEUE_READY, bare_below(state, 2));
		break;
	case 8:
		if (bare_below(state, 64) == 0)
			write32(at + STATUS, bare_below(state, 2) ? bare_below(state, 256) : 0);
		break;
	default:
		/* Smaller rings end earlier: all of them have their first entries. */
		home.size = bare_below(state, 2) ? QUEUE_LARGEST : 8;
		bare_rewrite(device, &home, state);
	}
}

void bare_queues(uint64_t *state, uint32_t cpu, uint32_t cpus)
{
	uint32_t index = bare_below(state, device_count);

	if (devices[index].queue_count == 0)
		return;
	if (index % cpus == cpu)
		own_round(&devices[index], state);
	else if (bare_below(state, 2))
		disturb(&devices[index], state);
}
