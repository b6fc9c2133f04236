/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/block_io.h"

#include "devices/virtio/block_request.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fs.h>

/* Where the host cannot make zeroes by itself, they are written from here. */
static const uint8_t zeroes[BLOCK_BOUNCE_SIZE] __attribute__((aligned(BLOCK_MAX_ALIGNMENT)));

void block_file_init(
	struct block_file *file, int fd, uint32_t memory_alignment, uint32_t offset_alignment)
{
	struct stat status;

	file->fd = fd;
	file->is_device = fstat(fd, &status) == 0 && S_ISBLK(status.st_mode);
	file->memory_alignment = memory_alignment;
	file->offset_alignment = offset_alignment;
	pthread_rwlock_init(&file->writers, NULL);
	pthread_mutex_init(&file->flush, NULL);
	file->lost = 0;
}

void block_file_close(struct block_file *file)
{
	pthread_mutex_destroy(&file->flush);
	pthread_rwlock_destroy(&file->writers);
}

static int flush(struct block_file *file)
{
	int error;

	pthread_mutex_lock(&file->flush);
	if (file->lost == 0 && fdatasync(file->fd) < 0)
		file->lost = -errno;
	error = file->lost;
	pthread_mutex_unlock(&file->flush);
	return error;
}

/* One pread or pwrite of all `size` bytes. -EIO where the file ends before. */
static int transfer(int fd, bool is_write, void *data, uint64_t size, uint64_t offset)
{
	while (size > 0) {
		ssize_t count = is_write ? pwrite(fd, data, size, (off_t)offset)
					 : pread(fd, data, size, (off_t)offset);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count < 0 ? -errno : -EIO;
		data = (char *)data + count;
		offset += (uint64_t)count;
		size -= (uint64_t)count;
	}
	return 0;
}

/* Takes `count` bytes off the front of the buffers. */
static void advance(struct iovec **buffers, int *left, size_t count)
{
	while (*left > 0 && count >= (*buffers)->iov_len) {
		count -= (*buffers)->iov_len;
		(*buffers)++;
		(*left)--;
	}
	if (*left > 0) {
		(*buffers)->iov_base = (char *)(*buffers)->iov_base + count;
		(*buffers)->iov_len -= count;
	}
}

/* Between the file and the guest's own buffers. */
static int transfer_buffers(int fd, struct block_request *request)
{
	struct iovec *buffers = request->buffers;
	int left = (int)request->buffer_count;
	uint64_t offset = request->offset;

	while (left > 0) {
		ssize_t count = request->operation == BLOCK_WRITE
			? pwritev(fd, buffers, left, (off_t)offset)
			: preadv(fd, buffers, left, (off_t)offset);

		if (count < 0 && errno == EINTR)
			continue;
		/* A file that is shorter than it was at start has no more to read. */
		if (count <= 0)
			return count < 0 ? -errno : -EIO;
		offset += (uint64_t)count;
		advance(&buffers, &left, (size_t)count);
	}
	return 0;
}

static bool is_aligned(const struct block_file *file, const struct block_request *request)
{
	uint64_t offsets = request->offset, addresses = 0;

	for (uint32_t i = 0; i < request->buffer_count; i++) {
		addresses |= (uintptr_t)request->buffers[i].iov_base;
		offsets |= request->buffers[i].iov_len;
	}
	return (addresses & (file->memory_alignment - 1)) == 0 &&
		(offsets & (file->offset_alignment - 1)) == 0;
}

/* Copies between the guest's buffers and `data`, and moves on in the former. */
static void copy_buffers(
	struct iovec **buffers, int *left, uint8_t *data, size_t size, bool from_guest)
{
	while (size > 0 && *left > 0) {
		size_t part = (*buffers)->iov_len < size ? (*buffers)->iov_len : size;

		if (from_guest)
			memcpy(data, (*buffers)->iov_base, part);
		else
			memcpy((*buffers)->iov_base, data, part);
		data += part;
		size -= part;
		advance(buffers, left, part);
	}
}

/*
 * Through `bounce`, a piece at a time, in whole units of the file's alignment. The first and the
 * last unit of a write may belong to the request in part: what is around it is read first.
 */
static int transfer_bounced(
	const struct block_file *file, struct block_request *request, uint8_t *bounce)
{
	const uint64_t unit = file->offset_alignment, end = request->offset + request->length;
	bool is_write = request->operation == BLOCK_WRITE;
	struct iovec *buffers = request->buffers;
	int left = (int)request->buffer_count, error = 0;
	uint64_t at = request->offset;

	while (at < end && error == 0) {
		uint64_t from = at & ~(unit - 1), skip = at - from, wanted = end - at, size;

		if (wanted > BLOCK_BOUNCE_SIZE - skip)
			wanted = BLOCK_BOUNCE_SIZE - skip;
		size = (skip + wanted + unit - 1) & ~(unit - 1);
		if (!is_write || skip != 0 || wanted != size)
			error = transfer(file->fd, false, bounce, size, from);
		if (error == 0)
			copy_buffers(&buffers, &left, bounce + skip, wanted, is_write);
		if (error == 0 && is_write)
			error = transfer(file->fd, true, bounce, size, from);
		at += wanted;
	}
	return error;
}

/* To be held while the file is changed; without an alignment nobody reads what is around. */
static void lock_writers(struct block_file *file, bool alone)
{
	if (file->offset_alignment == 1)
		return;
	if (alone)
		pthread_rwlock_wrlock(&file->writers);
	else
		pthread_rwlock_rdlock(&file->writers);
}

static void unlock_writers(struct block_file *file)
{
	if (file->offset_alignment != 1)
		pthread_rwlock_unlock(&file->writers);
}

static int read_or_write(struct block_file *file, struct block_request *request, void *bounce)
{
	bool aligned = is_aligned(file, request), is_write = request->operation == BLOCK_WRITE;
	uint64_t odd = (request->offset | request->length) & (file->offset_alignment - 1);
	int error;

	if (is_write)
		lock_writers(file, odd != 0);
	error = aligned ? transfer_buffers(file->fd, request)
			: transfer_bounced(file, request, bounce);
	if (is_write)
		unlock_writers(file);
	if (error == 0 && is_write && request->durable)
		error = flush(file);
	return error;
}

static int write_zeroes(struct block_file *file, const struct block_range *range, void *bounce)
{
	struct block_request piece = { .operation = BLOCK_WRITE };
	int error = 0;

	for (uint64_t done = 0; done < range->length && error == 0; done += piece.length) {
		/* Only read from, as the operation is a write. */
		const struct iovec buffer = { .iov_base = (void *)(uintptr_t)zeroes,
			.iov_len = sizeof(zeroes) };

		piece.offset = range->offset + done;
		piece.length = range->length - done;
		if (piece.length > sizeof(zeroes))
			piece.length = sizeof(zeroes);
		piece.buffers[0] = buffer;
		piece.buffers[0].iov_len = piece.length;
		piece.buffer_count = 1;
		error = read_or_write(file, &piece, bounce);
	}
	return error;
}

static int change_range(struct block_file *file, int mode, const struct block_range *range)
{
	int error;

	lock_writers(file, false);
	do {
		error = fallocate(file->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)range->offset,
				(off_t)range->length) < 0
			? -errno
			: 0;
	} while (error == -EINTR);
	unlock_writers(file);
	return error;
}

/* A hole in a block device is a write of zeroes (Linux' block/fops.c), which some cannot do. */
static int discard(struct block_file *file, const struct block_range *range)
{
	uint64_t bytes[] = { range->offset, range->length };
	int error;

	if (!file->is_device)
		return change_range(file, FALLOC_FL_PUNCH_HOLE, range);
	lock_writers(file, false);
	error = ioctl(file->fd, BLKDISCARD, bytes) < 0 ? -errno : 0;
	unlock_writers(file);
	return error;
}

/* The quickest way that leaves zeroes, and that this file has. */
static int zero_range(struct block_file *file, const struct block_range *range, void *bounce)
{
	int error = -EOPNOTSUPP;

	if (range->unmap)
		error = change_range(file, FALLOC_FL_PUNCH_HOLE, range);
	if (error == -EOPNOTSUPP)
		error = change_range(file, FALLOC_FL_ZERO_RANGE, range);
	return error == -EOPNOTSUPP ? write_zeroes(file, range, bounce) : error;
}

static int change_ranges(struct block_file *file, struct block_request *request, void *bounce)
{
	bool zero = request->operation == BLOCK_ZEROES;
	int error = 0;

	for (uint32_t i = 0; i < request->range_count && error == 0; i++) {
		const struct block_range *range = &request->ranges[i];

		error = zero ? zero_range(file, range, bounce) : discard(file, range);
	}
	if (error == 0 && request->durable)
		error = flush(file);
	return error;
}

void block_io(struct block_file *file, struct block_request *request, void *bounce)
{
	int error = 0;

	switch (request->operation) {
	case BLOCK_READ:
	case BLOCK_WRITE:
		error = read_or_write(file, request, bounce);
		break;
	case BLOCK_FLUSH:
		error = flush(file);
		break;
	case BLOCK_DISCARD:
	case BLOCK_ZEROES:
		error = change_ranges(file, request, bounce);
		break;
	case BLOCK_ANSWER:
		return;
	}
	block_request_finish(request, error);
}

int block_file_resize(struct block_file *file, uint64_t wanted, uint64_t *size)
{
	off_t has = lseek(file->fd, 0, SEEK_END);

	if (has < 0)
		return -errno;
	*size = wanted != 0 ? wanted : (uint64_t)has;
	if (*size % BLOCK_SECTOR != 0 || *size % file->offset_alignment != 0 || *size > INT64_MAX)
		return -EINVAL;
	if ((off_t)*size > has && ftruncate(file->fd, (off_t)*size) < 0)
		return -errno;
	return 0;
}
