/* SPDX-License-Identifier: Apache-2.0 */
/* A disk's image: what is refused, who else may have it open, and I/O with alignments. */
#include "devices/virtio/block.h"
#include "devices/virtio/block_image.h"
#include "devices/virtio/block_io.h"
#include "devices/virtio/block_request.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/virtio_blk.h>

static char directory[] = "/tmp/block-image-XXXXXX";
static char path[64];

static void make_image(off_t size)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, size), 0);
	close(fd);
}

static void set_up(void)
{
	fake_log_capture();
	cr_assert_not_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/image", directory);
	make_image(1 << 20);
}

static void tear_down(void)
{
	unlink(path);
	rmdir(directory);
}

TestSuite(block_image, .init = set_up, .fini = tear_down, .timeout = 60);

static void assert_refused(const struct block_options *options, int error, const char *says)
{
	struct block_image image;

	fake_log_capture();
	cr_assert_eq(block_image_open(&image, options), error, "%s: %s", says, fake_log_text());
	cr_assert_eq(image.fd, -1);
	cr_assert_not_null(strstr(fake_log_text(), says), "%s not in: %s", says, fake_log_text());
}

Test(block_image, shape_of_a_file)
{
	struct block_image image;

	cr_assert_eq(block_image_open(&image, &(struct block_options){ .path = path }), 0);
	cr_assert_eq(image.size, 1 << 20);
	cr_assert_eq(image.logical_size, 512);
	cr_assert_eq(image.physical_size, 4096);
	cr_assert_eq(image.offset_alignment, 1);
	block_image_close(&image);
}

Test(block_image, what_is_no_image)
{
	assert_refused(&(struct block_options){ .path = "/none/image" }, -EINVAL, "No such file");
	assert_refused(&(struct block_options){ .path = directory, .read_only = true }, -EINVAL,
		"is a directory");
	assert_refused(&(struct block_options){ .path = "/dev/null" }, -EINVAL,
		"neither a regular file nor a block device");
	make_image(0);
	assert_refused(&(struct block_options){ .path = path }, -EINVAL, "truncate -s SIZE");
	make_image(1000);
	assert_refused(&(struct block_options){ .path = path }, -EINVAL, "truncate -s %512");
}

/* Its size is its own matter, and 512 bytes are no whole block for direct I/O. */
Test(block_image, qcow2_is_known_by_its_first_bytes_alone)
{
	const struct block_options qcow2 = { .path = path, .qcow2 = true };
	struct block_image image;
	int fd;

	assert_refused(&qcow2, -EINVAL, "is no qcow2 image");
	make_image(3);
	assert_refused(&qcow2, -EINVAL, "is no qcow2 image");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	cr_assert_eq(write(fd, "QFI\xfb\0\0\0\3x", 9), 9);
	close(fd);
	cr_assert_eq(block_image_open(&image, &qcow2), 0, "%s", fake_log_text());
	cr_assert(S_ISREG(image.mode));
	assert_refused(&qcow2, -EAGAIN, "another VM has the image open");
	block_image_close(&image);
}

/* Or a guest could make its disk a way to other files of the host. */
Test(block_image, raw_is_raw_whatever_it_begins_with)
{
	const struct block_options raw = { .path = path };
	struct block_image image;
	int fd;

	make_image(3 * BLOCK_SECTOR);
	cr_assert_eq(block_image_open(&image, &raw), 0);
	block_image_close(&image);
	cr_assert_null(strstr(fake_log_text(), "qcow2"));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	cr_assert_eq(write(fd, "QFI\xfb\0\0\0\3", 8), 8);
	close(fd);
	cr_assert_eq(block_image_open(&image, &raw), 0, "%s", fake_log_text());
	cr_assert_eq(image.size, 3 * BLOCK_SECTOR);
	block_image_close(&image);
	cr_assert_not_null(strstr(fake_log_text(), "add ,format=qcow2"));
}

Test(block_image, one_writer_or_many_readers)
{
	const struct block_options write = { .path = path };
	const struct block_options read = { .path = path, .read_only = true };
	struct block_image first, second;

	cr_assert_eq(block_image_open(&first, &write), 0);
	assert_refused(&write, -EAGAIN, "another VM has the image open");
	assert_refused(&read, -EAGAIN, "another VM has the image open for writing");
	block_image_close(&first);
	cr_assert_eq(block_image_open(&first, &read), 0);
	cr_assert_eq(block_image_open(&second, &read), 0);
	assert_refused(&write, -EAGAIN, "add ,ro");
	block_image_close(&first);
	assert_refused(&write, -EAGAIN, "another VM");
	block_image_close(&second);
	cr_assert_eq(block_image_open(&first, &write), 0);
	block_image_close(&first);
}

/* What QEMU does: shared locks on bytes for what it has and for what it shares with nobody. */
static int lock_as_qemu(bool writes)
{
	static const off_t reader[] = { 100, 201, 203 }, writer[] = { 100, 101, 103, 201, 203 };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < (writes ? 5 : 3); i++) {
		struct flock lock = { .l_type = F_RDLCK,
			.l_whence = SEEK_SET,
			.l_start = writes ? writer[i] : reader[i],
			.l_len = 1 };

		cr_assert_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	}
	return fd;
}

Test(block_image, locks_are_qemus_too)
{
	const struct block_options write = { .path = path };
	const struct block_options read = { .path = path, .read_only = true };
	struct flock others = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 201, .l_len = 1
	};
	struct block_image image;
	int fd = lock_as_qemu(true);

	assert_refused(&write, -EAGAIN, "another VM");
	assert_refused(&read, -EAGAIN, "another VM");
	close(fd);
	fd = lock_as_qemu(false);
	assert_refused(&write, -EAGAIN, "another VM");
	cr_assert_eq(block_image_open(&image, &read), 0);
	close(fd);
	/* A QEMU that wants to write asks whether somebody lets none write. */
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_eq(fcntl(fd, F_OFD_GETLK, &others), 0);
	cr_assert_neq(others.l_type, F_UNLCK);
	close(fd);
	block_image_close(&image);
}

Test(block_image, direct_needs_whole_blocks)
{
	struct block_image image;

	make_image((1 << 20) + 512);
	fake_log_capture();
	if (block_image_open(&image, &(struct block_options){ .path = path, .direct = true }) != 0)
		cr_assert_not_null(strstr(fake_log_text(), "direct"), "%s", fake_log_text());
	else
		cr_assert_eq(image.offset_alignment, 512);
	block_image_close(&image);
}

#define SIZE (256u * 1024)
#define BASE 4096u

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Cuts [data, data + length) into buffers of odd sizes. */
static void cut(struct block_request *request, uint8_t *data, uint32_t length, uint32_t *state)
{
	request->buffer_count = 0;
	request->length = length;
	while (length > 0) {
		uint32_t part = 1 + next_random(state) % 20000;

		if (part > length || request->buffer_count == BLOCK_MAX_SEGMENTS)
			part = length;
		request->buffers[request->buffer_count++] = (struct iovec){ data, part };
		data += part;
		length -= part;
	}
}

/*
 * Requests of whole sectors, in buffers of any size and place, on a file that wants `unit`: what
 * is read is what was written, and nothing else changes.
 */
static void compare(uint32_t memory_alignment, uint32_t unit)
{
	static uint8_t expected[SIZE], seen[SIZE], buffer[SIZE + BASE];
	static struct block_request request;
	int fd = memfd_create("image", MFD_CLOEXEC);
	uint32_t state = unit + memory_alignment;
	struct block_file file;
	void *bounce;

	memset(expected, 0, sizeof(expected));
	cr_assert_eq(ftruncate(fd, SIZE), 0);
	cr_assert_eq(posix_memalign(&bounce, BLOCK_MAX_ALIGNMENT, BLOCK_BOUNCE_SIZE), 0);
	block_file_init(&file, fd, memory_alignment, unit);
	for (int i = 0; i < 400; i++) {
		uint32_t sector = next_random(&state) % (SIZE / 512);
		uint32_t count = 1 + next_random(&state) % (SIZE / 512 - sector);
		uint8_t *data = buffer + next_random(&state) % BASE;
		bool is_write = i % 2 == 0;

		for (uint32_t j = 0; j < count * 512; j++)
			data[j] = (uint8_t)next_random(&state);
		request.operation = is_write ? BLOCK_WRITE : BLOCK_READ;
		request.status = VIRTIO_BLK_S_OK;
		request.offset = sector * UINT64_C(512);
		cut(&request, data, count * 512, &state);
		block_io(&file, &request, bounce);
		cr_assert_eq(request.error, 0);
		if (is_write)
			memcpy(expected + request.offset, data, count * 512);
		else
			cr_assert_arr_eq(data, expected + request.offset, count * 512);
	}
	cr_assert_eq(pread(fd, seen, SIZE, 0), SIZE);
	cr_assert_arr_eq(seen, expected, SIZE);
	cr_assert_eq(lseek(fd, 0, SEEK_END), SIZE);
	block_file_close(&file);
	free(bounce);
	close(fd);
}

Test(block_image, every_alignment_gives_the_same)
{
	compare(1, 1);
	compare(4, 512);
	compare(512, 512);
	compare(4096, 512);
	compare(4096, 4096);
	compare(1, 4096);
}

/* Two threads, each on its own sectors of the same blocks: neither writes the other's back. */
struct writer {
	struct block_file *file;
	uint32_t first;
};

static void *write_alternate_sectors(void *argument)
{
	const struct writer *writer = argument;
	struct block_request *request = calloc(1, sizeof(*request));
	uint8_t data[512];
	void *bounce;

	cr_assert_eq(posix_memalign(&bounce, BLOCK_MAX_ALIGNMENT, BLOCK_BOUNCE_SIZE), 0);
	for (uint32_t i = 0; i < 2000; i++) {
		uint32_t sector = (i * 2 + writer->first) % 64;

		memset(data, (int)(1 + i / 32 + writer->first), sizeof(data));
		request->operation = BLOCK_WRITE;
		request->offset = sector * UINT64_C(512);
		request->length = sizeof(data);
		request->buffer_count = 1;
		request->buffers[0] = (struct iovec){ data, sizeof(data) };
		block_io(writer->file, request, bounce);
		cr_assert_eq(request->error, 0);
	}
	free(bounce);
	free(request);
	return NULL;
}

Test(block_image, neighbours_in_one_block)
{
	struct block_file file;
	struct writer writers[2] = { { &file, 0 }, { &file, 1 } };
	uint8_t bytes[64 * 512];
	pthread_t threads[2];
	int fd = memfd_create("image", MFD_CLOEXEC);

	cr_assert_eq(ftruncate(fd, sizeof(bytes)), 0);
	block_file_init(&file, fd, 4096, 4096);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, write_alternate_sectors, &writers[i]);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(pread(fd, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
	/* The last round: 2000 = 62 * 32 + 16, so half of the sectors are of round 62. */
	for (uint32_t sector = 0; sector < 64; sector++)
		cr_assert_eq(bytes[sector * 512], 1 + (sector < 32 ? 62u : 61u) + sector % 2,
			"sector %u", sector);
	block_file_close(&file);
	close(fd);
}
