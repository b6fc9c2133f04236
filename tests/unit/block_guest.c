/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/block_guest.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/virtio_ids.h>

struct block_guest block_guest;

/* In the place of the C library's, for the whole test program. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): its names are reserved */
int fdatasync(int fd)
{
	(void)fd;
	block_guest.syncs++;
	errno = block_guest.sync_error;
	return block_guest.sync_error != 0 ? -1 : 0;
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	if ((mode & block_guest.fallocate_lacks) != 0) {
		errno = EOPNOTSUPP;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

uint8_t block_guest_byte(uint64_t offset)
{
	return (uint8_t)(1 + offset % 251 + offset / BLOCK_SECTOR);
}

void block_guest_open(void)
{
	static uint8_t bytes[DISK_SECTORS * BLOCK_SECTOR];

	memset(&block_guest, 0, sizeof(block_guest));
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = block_guest_byte(i);
	block_guest.image = memfd_create("image", MFD_CLOEXEC);
	cr_assert_eq(write(block_guest.image, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
	block_guest.shape = (struct block_shape){
		.disk = { .sectors = DISK_SECTORS, .can_discard = true, .id = "serial-1" },
		.logical_size = 512,
		.physical_size = 4096,
		.queue_count = 1,
	};
	block_file_init(&block_guest.file, block_guest.image, 1, 1);
	device_guest_open();
}

static int run(void *worker)
{
	return block_worker_run(worker);
}

void block_guest_start(uint64_t features)
{
	cr_assert_eq(block_pool_open(&block_guest.pool, &block_guest.file, NULL), 0);
	block_worker_init(&block_guest.worker, device_guest.sockets[1], &block_guest.shape,
		"disk image", &block_guest.pool);
	device_guest_start(run, &block_guest.worker, VIRTIO_ID_BLOCK, block_guest.shape.queue_count,
		sizeof(struct virtio_blk_config));
	device_guest_driver(features);
}

void block_guest_end(void)
{
	device_guest_end();
	block_worker_close(&block_guest.worker);
	block_pool_close(&block_guest.pool);
	block_file_close(&block_guest.file);
	close(block_guest.image);
}

void block_guest_header(uint32_t i, uint32_t type, uint64_t sector)
{
	const struct virtio_blk_outhdr header = { .type = type, .sector = sector };

	memcpy(test_ram_at(&device_guest.ram, HEADER_GPA(i)), &header, sizeof(header));
	*(uint8_t *)test_ram_at(&device_guest.ram, STATUS_GPA(i)) = 0xff;
}

uint8_t *block_guest_data(void)
{
	return test_ram_at(&device_guest.ram, DATA_GPA);
}

uint8_t block_guest_status(uint32_t i)
{
	return *(uint8_t *)test_ram_at(&device_guest.ram, STATUS_GPA(i));
}

uint32_t block_guest_wait(uint16_t head)
{
	uint32_t used, written;

	cr_assert(device_guest_take(0, &used, &written, 20000), "no answer");
	cr_assert_eq(used, head);
	return written;
}

uint8_t block_guest_do(
	uint32_t type, uint64_t sector, uint32_t length, bool to_guest, uint32_t *written)
{
	struct test_ring *ring = &device_guest.rings[0];
	uint16_t direction = to_guest ? VRING_DESC_F_WRITE : 0;
	uint32_t count;

	block_guest_header(0, type, sector);
	test_ring_set(ring, 0, HEADER_GPA(0), sizeof(struct virtio_blk_outhdr), VRING_DESC_F_NEXT,
		length != 0 ? 1 : 2);
	test_ring_set(ring, 1, DATA_GPA, length, direction | VRING_DESC_F_NEXT, 2);
	test_ring_set(ring, 2, STATUS_GPA(0), 1, VRING_DESC_F_WRITE, 0);
	device_guest_offer(0, 0);
	count = block_guest_wait(0);
	if (written != NULL)
		*written = count;
	return block_guest_status(0);
}

const uint8_t *block_guest_image(uint64_t offset, size_t size)
{
	static uint8_t bytes[DISK_SECTORS * BLOCK_SECTOR];

	cr_assert_eq(pread(block_guest.image, bytes, size, (off_t)offset), (ssize_t)size);
	return bytes;
}
