/* SPDX-License-Identifier: Apache-2.0 */
/* The ring of coalesced stores, with this test as its KVM. */
#include "tests/unit/fakes.h"
#include "vmm/base/mmio.h"
#include "vmm/coalesced.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(coalesced, .timeout = 60);

struct world {
	struct coalesced coalesced;
	struct mmio_bus bus;
	struct mmio_region region;
	uint64_t sum, next; /* of the values stored; the one that must come next */
	bool in_order;
	void (*meanwhile)(struct world *world);
	size_t page;
	unsigned char *run;
};

static uint64_t read_nothing(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	(void)region, (void)offset, (void)width;
	return 0;
}

static void note(struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value)
{
	struct world *world =
		(struct world *)(void *)((char *)region - offsetof(struct world, region));

	if (offset < 0x100) {
		fake_trace("%" PRIx64 " %u %" PRIx64, offset, width, value);
	} else {
		world->in_order &= value == world->next;
		world->next = value + 1;
		world->sum += value;
	}
	if (world->meanwhile)
		world->meanwhile(world);
}

static const struct mmio_ops ops = { .read = read_nothing, .write = note };

static struct world *setup(void)
{
	static struct world world;

	world.page = (size_t)sysconf(_SC_PAGESIZE);
	world.run = aligned_alloc(world.page, 2 * world.page);
	memset(world.run, 0, 2 * world.page);
	world.region = (struct mmio_region){ "test", 0x1000, 0x1000, &ops };
	world.in_order = true;
	cr_assert_eq(mmio_bus_add(&world.bus, &world.region), 0);
	coalesced_init(&world.coalesced);
	coalesced_attach(&world.coalesced, world.run, 2 * world.page);
	cr_assert_eq((unsigned char *)world.coalesced.ring, world.run + world.page);
	return &world;
}

/* As KVM does it (virt/kvm/coalesced_mmio.c): false when the ring is full. */
static bool kvm_store(struct world *world, uint64_t gpa, uint32_t width, uint64_t value)
{
	struct kvm_coalesced_mmio_ring *ring = world->coalesced.ring;
	uint32_t last = ring->last, next = (last + 1) % world->coalesced.entries;

	if (next == __atomic_load_n(&ring->first, __ATOMIC_ACQUIRE))
		return false;
	ring->coalesced_mmio[last] = (struct kvm_coalesced_mmio){ .phys_addr = gpa, .len = width };
	memcpy(ring->coalesced_mmio[last].data, &value, width);
	__atomic_store_n(&ring->last, next, __ATOMIC_RELEASE);
	return true;
}

static void drain(struct world *world)
{
	coalesced_drain(&world->coalesced, &world->bus);
}

Test(coalesced, stores_are_carried_out_once_and_in_their_order)
{
	struct world *world = setup();

	drain(world);
	cr_assert_str_empty(fake_trace_text());
	cr_assert(kvm_store(world, 0x1008, 8, 0x1122334455667788));
	cr_assert(kvm_store(world, 0x1003, 1, 0x99));
	cr_assert(kvm_store(world, 0x1008, 2, 0xaabb));
	cr_assert(kvm_store(world, 0x9000, 4, 1)); /* nobody's */
	cr_assert(kvm_store(world, 0x1000, 4, 5));
	drain(world);
	cr_assert_str_eq(fake_trace_text(), "8 8 1122334455667788\n3 1 99\n8 2 aabb\n0 4 5\n");
	drain(world);
	cr_assert_str_eq(fake_trace_text(), "8 8 1122334455667788\n3 1 99\n8 2 aabb\n0 4 5\n");
}

/* The figure behind "at most two exits for a request of 191 coalesced stores". */
Test(coalesced, a_full_ring_is_emptied_and_wraps)
{
	struct world *world = setup();
	uint64_t value = 0, sum = 0;

	world->next = 0;
	if (world->page == 4096)
		cr_assert_eq(world->coalesced.entries, 170);
	for (int round = 0; round < 50; round++) {
		uint32_t stored = 0;

		while (kvm_store(world, 0x1800, 8, value)) {
			sum += value++;
			stored++;
		}
		cr_assert_eq(stored, world->coalesced.entries - 1);
		drain(world);
		cr_assert_eq(world->sum, sum);
		cr_assert(world->in_order);
		for (int i = 0; i < round; i++) {
			cr_assert(kvm_store(world, 0x1800, 8, value));
			sum += value++;
		}
		drain(world);
	}
	cr_assert_eq(world->sum, sum);
}

static void store_on(struct world *world)
{
	kvm_store(world, 0x1800, 8, world->next);
}

/* A vCPU that stores on and on cannot keep another one in here. */
Test(coalesced, a_drain_ends_though_stores_go_on)
{
	struct world *world = setup();

	world->meanwhile = store_on;
	store_on(world);
	drain(world);
	cr_assert_eq(world->next, 1);
	drain(world);
	cr_assert_eq(world->next, 2);
}

#define STORES 200000

static atomic_bool done;

static void *drain_all_the_time(void *argument)
{
	while (!atomic_load(&done))
		drain(argument);
	return NULL;
}

/* Several vCPUs exit at once while one stores: each store once, in order, and none is missed by
 * the vCPU that stored it. */
Test(coalesced, several_vcpus_exit_at_once)
{
	struct world *world = setup();
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, drain_all_the_time, world), 0);
	for (uint64_t value = 0; value < STORES; value++) {
		while (!kvm_store(world, 0x1800, 8, value))
			drain(world);
		if (value % 64 == 0) {
			drain(world);
			pthread_mutex_lock(&world->coalesced.lock);
			cr_assert_eq(world->next, value + 1);
			pthread_mutex_unlock(&world->coalesced.lock);
		}
	}
	drain(world);
	atomic_store(&done, true);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	cr_assert(world->in_order);
	cr_assert_eq(world->next, STORES);
}

Test(coalesced, without_a_ring_there_is_nothing_to_do)
{
	struct world *world = setup();

	cr_assert(kvm_store(world, 0x1000, 4, 5));
	coalesced_detach(&world->coalesced);
	drain(world);
	coalesced_attach(&world->coalesced, world->run, world->page);
	cr_assert_null(world->coalesced.ring);
	drain(world);
	cr_assert_str_empty(fake_trace_text());
}

/* KVM's indices are believed as far as they go. */
Test(coalesced, indices_beyond_the_ring)
{
	struct world *world = setup();

	world->coalesced.ring->last = world->coalesced.entries;
	drain(world);
	world->coalesced.ring->last = 1;
	world->coalesced.ring->first = UINT32_MAX;
	drain(world);
	cr_assert_str_empty(fake_trace_text());
}
