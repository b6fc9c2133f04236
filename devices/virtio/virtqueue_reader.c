/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/virtqueue_reader.h"

#include "vmm/base/guest_memory.h"

#include <string.h>

bool virtqueue_read(struct virtqueue_reader *reader, void *target, uint32_t size)
{
	uint32_t done = 0;

	while (done < size) {
		const struct virtqueue_segment *segment;
		const void *source;
		uint32_t part;

		if (reader->segment == reader->chain->readable_count)
			return false;
		segment = &reader->chain->segments[reader->segment];
		part = segment->length - reader->offset;
		if (part > size - done)
			part = size - done;
		source = guest_memory_at(reader->memory, segment->gpa + reader->offset, part);
		if (source == NULL)
			return false;
		memcpy((char *)target + done, source, part);
		done += part;
		reader->offset += part;
		if (reader->offset == segment->length) {
			reader->segment++;
			reader->offset = 0;
		}
	}
	/* The guest may write something else there now: the copy is what counts. */
	__asm__ volatile("" ::: "memory");
	return true;
}
