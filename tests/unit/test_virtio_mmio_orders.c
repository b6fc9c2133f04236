/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All orders of writes, of any length. From the values that matter of each register the driver can
 * reach a few thousand states, and every one is visited: each write is made in each state, and what
 * it does is held against the rules of virtio 1.2, which stand here a second time, in short.
 */
#include "tests/unit/virtio_mmio_bench.h"

#include <string.h>

/* Guest memory begins at 0, so that a ring whose address nobody wrote is a good one. */
#define GOOD_DESCRIPTORS 0x1000u
#define BAD_DESCRIPTORS	 0x1008u /* not on 16 bytes (2.7) */

#define TRIED_QUEUES	 2
#define STATES_MAX	 16384
#define TABLE_SIZE	 (STATES_MAX * 4)
#define NOWHERE		 UINT32_MAX

struct write {
	uint64_t offset;
	uint32_t value;
};

static const struct write writes[] = {
	{ VIRTIO_MMIO_STATUS, 0 },
	{ VIRTIO_MMIO_STATUS, ACKNOWLEDGE },
	{ VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER },
	{ VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK },
	{ VIRTIO_MMIO_STATUS, ALIVE },
	{ VIRTIO_MMIO_STATUS, DRIVER | FEATURES_OK | DRIVER_OK },
	{ VIRTIO_MMIO_STATUS, ALIVE | NEEDS_RESET },
	{ VIRTIO_MMIO_STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK | FAILED },
	{ VIRTIO_MMIO_STATUS, UINT32_MAX },
	{ VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0 },
	{ VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1 },
	{ VIRTIO_MMIO_DRIVER_FEATURES, 0 },
	{ VIRTIO_MMIO_DRIVER_FEATURES, 1 }, /* offered in both halves */
	{ VIRTIO_MMIO_DRIVER_FEATURES, 2 }, /* in none */
	{ VIRTIO_MMIO_QUEUE_SEL, 0 },
	{ VIRTIO_MMIO_QUEUE_SEL, 1 },
	{ VIRTIO_MMIO_QUEUE_SEL, QUEUES },
	{ VIRTIO_MMIO_QUEUE_NUM, 16 },
	{ VIRTIO_MMIO_QUEUE_NUM, 3 },
	{ VIRTIO_MMIO_QUEUE_DESC_LOW, GOOD_DESCRIPTORS },
	{ VIRTIO_MMIO_QUEUE_DESC_LOW, BAD_DESCRIPTORS },
	{ VIRTIO_MMIO_QUEUE_READY, 0 },
	{ VIRTIO_MMIO_QUEUE_READY, 1 },
	{ VIRTIO_MMIO_QUEUE_READY, 2 },
	{ VIRTIO_MMIO_QUEUE_NOTIFY, 0 },
	{ VIRTIO_MMIO_QUEUE_NOTIFY, 1 },
	{ VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX },
};

#define WRITES (sizeof(writes) / sizeof(writes[0]))

struct queue_view {
	uint32_t size, descriptors, ready, started;
};

/* A state, as far as a driver and a back end can tell it from others. No padding. */
struct view {
	uint32_t status, interrupts, features[2], features_select, queue_select;
	struct queue_view queues[TRIED_QUEUES];
};

struct state {
	struct view view;
	uint32_t before; /* the state from which it was found */
	uint32_t write;	 /* by which */
	uint32_t depth;
};

static struct state states[STATES_MAX];
static uint32_t state_count, table[TABLE_SIZE];

static void begin(void)
{
	fake_log_capture();
	ram = (struct test_ram){ .size = RAM_SIZE };
	ram.fd = guest_memory_create_fd(RAM_SIZE);
	cr_assert_geq(ram.fd, 0);
	cr_assert_eq(guest_memory_map(&ram.memory, ram.fd, 0, 0, RAM_SIZE, 0), 0);
	fake_front_open(&back_end, OFFERED);
	back_end.silent = true;
	open_with("\x11\x22\x33\x44\x55", 5);
}

TestSuite(virtio_mmio_orders, .init = begin, .fini = close_device, .timeout = 120);

static struct view look(void)
{
	struct view view = {
		.status = get(VIRTIO_MMIO_STATUS),
		.interrupts = get(VIRTIO_MMIO_INTERRUPT_STATUS),
		.features = { (uint32_t)mmio.driver_features,
			(uint32_t)(mmio.driver_features >> 32) },
		.features_select = mmio.driver_features_select,
		.queue_select = mmio.queue_select,
	};

	for (uint32_t i = 0; i < TRIED_QUEUES; i++)
		view.queues[i] = (struct queue_view){
			.size = mmio.queues[i].size,
			.descriptors = (uint32_t)mmio.queues[i].descriptors,
			.ready = mmio.queues[i].ready,
			.started = mmio.queues[i].started,
		};
	return view;
}

/* --- the rules ---------------------------------------------------------------------------- */

/* 2.2 and 6.1 */
static bool acceptable(const struct view *view)
{
	return (view->features[0] & ~TYPE_BIT) == 0 && view->features[1] == 1;
}

/* 3.1.1: DRIVER_OK makes the queues that are ready live; a misplaced one makes the device ask for a
 * reset, with an interrupt (2.1.2). */
static void go_live(struct view *view)
{
	view->interrupts |= VIRTIO_MMIO_INT_VRING;
	for (uint32_t i = 0; i < TRIED_QUEUES; i++) {
		struct queue_view *queue = &view->queues[i];

		if (!queue->ready)
			continue;
		queue->started = queue->descriptors != BAD_DESCRIPTORS;
		if (queue->started)
			continue;
		view->status |= NEEDS_RESET;
		view->interrupts |= VIRTIO_MMIO_INT_CONFIG;
	}
}

/* 2.1, 3.1.1: one bit after the other; none is cleared but all of them; FAILED is the end. */
static void expect_status(struct view *view, uint32_t value)
{
	const uint32_t own = view->status & ~(uint32_t)NEEDS_RESET;

	if (value == 0) {
		*view = (struct view){ .status = 0 };
		return;
	}
	if ((own & FAILED) != 0 || (own & ~value) != 0)
		return;
	if ((value & FAILED) != 0) {
		view->status |= FAILED;
		return;
	}
	if ((value & ACKNOWLEDGE) == 0)
		return;
	view->status |= ACKNOWLEDGE;
	if ((value & DRIVER) == 0)
		return;
	view->status |= DRIVER;
	if ((value & FEATURES_OK) == 0 || !acceptable(view))
		return;
	view->status |= FEATURES_OK;
	if ((value & DRIVER_OK) == 0 || (own & DRIVER_OK) != 0)
		return;
	view->status |= DRIVER_OK;
	go_live(view);
}

/* 3.1.1, 4.2.2.2: between FEATURES_OK and DRIVER_OK, and nothing but withdrawal of a ready queue.
 */
static void expect_queue(struct view *view, const struct write *write)
{
	struct queue_view *queue = &view->queues[view->queue_select];
	bool open = (view->status & (FEATURES_OK | DRIVER_OK | FAILED)) == FEATURES_OK;

	if (view->queue_select >= TRIED_QUEUES)
		return;
	if (write->offset == VIRTIO_MMIO_QUEUE_READY && write->value == 0)
		queue->ready = queue->started = 0;
	if (!open || queue->ready)
		return;
	if (write->offset == VIRTIO_MMIO_QUEUE_NUM && write->value == 16)
		queue->size = 16;
	if (write->offset == VIRTIO_MMIO_QUEUE_DESC_LOW)
		queue->descriptors = write->value;
	if (write->offset == VIRTIO_MMIO_QUEUE_READY && write->value == 1)
		queue->ready = queue->size != 0;
}

static struct view expect(struct view view, const struct write *write)
{
	switch (write->offset) {
	case VIRTIO_MMIO_STATUS:
		expect_status(&view, write->value);
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		view.features_select = write->value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		/* 3.1.1: features are written before FEATURES_OK and not after it. */
		if (view.status == (ACKNOWLEDGE | DRIVER))
			view.features[view.features_select] = write->value;
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		view.queue_select = write->value;
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		view.interrupts &= ~(uint32_t)VIRTIO_MMIO_INT_CONFIG;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		break;
	default:
		expect_queue(&view, write);
		break;
	}
	return view;
}

/* --- what holds in every state -------------------------------------------------------------- */

static void assert_sound(const struct view *view)
{
	uint32_t bits = view->status & ALIVE;

	/* 3.1.1: no bit without those before it. */
	cr_assert(bits == 0 || bits == 1 || bits == 3 || bits == 11 || bits == 15, "status 0x%x",
		view->status);
	cr_assert_eq(view->status & ~(uint32_t)(ALIVE | FAILED | NEEDS_RESET), 0);
	if ((view->status & FEATURES_OK) != 0)
		cr_assert(acceptable(view));
	for (uint32_t i = 0; i < TRIED_QUEUES; i++) {
		const struct queue_view *queue = &view->queues[i];

		/* 2.1.2: nothing is consumed before DRIVER_OK; 4.2.2.1: nor while QueueReady is 0.
		 */
		cr_assert(!queue->started || ((view->status & DRIVER_OK) != 0 && queue->ready));
		cr_assert(!queue->ready || ((view->status & FEATURES_OK) != 0 && queue->size != 0));
		cr_assert_eq(back_end.running[i], queue->started);
	}
	/* 4.2.2.1: bits that stand for no event are 0. */
	cr_assert_eq(view->interrupts & ~3u, 0);
	cr_assert_eq(mmio.queues[2].size, 0, "a queue that was never selected");
}

/* 2.5.2: the configuration can be read in any state, before FEATURES_OK as well. */
static void assert_readable(const struct view *view)
{
	cr_assert_eq(get(VIRTIO_MMIO_CONFIG), 0x44332211);
	cr_assert_eq(get(VIRTIO_MMIO_CONFIG + 4), 0x55);
	cr_assert_eq(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	cr_assert_eq(get(VIRTIO_MMIO_DEVICE_ID), 3);
	if (view->queue_select < TRIED_QUEUES)
		cr_assert_eq(get(VIRTIO_MMIO_QUEUE_READY), view->queues[view->queue_select].ready);
}

/* 2.7.13: a live queue's kick arrives, once, and no other's; DRIVER_OK itself is one. */
static void assert_kicks(
	const struct view *before, const struct view *after, const struct write *write)
{
	for (uint32_t i = 0; i < TRIED_QUEUES; i++) {
		bool notified = write->offset == VIRTIO_MMIO_QUEUE_NOTIFY && write->value == i;
		bool began = !before->queues[i].started && after->queues[i].started;

		cr_assert_eq(eventfd_count(mmio.queues[i].kick_fd),
			(notified && after->queues[i].started) || began);
	}
}

/* --- the walk ------------------------------------------------------------------------------- */

static uint32_t hash(const struct view *view)
{
	const uint8_t *bytes = (const uint8_t *)view;
	uint32_t value = 2166136261u;

	for (size_t i = 0; i < sizeof(*view); i++)
		value = (value ^ bytes[i]) * 16777619u;
	return value;
}

static void add_state(const struct view *view, uint32_t before, uint32_t write)
{
	uint32_t slot = hash(view) % TABLE_SIZE;

	for (; table[slot] != 0; slot = (slot + 1) % TABLE_SIZE)
		if (memcmp(&states[table[slot] - 1].view, view, sizeof(*view)) == 0)
			return;
	cr_assert_lt(state_count, STATES_MAX);
	states[state_count] = (struct state){
		.view = *view,
		.before = before,
		.write = write,
		.depth = before == NOWHERE ? 0 : states[before].depth + 1,
	};
	table[slot] = ++state_count;
}

/* Takes a device that was reset to the state, on the way on which it was found. */
static void go_to(uint32_t state)
{
	uint32_t path[64], length = 0;

	for (; states[state].before != NOWHERE; state = states[state].before) {
		cr_assert_lt(length, 64);
		path[length++] = states[state].write;
	}
	while (length > 0) {
		const struct write *write = &writes[path[--length]];

		set(write->offset, write->value);
	}
	for (uint32_t i = 0; i < TRIED_QUEUES; i++)
		eventfd_count(mmio.queues[i].kick_fd);
}

static void try_write(uint32_t state, uint32_t index)
{
	const struct write *write = &writes[index];
	const struct view before = states[state].view, expected = expect(before, write);
	struct view after;

	set(VIRTIO_MMIO_STATUS, 0);
	go_to(state);
	set(write->offset, write->value);
	after = look();
	cr_assert_arr_eq(&after, &expected, sizeof(after),
		"state %u (status 0x%x, queue select %u), 0x%x to register 0x%x: status 0x%x, not "
		"0x%x",
		state, before.status, before.queue_select, write->value,
		(unsigned int)write->offset, after.status, expected.status);
	assert_sound(&after);
	assert_kicks(&before, &after, write);
	assert_readable(&after);
	after = look();
	cr_assert_arr_eq(&after, &expected, sizeof(after), "reading changed state %u", state);
	add_state(&after, state, index);
}

Test(virtio_mmio_orders, every_write_in_every_state_2_1_2_2_3_1_1_4_2_2)
{
	const struct view first = look();
	uint32_t live = 0, asking = 0;

	add_state(&first, NOWHERE, 0);
	for (uint32_t state = 0; state < state_count; state++) {
		for (uint32_t write = 0; write < WRITES; write++)
			try_write(state, write);
		live += states[state].view.queues[0].started &&
			states[state].view.queues[1].started;
		asking += (states[state].view.status & NEEDS_RESET) != 0;
	}
	/* It got about. */
	cr_assert_gt(state_count, 2000, "%u states", state_count);
	cr_assert_gt(live, 10);
	cr_assert_gt(asking, 100);
	cr_assert_gt(states[state_count - 1].depth, 12);
	cr_assert_eq(failures, 0, "nothing of it is the back end's fault");
	set(VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(back_end.started, back_end.stopped);
}
