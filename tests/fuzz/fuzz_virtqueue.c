/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A split ring in guest memory that holds anything.
 *
 * Input: a byte for the queue's size (a power of two up to 256) and features (bit 4: indirect
 * descriptors; bit 5: event indices; bit 6: the device writes into the buffers), three 16-bit
 * places of descriptors, available and used ring in 64 KiB of RAM, the 16-bit index to start at,
 * then the RAM's contents. Buffers may lie over the rings: the device's own writes then change
 * what it reads next, as a driver on another processor would.
 */
#include "devices/virtio/virtqueue.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RAM_BASE UINT64_C(0x40000000)
#define RAM_SIZE 0x10000

struct header {
	uint8_t options;
	uint8_t padding;
	uint16_t descriptors, available, used, start;
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

static void open_ram(struct guest_memory *memory)
{
	int fd = guest_memory_create_fd(RAM_SIZE);
	check(fd >= 0 && guest_memory_map(memory, fd, 0, RAM_BASE, RAM_SIZE, RAM_BASE) == 0);
}

static void use_chain(const struct guest_memory *memory, const struct virtqueue *queue,
	const struct virtqueue_chain *chain, bool writes)
{
	uint64_t readable = 0, writable = 0;
	static const uint8_t pattern[512] = { 1, 0, 1, 0, 2, 0 };

	check(chain->readable_count + chain->writable_count <= queue->size);
	for (uint32_t i = 0; i < chain->readable_count + chain->writable_count; i++) {
		const struct virtqueue_segment *segment = &chain->segments[i];

		check(segment->length != 0);
		check(guest_memory_at(memory, segment->gpa, segment->length) != NULL);
		*(i < chain->readable_count ? &readable : &writable) += segment->length;
	}
	check(readable == chain->readable_bytes && writable == chain->writable_bytes);
	if (writes)
		check(virtqueue_copy_to_chain(chain, memory, pattern, sizeof(pattern)) ==
			(writable < sizeof(pattern) ? writable : sizeof(pattern)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest_memory memory;
	static struct virtqueue_chain chain;
	struct virtqueue_addresses addresses;
	struct virtqueue queue = { .size = 0 };
	struct header header;

	if (memory.count == 0)
		open_ram(&memory);
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
	queue.size = 1u << (header.options & 0xf) % 9;
	queue.indirect = (header.options & 0x10) != 0;
	queue.event_index = (header.options & 0x20) != 0;
	if (virtqueue_find_rings(&queue, &memory, &addresses) != 0)
		return 0;
	virtqueue_start(&queue, header.start);
	for (uint32_t i = 0; i < 2 * queue.size + 2; i++) {
		int status = virtqueue_pop(&queue, &memory, &chain);

		check(status == 1 || status == 0 || (status == -EPROTO && queue.broken));
		if (status != 1) {
			if (!virtqueue_enable_kicks(&queue))
				break;
			check(!queue.broken);
			continue;
		}
		if (i % 7 == 6) {
			virtqueue_unpop(&queue);
			continue;
		}
		use_chain(&memory, &queue, &chain, (header.options & 0x40) != 0);
		virtqueue_push(&queue, chain.head, chain.writable_bytes);
		virtqueue_wants_signal(&queue);
		virtqueue_disable_kicks(&queue);
	}
	return 0;
}
