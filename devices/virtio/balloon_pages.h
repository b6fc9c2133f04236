/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of guest memory that the guest gave away, as they are given back to the host: a range after
 * the other, those that lie side by side joined, and of each join the host's pages that are in it
 * as a whole. A host with larger pages than the guest's 4 KiB keeps the rest.
 *
 * Ranges are the guest's. One outside of its memory is counted and nothing else; one that is given
 * twice, or that the guest uses all the same, has zeroes in it then.
 */
#ifndef DEVICES_VIRTIO_BALLOON_PAGES_H
#define DEVICES_VIRTIO_BALLOON_PAGES_H

#include <stddef.h>
#include <stdint.h>

struct guest_memory;

struct balloon_pages {
	const struct guest_memory *memory;
	uint64_t page_size; /* the host's, bytes */
	/*
	 * Has the host take the bytes from `at` back, whole pages of its. Returns 0 or -errno.
	 * Called from balloon_pages_add() and balloon_pages_flush().
	 */
	int (*release)(void *at, size_t size);
	uint64_t start, end; /* guest-physical, the join so far; empty: the same */
	/* Counts: bytes that were released, ranges that were no memory of the guest's. */
	uint64_t released, outside;
	int error; /* of the first release that failed, -errno */
};

/* Takes `size` bytes at `gpa`, not 0, in; may release what came before. */
void balloon_pages_add(struct balloon_pages *pages, uint64_t gpa, uint64_t size);

/* Releases what is left. */
void balloon_pages_flush(struct balloon_pages *pages);

#endif
