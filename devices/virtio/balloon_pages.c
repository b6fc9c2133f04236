/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/balloon_pages.h"

#include "vmm/base/guest_memory.h"

#include <stdbool.h>

void balloon_pages_flush(struct balloon_pages *pages)
{
	const uint64_t size = pages->end - pages->start, mask = pages->page_size - 1;
	char *at = size != 0 ? guest_memory_at(pages->memory, pages->start, size) : NULL;
	uint64_t before, whole;
	int error;

	pages->start = pages->end = 0;
	if (at == NULL)
		return;
	/* Up to the host's next page, and down to its last. */
	before = -(uintptr_t)at & mask;
	if (before >= size)
		return;
	whole = (size - before) & ~mask;
	if (whole == 0)
		return;
	error = pages->release(at + before, whole);
	if (error == 0)
		pages->released += whole;
	else if (pages->error == 0)
		pages->error = error;
}

/* Whether [gpa, end) lies side by side with the join, and both in one region. */
static bool joins(const struct balloon_pages *pages, uint64_t gpa, uint64_t end)
{
	uint64_t start = gpa < pages->start ? gpa : pages->start;

	if (pages->start == pages->end || (gpa != pages->end && end != pages->start))
		return false;
	return guest_memory_at(pages->memory, start, end - gpa + pages->end - pages->start) != NULL;
}

void balloon_pages_add(struct balloon_pages *pages, uint64_t gpa, uint64_t size)
{
	const uint64_t end = gpa + size;

	if (guest_memory_at(pages->memory, gpa, size) == NULL) {
		pages->outside++;
		return;
	}
	if (!joins(pages, gpa, end)) {
		balloon_pages_flush(pages);
		pages->start = gpa;
		pages->end = end;
		return;
	}
	/* Drivers take pages upwards or downwards. */
	if (gpa == pages->end)
		pages->end = end;
	else
		pages->start = gpa;
}
