/* SPDX-License-Identifier: Apache-2.0 */
/* A disk, from the guest's ring to the image: the rules of virtio 1.2, section 5.2. */
#include "tests/unit/block_guest.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OK    VIRTIO_BLK_S_OK
#define IOERR VIRTIO_BLK_S_IOERR
#define UNSUP VIRTIO_BLK_S_UNSUPP
#define IN    VIRTIO_BLK_T_IN
#define OUT   VIRTIO_BLK_T_OUT

TestSuite(block, .init = fake_log_capture, .timeout = 120);

static size_t said(const char *text)
{
	size_t count = 0;

	for (const char *at = fake_log_text(); (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

static void start(void)
{
	block_guest_open();
	block_guest_start(DISK_FEATURES);
}

static void assert_original(const uint8_t *bytes, uint64_t offset, size_t size)
{
	for (size_t i = 0; i < size; i++)
		cr_assert_eq(bytes[i], block_guest_byte(offset + i), "byte %zu", i);
}

/* 5.2.4: what the configuration space says. */
Test(block, configuration)
{
	const struct virtio_blk_config *config = (const void *)device_guest.mmio.config;

	block_guest_open();
	block_guest.shape.logical_size = 4096;
	block_guest.shape.physical_size = 16384;
	block_guest.shape.queue_count = 3;
	block_guest_start(DISK_FEATURES);
	cr_assert_eq(config->capacity, DISK_SECTORS);
	cr_assert_eq(config->seg_max, BLOCK_MAX_SEGMENTS);
	cr_assert_eq(config->blk_size, 4096);
	cr_assert_eq(config->physical_block_exp, 2);
	cr_assert_eq(config->num_queues, 3);
	cr_assert_eq(config->max_discard_sectors, BLOCK_MAX_DISCARD);
	cr_assert_eq(config->max_discard_seg, BLOCK_MAX_DISCARD_RANGES);
	cr_assert_eq(config->discard_sector_alignment, 8);
	cr_assert_eq(config->max_write_zeroes_sectors, BLOCK_MAX_ZEROES);
	cr_assert_eq(config->max_write_zeroes_seg, BLOCK_MAX_ZEROES_RANGES);
	cr_assert_eq(config->write_zeroes_may_unmap, 1);
	block_guest_end();
}

/* What a VM with so many vCPUs gives it. */
Test(block, a_queue_for_each_of_16_vcpus)
{
	uint32_t head, written;

	block_guest_open();
	block_guest.shape.queue_count = VIRTIO_MMIO_MAX_QUEUES;
	block_guest_start(DISK_FEATURES);
	for (uint32_t i = 0; i < VIRTIO_MMIO_MAX_QUEUES; i++) {
		struct test_ring *ring = &device_guest.rings[i];

		block_guest_header(0, IN, i);
		test_ring_set(ring, 0, HEADER_GPA(0), sizeof(struct virtio_blk_outhdr),
			VRING_DESC_F_NEXT, 1);
		test_ring_set(
			ring, 1, DATA_GPA, BLOCK_SECTOR, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 2);
		test_ring_set(ring, 2, STATUS_GPA(0), 1, VRING_DESC_F_WRITE, 0);
		device_guest_offer(i, 0);
		cr_assert(device_guest_take(i, &head, &written, 20000), "queue %u", i);
		cr_assert_eq(block_guest_status(0), OK);
		assert_original(block_guest_data(), i * BLOCK_SECTOR, BLOCK_SECTOR);
	}
	block_guest_end();
}

static uint64_t offered(void)
{
	uint64_t features = device_guest.mmio.features;

	block_guest_end();
	return features;
}

#define HAS(features, bit) (((features) >> (bit)&1) != 0)

/* 5.2.3 */
Test(block, features_follow_the_image)
{
	uint64_t features;

	start();
	features = offered();
	cr_assert(HAS(features, VIRTIO_BLK_F_FLUSH) && HAS(features, VIRTIO_BLK_F_MQ) &&
		HAS(features, VIRTIO_BLK_F_BLK_SIZE) && HAS(features, VIRTIO_BLK_F_DISCARD) &&
		HAS(features, VIRTIO_BLK_F_WRITE_ZEROES) && !HAS(features, VIRTIO_BLK_F_RO));
	block_guest_open();
	block_guest.shape.disk.read_only = true;
	block_guest_start(0);
	features = offered();
	cr_assert(HAS(features, VIRTIO_BLK_F_RO) && !HAS(features, VIRTIO_BLK_F_DISCARD) &&
		!HAS(features, VIRTIO_BLK_F_WRITE_ZEROES));
	block_guest_open();
	block_guest.shape.disk.can_discard = false;
	block_guest_start(0);
	features = offered();
	cr_assert(!HAS(features, VIRTIO_BLK_F_DISCARD) && HAS(features, VIRTIO_BLK_F_WRITE_ZEROES));
}

Test(block, reads_and_writes)
{
	uint32_t written;

	start();
	cr_assert_eq(block_guest_do(IN, 5, 2048, true, &written), OK);
	cr_assert_eq(written, 2049, "data and status (2.7.8.2)");
	assert_original(block_guest_data(), 5 * 512, 2048);
	memset(block_guest_data(), 0xab, 1024);
	cr_assert_eq(block_guest_do(OUT, 7, 1024, false, &written), OK);
	cr_assert_eq(written, 1);
	cr_assert_eq(memcmp(block_guest_image(7 * 512, 1024), block_guest_data(), 1024), 0);
	assert_original(block_guest_image(6 * 512, 512), 6 * 512, 512);
	assert_original(block_guest_image(9 * 512, 512), 9 * 512, 512);
	block_guest_end();
}

/* 5.2.6.1: whole sectors inside the disk; sums that wrap are no way around. */
Test(block, no_sector_outside)
{
	static const struct {
		uint64_t sector;
		uint32_t length;
		uint8_t status;
	} cases[] = {
		{ DISK_SECTORS - 1, 512, OK },
		{ DISK_SECTORS, 512, IOERR },
		{ DISK_SECTORS - 1, 1024, IOERR },
		{ UINT64_MAX, 512, IOERR },
		{ UINT64_MAX / 512, 512, IOERR },
		{ UINT64_MAX / 512 + 1, 512, IOERR },
		{ (UINT64_C(1) << 55) - 1, 1024, IOERR },
		{ 0, 100, IOERR },
		{ 0, 513, IOERR },
		{ 0, 0, OK },
		{ DISK_SECTORS, 0, OK },
		{ DISK_SECTORS + 1, 0, IOERR },
	};

	start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t written;

		memset(block_guest_data(), 0x77, 2048);
		cr_assert_eq(block_guest_do(IN, cases[i].sector, cases[i].length, true, &written),
			cases[i].status, "read %zu", i);
		if (cases[i].status != OK && cases[i].length != 0)
			cr_assert_eq(written, 0, "nothing from the first byte on");
		memset(block_guest_data(), 0x11, 2048);
		cr_assert_eq(block_guest_do(OUT, cases[i].sector, cases[i].length, false, NULL),
			cases[i].status, "write %zu", i);
	}
	assert_original(block_guest_image(0, 512), 0, 512);
	cr_assert_eq(lseek(block_guest.image, 0, SEEK_END), DISK_SECTORS * 512);
	block_guest_end();
}

/* 5.2.6.2: a read-only disk fails writes, and the driver need not have acknowledged F_RO. */
Test(block, read_only_whatever_was_negotiated)
{
	const struct virtio_blk_discard_write_zeroes range = { .num_sectors = 8 };

	block_guest_open();
	block_guest.shape.disk.read_only = true;
	block_guest_start(0);
	memset(block_guest_data(), 0, 512);
	cr_assert_eq(block_guest_do(OUT, 0, 512, false, NULL), IOERR);
	memcpy(block_guest_data(), &range, sizeof(range));
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_DISCARD, 0, 16, false, NULL), IOERR);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false, NULL), IOERR);
	assert_original(block_guest_image(0, 4096), 0, 4096);
	cr_assert_eq(block_guest_do(IN, 0, 512, true, NULL), OK);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), OK);
	block_guest_end();
}

/* 5.2.6: 20 bytes, zeroes behind a shorter one; a smaller buffer gets what fits. */
Test(block, serial)
{
	uint32_t written;

	start();
	memset(block_guest_data(), 0xee, 64);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_GET_ID, 0, 20, true, &written), OK);
	cr_assert_eq(written, 21);
	cr_assert_arr_eq(block_guest_data(), "serial-1\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	cr_assert_eq(block_guest_data()[20], 0xee);
	memset(block_guest_data(), 0xee, 64);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_GET_ID, 0, 3, true, &written), OK);
	cr_assert_eq(written, 4);
	cr_assert_arr_eq(block_guest_data(), "ser\xee", 4);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_GET_ID, 0, 64, true, &written), OK);
	cr_assert_eq(written, 20, "what is behind was not written");
	block_guest_end();
}

/* 5.2.6.2: what a device does not know of is VIRTIO_BLK_S_UNSUPP. */
Test(block, unknown_types)
{
	static const uint32_t types[] = { 2, 3, 5, 7, 9, 10, 12, 14, 15, 16, 24, 0x80000000,
		UINT32_MAX };

	start();
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		cr_assert_eq(block_guest_do(types[i], 0, 512, false, NULL), UNSUP, "%u", types[i]);
	block_guest_end();
}

static blkcnt_t taken(void)
{
	struct stat status;

	cr_assert_eq(fstat(block_guest.image, &status), 0);
	return status.st_blocks;
}

static uint8_t change(uint32_t type, const struct virtio_blk_discard_write_zeroes *ranges,
	uint32_t count, uint32_t extra)
{
	memcpy(block_guest_data(), ranges, count * sizeof(*ranges));
	return block_guest_do(type, 0, count * (uint32_t)sizeof(*ranges) + extra, false, NULL);
}

static void assert_zero(uint64_t offset, size_t size)
{
	const uint8_t *bytes = block_guest_image(offset, size);

	for (size_t i = 0; i < size; i++)
		cr_assert_eq(bytes[i], 0);
}

Test(block, discard_gives_space_back)
{
	const struct virtio_blk_discard_write_zeroes ranges[] = {
		{ .sector = 8, .num_sectors = 16 },
		{ .sector = 64, .num_sectors = 8 },
		{ .sector = DISK_SECTORS, .num_sectors = 0 },
	};
	blkcnt_t before;

	start();
	before = taken();
	cr_assert_eq(change(VIRTIO_BLK_T_DISCARD, ranges, 3, 0), OK);
	cr_assert_eq(taken(), before - 24);
	assert_zero(8 * 512, 16 * 512);
	assert_original(block_guest_image(0, 8 * 512), 0, 8 * 512);
	assert_original(block_guest_image(24 * 512, 4096), 24 * 512, 4096);
	cr_assert_eq(lseek(block_guest.image, 0, SEEK_END), DISK_SECTORS * 512);
	block_guest_end();
}

/* 5.2.6.2: reads give zeroes afterwards, whether space was given back or not. */
Test(block, write_zeroes)
{
	const struct virtio_blk_discard_write_zeroes plain = { .sector = 3, .num_sectors = 200 };
	const struct virtio_blk_discard_write_zeroes unmap = {
		.sector = 8, .num_sectors = 16, .flags = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
	};
	blkcnt_t before;

	start();
	before = taken();
	cr_assert_eq(change(VIRTIO_BLK_T_WRITE_ZEROES, &plain, 1, 0), OK);
	cr_assert_eq(taken(), before, "zeroes that take space");
	assert_zero(3 * 512, 200 * 512);
	assert_original(block_guest_image(0, 3 * 512), 0, 3 * 512);
	assert_original(block_guest_image(203 * 512, 512), 203 * 512, 512);
	cr_assert_eq(change(VIRTIO_BLK_T_WRITE_ZEROES, &unmap, 1, 0), OK);
	cr_assert_eq(taken(), before - 16);
	block_guest_end();
}

/* 5.2.6.2: unknown flags, and unmap for a discard, are UNSUPP; what is outside is an error. */
Test(block, wrong_ranges_change_nothing)
{
	static const struct {
		struct virtio_blk_discard_write_zeroes range;
		uint8_t discard, zeroes;
	} cases[] = {
		{ { .num_sectors = 8, .flags = 1 }, UNSUP, OK },
		{ { .num_sectors = 8, .flags = 2 }, UNSUP, UNSUP },
		{ { .num_sectors = 8, .flags = UINT32_MAX }, UNSUP, UNSUP },
		{ { .sector = DISK_SECTORS, .num_sectors = 1 }, IOERR, IOERR },
		{ { .sector = DISK_SECTORS - 1, .num_sectors = 2 }, IOERR, IOERR },
		{ { .sector = UINT64_MAX, .num_sectors = 2 }, IOERR, IOERR },
		{ { .num_sectors = UINT32_MAX }, IOERR, IOERR },
	};
	struct virtio_blk_discard_write_zeroes many[BLOCK_MAX_DISCARD_RANGES + 1] = { 0 };

	start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(change(VIRTIO_BLK_T_DISCARD, &cases[i].range, 1, 0), cases[i].discard,
			"%zu", i);
	assert_original(block_guest_image(0, DISK_SECTORS * 512), 0, DISK_SECTORS * 512);
	for (size_t i = 1; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_assert_eq(change(VIRTIO_BLK_T_WRITE_ZEROES, &cases[i].range, 1, 0),
			cases[i].zeroes, "%zu", i);
	cr_assert_eq(change(VIRTIO_BLK_T_DISCARD, many, BLOCK_MAX_DISCARD_RANGES, 0), OK);
	cr_assert_eq(change(VIRTIO_BLK_T_DISCARD, many, BLOCK_MAX_DISCARD_RANGES + 1, 0), IOERR);
	cr_assert_eq(change(VIRTIO_BLK_T_WRITE_ZEROES, many, 2, 0), IOERR);
	cr_assert_eq(change(VIRTIO_BLK_T_DISCARD, many, 1, 1), IOERR);
	cr_assert_eq(change(VIRTIO_BLK_T_DISCARD, many, 0, 15), IOERR);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_DISCARD, 0, 0, false, NULL), IOERR);
	assert_original(block_guest_image(0, DISK_SECTORS * 512), 0, DISK_SECTORS * 512);
	block_guest_end();
}

/* A file system without them: discard is refused, zeroes are written. */
Test(block, file_systems_that_lack_holes)
{
	const struct virtio_blk_discard_write_zeroes range = {
		.sector = 8, .num_sectors = 200, .flags = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP
	};
	const struct virtio_blk_discard_write_zeroes discard = { .num_sectors = 8 };
	blkcnt_t before;

	start();
	before = taken();
	block_guest.fallocate_lacks = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
	cr_assert_eq(change(VIRTIO_BLK_T_DISCARD, &discard, 1, 0), UNSUP);
	cr_assert_eq(change(VIRTIO_BLK_T_WRITE_ZEROES, &range, 1, 0), OK);
	cr_assert_eq(taken(), before);
	assert_zero(8 * 512, 200 * 512);
	assert_original(block_guest_image(208 * 512, 512), 208 * 512, 512);
	block_guest_end();
}

/* 5.2.6.2: writes are stable when a flush that came after them is answered... */
Test(block, flush)
{
	start();
	cr_assert_eq(block_guest_do(OUT, 0, 512, false, NULL), OK);
	cr_assert_eq(block_guest.syncs, 0);
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), OK);
	cr_assert_eq(block_guest.syncs, 1);
	block_guest_end();
}

/* The kernel reports lost writes once, then calls their pages clean: no later flush may succeed. */
Test(block, a_failed_flush_is_not_forgotten)
{
	start();
	block_guest.sync_error = EIO;
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), IOERR);
	block_guest.sync_error = 0;
	cr_assert_eq(block_guest_do(VIRTIO_BLK_T_FLUSH, 0, 0, false, NULL), IOERR);
	cr_assert_eq(block_guest_do(OUT, 0, 512, false, NULL), OK, "no promise is made of it");
	block_guest_end();
}

/* ...and when they are answered, if the driver does not flush. */
Test(block, without_flush_each_write_is_stable)
{
	const struct virtio_blk_discard_write_zeroes range = { .num_sectors = 8 };

	block_guest_open();
	block_guest_start(0);
	cr_assert_eq(block_guest_do(OUT, 0, 512, false, NULL), OK);
	cr_assert_eq(block_guest.syncs, 1);
	cr_assert_eq(block_guest_do(IN, 0, 512, true, NULL), OK);
	cr_assert_eq(block_guest.syncs, 1);
	cr_assert_eq(change(VIRTIO_BLK_T_WRITE_ZEROES, &range, 1, 0), OK);
	cr_assert_eq(block_guest.syncs, 2);
	block_guest.sync_error = EIO;
	cr_assert_eq(block_guest_do(OUT, 0, 512, false, NULL), IOERR);
	block_guest_end();
}

/* The image became shorter behind our back: an error for the guest, and one line for the log. */
Test(block, io_errors_reach_the_guest)
{
	start();
	cr_assert_eq(ftruncate(block_guest.image, 16 * 512), 0);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(block_guest_do(IN, 15, 1024, true, NULL), IOERR);
	cr_assert_eq(block_guest_do(IN, 15, 512, true, NULL), OK, "what is there is served");
	block_guest_end();
	cr_assert_eq(said("reading failed at byte 7680"), 1, "%s", fake_log_text());
	cr_assert_eq(said("failed"), 1, "%s", fake_log_text());
}
