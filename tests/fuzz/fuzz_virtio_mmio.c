/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register file of a virtio device, between a driver, a back end and a machine that do
 * anything. What may change with each step is a rule of docs/virtio-rules.md; all else must stay.
 *
 * Input: a byte of options (bits 0-3: one queue less; bit 4: trapping; bit 5: the back end has the
 * configuration; bit 6: and takes no writes), the configuration's size, where in it the driver's
 * own field begins and how long it is, its bytes; then steps. A step's upper three bits say what
 * happens: a store to a register that exists (0, 1), any store (2), any load (3), a driver that
 * knows what it does (4), a changed configuration (5), a queue that broke or a machine that resets
 * (6), a question to the back end (7). A call of the back end takes a byte: 0xf0 and more fail.
 */
#include "tests/fuzz/virtio_mmio_fuzz.h"

#define STEPS 400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct vhost_front_ops front_ops[] = {
	{ set_features, set_memory, start_queue, stop_queue, NULL },
	{ set_features, set_memory, start_queue, stop_queue, read_config },
};

/* --- what a store may change ---------------------------------------------------------------- */

/* 2.1: all is as at power-on, but a device that is lost says so. */
static void expect_reset(struct world *world, struct view *expected)
{
	const struct virtio_config_part *own = &world->mmio.config_writable;
	struct view reset = { .generation = expected->generation };

	memcpy(reset.config, expected->config, sizeof(reset.config));
	memset(reset.config + own->offset, 0, own->size);
	reset.status = world->lost ? NEEDS_RESET : 0;
	*expected = reset;
}

/* 2.1, 3.1.1 */
static void expect_status(
	struct world *world, struct view *expected, uint32_t value, const struct view *after)
{
	const uint32_t known = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK | FAILED;
	uint32_t had = expected->status, has = after->status;

	if (value == 0) {
		expect_reset(world, expected);
		return;
	}
	fuzz_check((had & ~has) == 0);
	fuzz_check((has & ~had & known & ~value) == 0);
	fuzz_check((had & FAILED) == 0 || had == has);
	expected->status |= has & known;
	if ((has & ~had & DRIVER_OK) == 0)
		return;
	/* Ready queues go to the back end, unless it fails or they are misplaced. */
	expected->interrupts |= VIRTIO_MMIO_INT_VRING;
	for (uint32_t i = 0; i < VIRTIO_MMIO_MAX_QUEUES; i++) {
		const struct queue_view *queue = &after->queues[i];

		fuzz_check(!queue->ready || queue->running || (has & NEEDS_RESET) != 0);
		expected->queues[i].started = queue->started;
		expected->queues[i].running = queue->running;
		fuzz_check((event_take(world->mmio.queues[i].kick_fd)) == queue->started);
	}
}

static bool set_up(const struct view *view)
{
	return (view->status & (FEATURES_OK | DRIVER_OK | FAILED)) == FEATURES_OK;
}

/* 4.2.2.2: withdrawn at any time, made ready while the driver sets up. */
static void expect_ready(struct view *expected, struct queue_view *queue, uint32_t value)
{
	if (value == 0)
		queue->ready = queue->started = queue->running = 0;
	else if (value == 1 && set_up(expected) && queue->size != 0)
		queue->ready = 1;
}

static void set_half(uint64_t *whole, uint64_t offset, uint32_t value)
{
	unsigned int shift = offset % 16 == 4 ? 32 : 0;

	*whole = (*whole & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)value << shift;
}

static void expect_queue(struct view *expected, uint64_t offset, uint32_t value)
{
	struct queue_view *queue = &expected->queues[expected->queue_select];

	if (offset == VIRTIO_MMIO_QUEUE_READY)
		expect_ready(expected, queue, value);
	if (queue->ready || !set_up(expected))
		return;
	if (offset == VIRTIO_MMIO_QUEUE_NUM && value <= SIZE_MOST && value != 0 &&
		!(value & (value - 1)))
		queue->size = value;
	else if (offset >= VIRTIO_MMIO_QUEUE_DESC_LOW && offset <= VIRTIO_MMIO_QUEUE_USED_HIGH &&
		offset % 16 < 8)
		set_half(&queue->parts[(offset - VIRTIO_MMIO_QUEUE_DESC_LOW) / 16], offset, value);
}

static void expect_features(struct view *expected, uint32_t value)
{
	if ((expected->status & (DRIVER | FEATURES_OK | FAILED)) == DRIVER &&
		expected->driver_select <= 1)
		set_half(&expected->features, 4 * expected->driver_select, value);
}

static void expect_notify(struct world *world, uint32_t value)
{
	for (uint32_t i = 0; i < world->mmio.queue_count; i++)
		fuzz_check(event_take(world->mmio.queues[i].kick_fd) ==
			(i == value && world->before.queues[i].started));
}

static void expect_register(struct world *world, struct view *expected, uint64_t offset,
	uint32_t value, const struct view *after)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		expected->device_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		expect_features(expected, value);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		expected->driver_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		expected->queue_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		expect_notify(world, value);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		expected->interrupts &= ~(value & VIRTIO_MMIO_INT_CONFIG);
		break;
	case VIRTIO_MMIO_STATUS:
		expect_status(world, expected, value, after);
		break;
	default:
		if (expected->queue_select < world->mmio.queue_count)
			expect_queue(expected, offset, value);
	}
}

/* 2.5: of a space of ours the driver's own field, of a back end's nothing. */
static void expect_config(struct world *world, struct view *expected, uint64_t offset,
	unsigned int width, uint64_t value)
{
	const struct virtio_config_part *own = &world->mmio.config_writable;

	if (!(expected->status & DRIVER))
		return;
	for (uint64_t i = 0; i < width; i++)
		if (offset + i >= own->offset && offset + i < own->offset + own->size)
			expected->config[offset + i] = (uint8_t)(value >> 8 * i);
}

/* --- steps ------------------------------------------------------------------------------------ */

static void store(struct world *world, uint64_t offset, unsigned int width, uint64_t value)
{
	struct view expected = world->before, after;

	begin_step(world);
	world->mmio.region.ops->write(&world->mmio.region, offset, width, value);
	look(world, &after);
	if (offset >= VIRTIO_MMIO_CONFIG)
		expect_config(world, &expected, offset - VIRTIO_MMIO_CONFIG, width, value);
	else if (width == 4 && offset % 4 == 0)
		expect_register(world, &expected, offset, (uint32_t)value, &after);
	end_step(world, &expected, &after);
}

static void any_access(struct world *world, bool load, uint8_t step)
{
	unsigned int width = 1u << (step & 3);
	uint64_t value = 0;
	uint16_t offset;

	fuzz_take(&world->input, &offset, sizeof(offset));
	offset %= VIRTIO_MMIO_SIZE - width + 1;
	if (load) {
		struct view expected = world->before, after;

		begin_step(world);
		value = world->mmio.region.ops->read(&world->mmio.region, offset, width);
		fuzz_check(width == 8 || value >> 8 * width == 0);
		fuzz_check(offset >= VIRTIO_MMIO_CONFIG || (width == 4 && offset % 4 == 0) ||
			value == 0);
		look(world, &after);
		end_step(world, &expected, &after);
		return;
	}
	fuzz_take(&world->input, &value, width);
	store(world, offset, width, value);
}

static void store_known(struct world *world, uint8_t step)
{
	static const uint16_t places[] = { VIRTIO_MMIO_STATUS, VIRTIO_MMIO_QUEUE_SEL,
		VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_NUM, VIRTIO_MMIO_QUEUE_NOTIFY,
		VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_DRIVER_FEATURES_SEL,
		VIRTIO_MMIO_DRIVER_FEATURES, VIRTIO_MMIO_DEVICE_FEATURES_SEL,
		VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH,
		VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
		VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH, VIRTIO_MMIO_CONFIG };
	static const uint32_t values[] = { 0, 1, ACKNOWLEDGE | DRIVER,
		ACKNOWLEDGE | DRIVER | FEATURES_OK, ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK,
		ACKNOWLEDGE | FAILED, 2, 16, RAM_SIZE - 16, (uint32_t)RAM_BASE, UINT32_MAX };
	uint8_t kind = fuzz_byte(&world->input);
	uint32_t value = kind;

	if (kind < ARRAY_SIZE(values))
		value = values[kind];
	else if (kind >= 0x80)
		fuzz_take(&world->input, &value, sizeof(value));
	store(world, places[step % ARRAY_SIZE(places)], 4, value);
}

/* Up to DRIVER_OK, or not quite; rings are where the input says. */
static void driver(struct world *world, uint8_t step)
{
	const uint32_t began = ACKNOWLEDGE | DRIVER;
	uint32_t queues = step % (world->mmio.queue_count + 1);

	store(world, VIRTIO_MMIO_STATUS, 4, 0);
	store(world, VIRTIO_MMIO_STATUS, 4, ACKNOWLEDGE);
	store(world, VIRTIO_MMIO_STATUS, 4, began);
	store(world, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 4, 1);
	store(world, VIRTIO_MMIO_DRIVER_FEATURES, 4, VERSION_1 >> 32);
	store(world, VIRTIO_MMIO_STATUS, 4, began | FEATURES_OK);
	for (uint32_t i = 0; i < queues; i++) {
		uint16_t places[3];

		fuzz_take(&world->input, places, sizeof(places));
		store(world, VIRTIO_MMIO_QUEUE_SEL, 4, i);
		store(world, VIRTIO_MMIO_QUEUE_NUM, 4, 1u << places[0] % 9);
		for (uint64_t part = 0; part < 3; part++)
			store(world, VIRTIO_MMIO_QUEUE_DESC_LOW + 16 * part, 4,
				RAM_BASE + (places[part] & ~(step & 0x10 ? 0u : 15u)));
		store(world, VIRTIO_MMIO_QUEUE_READY, 4, 1);
	}
	if (!(step & 8))
		store(world, VIRTIO_MMIO_STATUS, 4, began | FEATURES_OK | DRIVER_OK);
}

/* 2.3, 2.5: the driver's own field stays; whoever has a driver is to tell it. */
static void change_config(struct world *world)
{
	const struct virtio_config_part *own = &world->mmio.config_writable;
	struct view expected = world->before, after;
	uint8_t config[VIRTIO_MMIO_MAX_CONFIG];
	bool told;

	if (world->front.ops->read_config != NULL)
		return;
	begin_step(world);
	fuzz_take(&world->input, config, world->mmio.config_size);
	told = virtio_mmio_change_config(&world->mmio, config);
	memcpy(config + own->offset, expected.config + own->offset, own->size);
	expected.generation += memcmp(expected.config, config, world->mmio.config_size) != 0;
	memcpy(expected.config, config, world->mmio.config_size);
	fuzz_check(told == ((expected.status & ~(uint32_t)NEEDS_RESET) != 0));
	expected.interrupts |= told ? VIRTIO_MMIO_INT_CONFIG : 0;
	look(world, &after);
	end_step(world, &expected, &after);
}

static void from_outside(struct world *world, uint8_t step)
{
	struct view expected = world->before, after;

	begin_step(world);
	if (step & 1)
		event_signal(world->mmio.error_fd);
	if (step & 2) {
		virtio_mmio_reset(&world->mmio, INT64_MAX);
		expect_reset(world, &expected);
	} else {
		virtio_mmio_queue_failed(&world->mmio);
	}
	look(world, &after);
	fuzz_check((step & 3) != 1 || (after.status & NEEDS_RESET) != 0);
	if ((step & 3) == 1)
		expected.interrupts |= VIRTIO_MMIO_INT_CONFIG;
	end_step(world, &expected, &after);
}

static int question(struct vhost_front *front, void *context)
{
	(void)context;
	return outcome(to_world(front));
}

static void ask(struct world *world)
{
	struct view expected = world->before, after;
	int error;

	begin_step(world);
	error = virtio_mmio_ask(&world->mmio, question, NULL);
	fuzz_check(world->lost_now == (error != 0 && error != -EREMOTEIO));
	look(world, &after);
	end_step(world, &expected, &after);
}

static bool open_device(struct world *world)
{
	uint8_t options = fuzz_byte(&world->input), place[2];
	struct virtio_mmio_options made = {
		.name = "fuzz",
		.base = 0x0a010000,
		.device_id = 7,
		.queue_count = (options & 15) + 1,
		.queue_size_max = SIZE_MOST,
		.front = &world->front,
		.memory = &memory,
		.failed = failed,
		.fast = !(options & 0x10),
	};

	made.config_size = fuzz_byte(&world->input);
	fuzz_take(&world->input, place, sizeof(place));
	fuzz_take(&world->input, world->back_config, made.config_size);
	world->front = (struct vhost_front){ .ops = front_ops, .features = OFFERED };
	if (options & 0x20) {
		world->front.ops = &front_ops[1];
	} else {
		made.config = world->back_config;
		made.config_writable.offset = place[0] % (made.config_size + 1);
		made.config_writable.size =
			place[1] % (made.config_size - made.config_writable.offset + 1);
		memset(world->back_config + made.config_writable.offset, 0,
			made.config_writable.size);
	}
	if (virtio_mmio_init(&world->mmio, &made) != 0) {
		fuzz_check(world->failing);
		return false;
	}
	world->mmio.memory_fd = 1000;
	return true;
}

static void one_step(struct world *world)
{
	uint8_t step = fuzz_byte(&world->input);

	switch (step >> 5) {
	case 0:
	case 1:
		store_known(world, step);
		break;
	case 2:
	case 3:
		any_access(world, step >> 5 == 3, step);
		break;
	case 4:
		driver(world, step);
		break;
	case 5:
		change_config(world);
		break;
	case 6:
		from_outside(world, step);
		break;
	default:
		ask(world);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = { .input = { data, size } };

	if (memory.count == 0) {
		int fd = guest_memory_create_fd(RAM_SIZE);

		fuzz_check(fd >= 0 && guest_memory_map(&memory, fd, 0, RAM_BASE, RAM_SIZE, 0) == 0);
	}
	if (!open_device(&world))
		return 0;
	begin_step(&world);
	look(&world, &world.before);
	for (int i = 0; i < STEPS && world.input.left; i++)
		one_step(&world);
	virtio_mmio_close(&world.mmio);
	return 0;
}
