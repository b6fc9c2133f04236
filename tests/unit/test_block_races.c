/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk's requests that change while they are read, that are offered twice, and that are in flight
 * when their queue or guest memory goes.
 */
#include "tests/unit/block_guest.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NEXT	VRING_DESC_F_NEXT
#define WRITE	VRING_DESC_F_WRITE
#define PIECES	64u /* of a sector: reading them takes a moment, in which the rest may change */
#define RANGES	16u
#define SECONDS 1	       /* at least, and until each outcome was seen */
#define SLOW(n) (8u + 8 * (n)) /* the sector that request n writes to */

TestSuite(block_races, .init = fake_log_capture, .timeout = 120);

/* --- requests that change while they are read ------------------------------------------------- */

static _Atomic bool rewriting;

/*
 * Another vCPU: good and bad values in turns, one field after the other. It sleeps now and then, so
 * that it comes in at any moment where the two have but one processor, too.
 */
static void pause_now_and_then(uint32_t round)
{
	const struct timespec moment = { .tv_nsec = 1 };

	if (round % 64 == 0)
		nanosleep(&moment, NULL);
}

static void *rewrite_header(void *at)
{
	volatile struct virtio_blk_outhdr *header = at;

	for (uint32_t i = 0; atomic_load(&rewriting); i++) {
		header->sector = DISK_SECTORS;
		header->type = VIRTIO_BLK_T_OUT;
		pause_now_and_then(i);
		header->sector = 0;
		pause_now_and_then(i + 32);
		header->sector = UINT64_MAX;
		header->type = VIRTIO_BLK_T_IN;
		header->sector = 0;
		pause_now_and_then(i + 16);
	}
	return NULL;
}

static void *rewrite_ranges(void *at)
{
	volatile struct virtio_blk_discard_write_zeroes *range = at;

	for (uint32_t i = 0; atomic_load(&rewriting); i++) {
		volatile struct virtio_blk_discard_write_zeroes *one = &range[i % RANGES];

		one->num_sectors = UINT32_MAX;
		one->num_sectors = 1;
		one->sector = DISK_SECTORS;
		pause_now_and_then(i);
		one->sector = 0;
		one->flags = 2;
		one->flags = 0;
		pause_now_and_then(i + 32);
	}
	return NULL;
}

static struct virtqueue_chain chain;
static struct block_request request;

static void add(uint64_t gpa, uint32_t length, bool writable)
{
	chain.segments[chain.readable_count + chain.writable_count] =
		(struct virtqueue_segment){ gpa, length };
	*(writable ? &chain.writable_count : &chain.readable_count) += 1;
	*(writable ? &chain.writable_bytes : &chain.readable_bytes) += length;
}

static void begin_rewriting(pthread_t *thread, void *(*rewrite)(void *at), uint64_t gpa)
{
	atomic_store(&rewriting, true);
	pthread_create(thread, NULL, rewrite, test_ram_at(&device_guest.ram, gpa));
}

static void end_rewriting(pthread_t thread)
{
	atomic_store(&rewriting, false);
	pthread_join(thread, NULL);
	test_ram_close(&device_guest.ram);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Data of one sector in either direction: what is checked is what will be done. */
static void assert_one_request(void)
{
	const void *to_read = test_ram_at(&device_guest.ram, DATA_GPA);
	const void *to_write = test_ram_at(&device_guest.ram, DATA_GPA + BLOCK_SECTOR);

	if (request.operation == BLOCK_ANSWER) {
		cr_assert_neq(request.status, VIRTIO_BLK_S_OK);
		return;
	}
	cr_assert_eq(request.offset, 0, "the only good sector");
	cr_assert_eq(request.length, BLOCK_SECTOR);
	cr_assert_eq(request.buffer_count, PIECES);
	cr_assert_eq(
		request.buffers[0].iov_base, request.operation == BLOCK_WRITE ? to_read : to_write);
}

static void parse_while_it_changes(bool read_only)
{
	const struct block_disk disk = { .sectors = DISK_SECTORS, .read_only = read_only };
	uint32_t seen[BLOCK_ZEROES + 1] = { 0 };
	const double end = seconds() + SECONDS;
	pthread_t thread;

	device_guest_open();
	block_guest_header(0, VIRTIO_BLK_T_IN, 0);
	add(HEADER_GPA(0), 16, false);
	for (uint32_t i = 0; i < 2 * PIECES; i++)
		add(DATA_GPA + i * (BLOCK_SECTOR / PIECES), BLOCK_SECTOR / PIECES, i >= PIECES);
	add(STATUS_GPA(0), 1, true);
	begin_rewriting(&thread, rewrite_header, HEADER_GPA(0));
	while (seconds() < end || seen[BLOCK_READ] == 0 || seen[BLOCK_ANSWER] == 0 ||
		(seen[BLOCK_WRITE] == 0 && !read_only)) {
		block_request_parse(&request, &chain, &device_guest.ram.memory, &disk);
		seen[request.operation]++;
		assert_one_request();
	}
	if (read_only)
		cr_assert_eq(seen[BLOCK_WRITE], 0);
	end_rewriting(thread);
}

Test(block_races, header_is_read_once)
{
	parse_while_it_changes(false);
}

Test(block_races, header_of_a_read_only_disk_is_read_once)
{
	parse_while_it_changes(true);
}

Test(block_races, ranges_are_read_once)
{
	const struct block_disk disk = { .sectors = DISK_SECTORS, .can_discard = true };
	const double end = seconds() + SECONDS;
	uint32_t seen[2] = { 0 }; /* requests that were refused, and that will be done */
	pthread_t thread;

	device_guest_open();
	block_guest_header(0, VIRTIO_BLK_T_DISCARD, 0);
	add(HEADER_GPA(0), 16, false);
	add(DATA_GPA, RANGES * 16, false);
	add(STATUS_GPA(0), 1, true);
	begin_rewriting(&thread, rewrite_ranges, DATA_GPA);
	while (seconds() < end || seen[0] == 0 || seen[1] == 0) {
		block_request_parse(&request, &chain, &device_guest.ram.memory, &disk);
		seen[request.operation == BLOCK_DISCARD]++;
		for (uint32_t i = 0; i < request.range_count; i++) {
			cr_assert_eq(request.ranges[i].offset, 0);
			cr_assert_eq(request.ranges[i].length, BLOCK_SECTOR);
		}
	}
	end_rewriting(thread);
}

/* --- requests in flight ----------------------------------------------------------------------- */

/* Two queues; what is written stays in flight while the test holds block_guest.file.writers. */
static void start(void)
{
	block_guest_open();
	block_guest.shape.queue_count = 2;
	block_guest.file.offset_alignment = 512;
	block_guest_start(DISK_FEATURES);
	pthread_rwlock_wrlock(&block_guest.file.writers);
}

/* Request n, on the queue of this number. */
static void offer_slow_write(uint32_t n)
{
	struct test_ring *ring = &device_guest.rings[n];

	block_guest_header(n, VIRTIO_BLK_T_OUT, SLOW(n));
	memset(block_guest_data() + n * BLOCK_SECTOR, (int)(0xc3 + n), BLOCK_SECTOR);
	test_ring_set(ring, 0, HEADER_GPA(n), 16, NEXT, 1);
	test_ring_set(ring, 1, DATA_GPA + n * BLOCK_SECTOR, BLOCK_SECTOR, NEXT, 2);
	test_ring_set(ring, 2, STATUS_GPA(n), 1, WRITE, 0);
	device_guest_offer(n, 0);
}

static void assert_written(uint32_t n)
{
	uint32_t head, written;

	cr_assert(device_guest_take(n, &head, &written, 20000));
	cr_assert_eq(head, 0);
	cr_assert_eq(block_guest_status(n), VIRTIO_BLK_S_OK);
	cr_assert_eq(block_guest_image(SLOW(n) * BLOCK_SECTOR, BLOCK_SECTOR)[0], 0xc3 + n);
}

/* What must not be over before the requests are. */
static _Atomic bool over;

static void *withdraw(void *nothing)
{
	test_register_write(&device_guest.mmio, VIRTIO_MMIO_QUEUE_SEL, 0);
	test_register_write(&device_guest.mmio, VIRTIO_MMIO_QUEUE_READY, 0);
	atomic_store(&over, true);
	return nothing;
}

/* The front end asks once in the life of a machine; others ask when memory is plugged in. */
static void *replace_memory(void *nothing)
{
	struct vhost_user_front *front = &device_guest.front;

	front->has_memory = false;
	cr_assert_eq(front->front.ops->set_memory(
			     &front->front, &device_guest.ram.memory, device_guest.ram.fd),
		0);
	atomic_store(&over, true);
	return nothing;
}

static void assert_waits_for_requests(void *(*act)(void *nothing))
{
	pthread_t thread;

	offer_slow_write(0);
	offer_slow_write(1);
	usleep(50 * 1000);
	pthread_create(&thread, NULL, act, NULL);
	usleep(200 * 1000);
	cr_assert_not(atomic_load(&over));
	cr_assert_eq(block_guest_status(0), 0xff);
	pthread_rwlock_unlock(&block_guest.file.writers);
	pthread_join(thread, NULL);
	assert_written(0);
	assert_written(1);
}

/* 4.2.2.2: one queue of several is withdrawn: its requests are done by then, the other goes on. */
Test(block_races, withdrawn_queue_s_requests_are_done)
{
	uint32_t head, written;

	start();
	assert_waits_for_requests(withdraw);
	cr_assert_eq(test_register_read(&device_guest.mmio, VIRTIO_MMIO_QUEUE_READY), 0);
	memset(test_ram_at(&device_guest.ram, STATUS_GPA(0)), 0xff, 1);
	device_guest_offer(0, 0);
	cr_assert_not(device_guest_take(0, &head, &written, 200), "nobody looks there any more");
	cr_assert_eq(block_guest_status(0), 0xff);
	offer_slow_write(1);
	assert_written(1);
	block_guest_end();
}

/* Every thread is in the old memory still; the rings go on in the new one. */
Test(block_races, memory_is_replaced_when_requests_are_done)
{
	start();
	assert_waits_for_requests(replace_memory);
	for (uint32_t n = 0; n < 2; n++) {
		offer_slow_write(n);
		assert_written(n);
	}
	block_guest_end();
}

/* To the device these are two requests that have their buffers in common. */
Test(block_races, chain_that_is_offered_twice_is_done_twice)
{
	start();
	offer_slow_write(0);
	device_guest_offer(0, 0);
	usleep(50 * 1000);
	cr_assert_eq(device_guest.rings[0].used->idx, 0, "both are in flight");
	pthread_rwlock_unlock(&block_guest.file.writers);
	assert_written(0);
	assert_written(0);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), VIRTIO_BLK_S_OK);
	block_guest_end();
}
