/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests that fill a ring as fast as a worker empties it. Each refill happens inside of what the
 * worker does for a buffer, so no race has to be won: a worker without a budget never leaves the
 * ring, and the front end's next question stays without an answer.
 */
#include "devices/virtio/balloon_loop.h"
#include "devices/virtio/rng_loop.h"
#include "tests/unit/block_guest.h"
#include "tests/unit/device_guest.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>

#define WRITE	 VRING_DESC_F_WRITE

/* Far more than any budget, far less than a test's time. */
#define REFILLED 20000u

TestSuite(ring_refill, .init = fake_log_capture, .timeout = 120);

static _Atomic uint32_t refills;
static _Atomic bool refilling;

/* On the worker's thread, between taking a buffer and giving it back: there is always another. */
static void refill(void)
{
	struct test_ring *ring = &device_guest.rings[0];

	if (!atomic_load(&refilling))
		return;
	atomic_fetch_add(&refills, 1);
	test_ring_offer(ring, 0);
}

/* In the place of the C library's, for the whole test program. */
/* NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): its names are reserved */
ssize_t getrandom(void *data, size_t size, unsigned int flags)
{
	refill();
	return syscall(SYS_getrandom, data, size, flags);
}

static int release(void *at, size_t size)
{
	(void)at;
	(void)size;
	refill();
	return 0;
}

static int run_rng(void *worker)
{
	return rng_worker_run(worker);
}

static int run_balloon(void *worker)
{
	return balloon_worker_run(worker);
}

static void begin_refilling(void)
{
	device_guest.front.deadline_ms = 3000;
	atomic_store(&refilling, true);
	device_guest_offer(0, 0);
	while (atomic_load(&refills) < REFILLED)
		usleep(100);
}

/* With the ring full for ever a driver's reset still comes through. */
static void assert_reset_comes_through(void)
{
	uint32_t seen;

	test_register_write(&device_guest.mmio, VIRTIO_MMIO_STATUS, 0);
	cr_assert_eq(device_guest.failure, 0, "the worker did not answer in time");
	seen = atomic_load(&refills);
	usleep(10 * 1000);
	cr_assert_eq(atomic_load(&refills), seen, "the ring is the next driver's by now");
	atomic_store(&refilling, false);
}

Test(ring_refill, random_numbers)
{
	static struct rng_worker worker;

	device_guest_open();
	rng_worker_init(&worker, device_guest.sockets[1]);
	device_guest_start(run_rng, &worker, VIRTIO_ID_RNG, 1, 0);
	device_guest_driver(0);
	test_ring_set(&device_guest.rings[0], 0, GUEST_BUFFERS, 1, WRITE, 0);
	begin_refilling();
	assert_reset_comes_through();
	device_guest_end();
	rng_worker_close(&worker);
}

/* The other queues of the same worker have their turns meanwhile. */
Test(ring_refill, balloon)
{
	static struct balloon_worker worker;
	const uint32_t page = (uint32_t)(GUEST_BUFFERS >> 12);
	uint32_t head, written;

	device_guest_open();
	balloon_worker_init(&worker, device_guest.sockets[1], BALLOON_PAGE_SIZE, release);
	device_guest_start(run_balloon, &worker, VIRTIO_ID_BALLOON, BALLOON_QUEUES, 0);
	device_guest_driver(UINT64_C(1) << VIRTIO_BALLOON_F_REPORTING);
	memcpy(test_ram_at(&device_guest.ram, GUEST_BUFFERS), &page, sizeof(page));
	test_ring_set(&device_guest.rings[0], 0, GUEST_BUFFERS, sizeof(page), 0, 0);
	test_ring_set(&device_guest.rings[1], 0, GUEST_BUFFERS, sizeof(page), 0, 0);
	begin_refilling();
	device_guest_offer(1, 0);
	cr_assert(device_guest_take(1, &head, &written, 10000), "the other queue has no turn");
	assert_reset_comes_through();
	device_guest_end();
	balloon_worker_close(&worker);
}

/*
 * A disk writes its serial number, and a status, where the driver says. So 7 of queue 0's requests
 * make 16 more of them available each, and the last entry of the ring the next of the 7; the first
 * one makes a request on queue 1 available, too, whose answer ends that. How many of queue 0 were
 * served tells when queue 1 had its turn.
 */
#define PLAIN		   15u /* the head of requests that do nothing */
#define ROUNDS		   7u

/* The serial number's bytes. */
#define NEXT_REFILL(round) (2 * (round))     /* the head that the ring's last entry gets */
#define NEXT_INDEX(round)  (2 * (round) + 1) /* what the available index gets */
#define END_OF_IT	   14u		     /* PLAIN, in place of NEXT_REFILL */
#define ONE		   15u

struct target {
	uint32_t byte; /* of the serial number */
	void *at;
};

static uint64_t gpa_of(const void *at)
{
	return (uint64_t)((const char *)at -
		       (const char *)device_guest.ram.memory.regions[0].host) +
		TEST_RAM_BASE;
}

static void add_piece(struct vring_desc *table, uint16_t *count, uint64_t gpa, uint32_t length)
{
	table[*count] = (struct vring_desc){ gpa, length, WRITE | VRING_DESC_F_NEXT,
		(uint16_t)(*count + 1) };
	if (length != 0)
		++*count;
}

/* A request for the serial number in a table of its own; `targets`, in its order, get bytes of it.
 */
static void ask_for_id(uint32_t queue, uint16_t head, uint32_t number, const struct target *targets,
	uint32_t count)
{
	const uint64_t gpa = DATA_GPA + number * UINT64_C(0x200), dust = DATA_GPA + 0x8000;
	struct vring_desc *table = test_ram_at(&device_guest.ram, gpa);
	uint32_t done = 0;
	uint16_t n = 1;

	table[0] = (struct vring_desc){ HEADER_GPA(0), 16, VRING_DESC_F_NEXT, 1 };
	for (uint32_t i = 0; i < count; i++) {
		add_piece(table, &n, dust, targets[i].byte - done);
		add_piece(table, &n, gpa_of(targets[i].at), 1);
		done = targets[i].byte + 1;
	}
	/* With the status. */
	add_piece(table, &n, dust, BLOCK_ID_SIZE + 1 - done);
	table[n - 1].flags = WRITE;
	test_ring_set(&device_guest.rings[queue], head, gpa, n * 16u, VRING_DESC_F_INDIRECT, 0);
}

static void prepare_flood(void)
{
	struct test_ring *ring = &device_guest.rings[0], *other = &device_guest.rings[1];
	struct target targets[3] = { { 0, &ring->available->ring[15] },
		{ 0, &ring->available->idx }, { ONE, &other->available->idx } };

	block_guest_header(0, VIRTIO_BLK_T_GET_ID, 0);
	for (uint32_t round = 0; round < ROUNDS; round++) {
		targets[0].byte = NEXT_REFILL(round);
		targets[1].byte = NEXT_INDEX(round);
		ask_for_id(0, (uint16_t)round, round, targets, round == 0 ? 3 : 2);
	}
	ask_for_id(0, PLAIN, ROUNDS, NULL, 0);
	targets[0].byte = END_OF_IT;
	ask_for_id(1, 0, ROUNDS + 1, targets, 1);
	for (uint32_t i = 0; i < GUEST_RING_SIZE; i++)
		ring->available->ring[i] = i + 1 < GUEST_RING_SIZE ? PLAIN : 0;
}

/* The queue that is looked at first changes with each turn: until it is queue 0's. */
static void wait_for_its_turn(void)
{
	const volatile uint32_t *first = &block_guest.worker.first;

	usleep(50 * 1000);
	if (*first != 0)
		test_register_write(&device_guest.mmio, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	for (int i = 0; i < 5000 && *first != 0; i++)
		usleep(1000);
	cr_assert_eq(*first, 0);
	usleep(10 * 1000);
}

Test(ring_refill, a_disk_s_queues_take_turns)
{
	uint32_t head, written;

	block_guest_open();
	block_guest.shape.queue_count = 2;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		block_guest.shape.disk.id[NEXT_REFILL(round)] =
			(char)(round + 1 < ROUNDS ? round + 1 : PLAIN);
		block_guest.shape.disk.id[NEXT_INDEX(round)] =
			(char)(GUEST_RING_SIZE * (round + 2));
	}
	block_guest.shape.disk.id[END_OF_IT] = PLAIN;
	block_guest.shape.disk.id[ONE] = 1;
	block_guest_start(DISK_FEATURES | UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC);
	prepare_flood();
	wait_for_its_turn();
	__atomic_store_n(&device_guest.rings[0].available->idx, GUEST_RING_SIZE, __ATOMIC_SEQ_CST);
	test_register_write(&device_guest.mmio, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	cr_assert(device_guest_take(1, &head, &written, 20000));
	usleep(50 * 1000);
	/* 64 of the one, a turn of the other's, and what was available by then. */
	cr_assert_eq(device_guest.rings[0].used->idx, 64 + GUEST_RING_SIZE, "%u",
		device_guest.rings[0].used->idx);
	block_guest_end();
}
