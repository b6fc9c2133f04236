/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/block_request.h"

#include "devices/virtio/virtqueue_reader.h"
#include "vmm/base/guest_memory.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include <linux/virtio_blk.h>

#define RANGE_SIZE ((uint32_t)sizeof(struct virtio_blk_discard_write_zeroes))

/* The last byte that the device may write is the status (5.2.6). */
static uint8_t *find_status(const struct virtqueue_chain *chain, const struct guest_memory *memory)
{
	const struct virtqueue_segment *last;

	if (chain->writable_count == 0)
		return NULL;
	last = &chain->segments[chain->readable_count + chain->writable_count - 1];
	return guest_memory_at(memory, last->gpa + last->length - 1, 1);
}

/* Adds `length` bytes at `gpa` to the data buffers. */
static bool add_buffer(struct block_request *request, const struct guest_memory *memory,
	uint64_t gpa, uint32_t length)
{
	void *host;

	if (length == 0)
		return true;
	if (request->buffer_count == sizeof(request->buffers) / sizeof(request->buffers[0]))
		return false;
	host = guest_memory_at(memory, gpa, length);
	if (host == NULL)
		return false;
	request->buffers[request->buffer_count++] =
		(struct iovec){ .iov_base = host, .iov_len = length };
	request->length += length;
	return true;
}

/* What is left of the readable part. */
static bool add_readable(struct block_request *request, const struct virtqueue_reader *reader)
{
	uint32_t offset = reader->offset;

	for (uint32_t i = reader->segment; i < reader->chain->readable_count; i++) {
		const struct virtqueue_segment *segment = &reader->chain->segments[i];

		if (!add_buffer(request, reader->memory, segment->gpa + offset,
			    segment->length - offset))
			return false;
		offset = 0;
	}
	return true;
}

/* The writable part without the status byte. */
static bool add_writable(struct block_request *request, const struct virtqueue_chain *chain,
	const struct guest_memory *memory)
{
	for (uint32_t i = 0; i < chain->writable_count; i++) {
		const struct virtqueue_segment *segment =
			&chain->segments[chain->readable_count + i];
		uint32_t length = segment->length - (i + 1 == chain->writable_count ? 1 : 0);

		if (!add_buffer(request, memory, segment->gpa, length))
			return false;
	}
	return true;
}

/* Whether the sectors exist. */
static bool inside(const struct block_disk *disk, uint64_t sector, uint64_t count)
{
	return sector <= disk->sectors && count <= disk->sectors - sector;
}

static uint8_t parse_transfer(
	struct block_request *request, uint64_t sector, const struct block_disk *disk)
{
	bool is_write = request->operation == BLOCK_WRITE;

	/* 5.2.6.2: a read-only disk fails writes, whatever the driver acknowledged. */
	if (is_write && disk->read_only)
		return VIRTIO_BLK_S_IOERR;
	/* 5.2.6.1: whole sectors, and not beyond the end. */
	if (request->length % BLOCK_SECTOR != 0 ||
		!inside(disk, sector, request->length / BLOCK_SECTOR))
		return VIRTIO_BLK_S_IOERR;
	request->offset = sector * BLOCK_SECTOR;
	return VIRTIO_BLK_S_OK;
}

/* One range of a discard or write-zeroes request (5.2.6.2). */
static uint8_t add_range(struct block_request *request,
	const struct virtio_blk_discard_write_zeroes *given, const struct block_disk *disk)
{
	bool zeroes = request->operation == BLOCK_ZEROES;
	uint32_t count = le32toh(given->num_sectors), flags = le32toh(given->flags);
	uint64_t sector = le64toh(given->sector);
	uint32_t known = zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

	if ((flags & ~known) != 0)
		return VIRTIO_BLK_S_UNSUPP;
	if (count > (zeroes ? BLOCK_MAX_ZEROES : BLOCK_MAX_DISCARD) || !inside(disk, sector, count))
		return VIRTIO_BLK_S_IOERR;
	if (count != 0)
		request->ranges[request->range_count++] = (struct block_range){
			.offset = sector * BLOCK_SECTOR,
			.length = (uint64_t)count * BLOCK_SECTOR,
			.unmap = (flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP) != 0,
		};
	return VIRTIO_BLK_S_OK;
}

static uint8_t parse_ranges(struct block_request *request, struct virtqueue_reader *reader,
	const struct block_disk *disk)
{
	bool zeroes = request->operation == BLOCK_ZEROES;
	uint32_t data = reader->chain->readable_bytes - (uint32_t)sizeof(struct virtio_blk_outhdr);
	uint32_t most = zeroes ? BLOCK_MAX_ZEROES_RANGES : BLOCK_MAX_DISCARD_RANGES;

	if (disk->read_only)
		return VIRTIO_BLK_S_IOERR;
	if (!zeroes && !disk->can_discard)
		return VIRTIO_BLK_S_UNSUPP;
	if (data == 0 || data % RANGE_SIZE != 0 || data / RANGE_SIZE > most)
		return VIRTIO_BLK_S_IOERR;
	for (uint32_t i = 0; i < data / RANGE_SIZE; i++) {
		struct virtio_blk_discard_write_zeroes given;
		uint8_t status;

		if (!virtqueue_read(reader, &given, RANGE_SIZE))
			return VIRTIO_BLK_S_IOERR;
		status = add_range(request, &given, disk);
		if (status != VIRTIO_BLK_S_OK)
			return status;
	}
	return VIRTIO_BLK_S_OK;
}

/* The serial number, without a zero behind it where it has all 20 bytes (5.2.6). */
static uint8_t answer_id(struct block_request *request, const struct virtqueue_chain *chain,
	const struct guest_memory *memory, const struct block_disk *disk)
{
	uint32_t room = chain->writable_bytes - 1;

	virtqueue_copy_to_chain(
		chain, memory, disk->id, room < BLOCK_ID_SIZE ? room : BLOCK_ID_SIZE);
	request->length = room < BLOCK_ID_SIZE ? room : BLOCK_ID_SIZE;
	return VIRTIO_BLK_S_OK;
}

/* What the header asks for; the answer where nothing has to be done for it. */
static uint8_t parse_header(struct block_request *request, struct virtqueue_reader *reader,
	const struct virtio_blk_outhdr *header, const struct block_disk *disk)
{
	uint64_t sector = le64toh(header->sector);

	switch (le32toh(header->type)) {
	case VIRTIO_BLK_T_IN:
		request->operation = BLOCK_READ;
		if (!add_writable(request, reader->chain, reader->memory))
			return VIRTIO_BLK_S_IOERR;
		return parse_transfer(request, sector, disk);
	case VIRTIO_BLK_T_OUT:
		request->operation = BLOCK_WRITE;
		if (!add_readable(request, reader))
			return VIRTIO_BLK_S_IOERR;
		return parse_transfer(request, sector, disk);
	case VIRTIO_BLK_T_FLUSH:
		request->operation = BLOCK_FLUSH;
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_DISCARD:
		request->operation = BLOCK_DISCARD;
		return parse_ranges(request, reader, disk);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		request->operation = BLOCK_ZEROES;
		return parse_ranges(request, reader, disk);
	case VIRTIO_BLK_T_GET_ID:
		return answer_id(request, reader->chain, reader->memory, disk);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

void block_request_parse(struct block_request *request, const struct virtqueue_chain *chain,
	const struct guest_memory *memory, const struct block_disk *disk)
{
	struct virtqueue_reader reader = { .chain = chain, .memory = memory };
	struct virtio_blk_outhdr header;
	uint8_t status = VIRTIO_BLK_S_IOERR;

	request->head = chain->head;
	request->operation = BLOCK_ANSWER;
	request->status_byte = find_status(chain, memory);
	request->writable = chain->writable_bytes;
	request->written = 0;
	request->error = 0;
	request->offset = 0;
	request->length = 0;
	request->buffer_count = 0;
	request->range_count = 0;
	if (request->status_byte != NULL && virtqueue_read(&reader, &header, sizeof(header)))
		status = parse_header(request, &reader, &header, disk);
	if (status != VIRTIO_BLK_S_OK)
		request->operation = BLOCK_ANSWER;
	request->status = status;
	if (request->operation == BLOCK_ANSWER)
		block_request_finish(request, 0);
}

void block_request_finish(struct block_request *request, int error)
{
	bool data = request->operation == BLOCK_READ || request->operation == BLOCK_ANSWER;
	uint32_t filled = 0;

	request->error = error;
	if (error != 0)
		request->status = error == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
	if (request->status == VIRTIO_BLK_S_OK && data)
		filled = (uint32_t)request->length;
	/* `written` counts from the first writable byte (2.7.8.2), and the status is the last one:
	 * it counts only where all before it was written. */
	request->written = filled;
	if (request->status_byte != NULL && filled == request->writable - 1)
		request->written = request->writable;
}

void block_request_answer(const struct block_request *request)
{
	if (request->status_byte != NULL)
		__atomic_store_n(request->status_byte, request->status, __ATOMIC_RELAXED);
}
