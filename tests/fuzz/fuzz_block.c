/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests to a disk from a ring in guest memory that holds anything, carried out on an image.
 *
 * Input: a byte of options (bits 0-2: the queue's size as a power of two; bit 3: indirect
 * descriptors; bit 4: read-only; bit 5: no holes; bit 6: the image wants aligned I/O), three 16-bit
 * places of descriptors, available and used ring in 64 KiB of RAM, then the RAM's contents. Buffers
 * may lie over the rings, over each other and over the status.
 */
#include "devices/virtio/block_io.h"
#include "devices/virtio/block_request.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/log.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_blk.h>

#define RAM_BASE UINT64_C(0x40000000)
#define RAM_SIZE 0x10000
#define SECTORS	 64

struct header {
	uint8_t options;
	uint8_t padding;
	uint16_t descriptors, available, used;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the place of vmm/base/log.c: writing lines would take most of the time. */
void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

static struct guest_memory memory;
static int image;
static void *bounce;

static void open_all(void)
{
	int fd = guest_memory_create_fd(RAM_SIZE);

	check(fd >= 0 && guest_memory_map(&memory, fd, 0, RAM_BASE, RAM_SIZE, RAM_BASE) == 0);
	image = memfd_create("image", MFD_CLOEXEC);
	check(image >= 0 && ftruncate(image, SECTORS * BLOCK_SECTOR) == 0);
	check(posix_memalign(&bounce, BLOCK_MAX_ALIGNMENT, BLOCK_BOUNCE_SIZE) == 0);
}

static bool in_ram(const void *start, uint64_t size)
{
	const unsigned char *ram = memory.regions[0].host, *at = start;

	return at >= ram && size <= RAM_SIZE && (uint64_t)(at - ram) <= RAM_SIZE - size;
}

static void check_request(const struct block_request *request, const struct block_disk *disk)
{
	const uint64_t bytes = disk->sectors * BLOCK_SECTOR;
	uint64_t length = 0;

	check(request->status_byte == NULL || in_ram(request->status_byte, 1));
	check(request->written <= request->writable);
	if (request->operation == BLOCK_ANSWER)
		return;
	check(request->status == VIRTIO_BLK_S_OK && request->status_byte != NULL);
	check(!disk->read_only || request->operation == BLOCK_READ ||
		request->operation == BLOCK_FLUSH);
	check(disk->can_discard || request->operation != BLOCK_DISCARD);
	for (uint32_t i = 0; i < request->buffer_count; i++) {
		check(request->buffers[i].iov_len != 0);
		check(in_ram(request->buffers[i].iov_base, request->buffers[i].iov_len));
		length += request->buffers[i].iov_len;
	}
	if (request->operation == BLOCK_READ || request->operation == BLOCK_WRITE)
		check(length == request->length && length % BLOCK_SECTOR == 0 &&
			request->offset <= bytes && length <= bytes - request->offset);
	check(request->range_count <= BLOCK_MAX_DISCARD_RANGES);
	for (uint32_t i = 0; i < request->range_count; i++) {
		const struct block_range *range = &request->ranges[i];

		check(range->offset <= bytes && range->length <= bytes - range->offset);
	}
}

static void serve(struct virtqueue *queue, const struct block_disk *disk, struct block_file *file)
{
	static struct virtqueue_chain chain;
	static struct block_request request;

	for (uint32_t i = 0; i < queue->size; i++) {
		if (virtqueue_pop(queue, &memory, &chain) != 1)
			break;
		block_request_parse(&request, &chain, &memory, disk);
		check_request(&request, disk);
		block_io(file, &request, bounce);
		check(request.written <= request.writable);
		/* The whole disk is there: only what the host lacks can go wrong. */
		check(request.error == 0);
		block_request_answer(&request);
		virtqueue_push(queue, request.head, request.written);
	}
	check(lseek(image, 0, SEEK_END) == SECTORS * BLOCK_SECTOR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct block_disk disk = { .sectors = SECTORS, .id = "fuzz" };
	struct virtqueue_addresses addresses;
	struct virtqueue queue = { .size = 0 };
	struct block_file file;
	struct header header;
	bool aligned;

	if (memory.count == 0)
		open_all();
	if (size < sizeof(header))
		return 0;
	memcpy(&header, data, sizeof(header));
	data += sizeof(header);
	size -= sizeof(header);
	if (size > RAM_SIZE)
		size = RAM_SIZE;
	memset(memory.regions[0].host, 0, RAM_SIZE);
	if (size != 0)
		memcpy(memory.regions[0].host, data, size);

	addresses = (struct virtqueue_addresses){
		.descriptors = RAM_BASE + header.descriptors,
		.available = RAM_BASE + header.available,
		.used = RAM_BASE + header.used,
	};
	queue.size = 1u << (header.options & 7);
	queue.indirect = (header.options & 0x08) != 0;
	disk.read_only = (header.options & 0x10) != 0;
	disk.can_discard = (header.options & 0x20) == 0;
	aligned = (header.options & 0x40) != 0;
	if (virtqueue_find_rings(&queue, &memory, &addresses) != 0)
		return 0;
	virtqueue_start(&queue, 0);
	block_file_init(&file, image, aligned ? 512 : 1, aligned ? 4096 : 1);
	serve(&queue, &disk, &file);
	block_file_close(&file);
	return 0;
}
