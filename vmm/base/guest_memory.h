/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest RAM as this process sees it: a table of regions, and the one checked way from a
 * guest-physical address to a pointer. The machine fills the table from its memfd, a worker from
 * the vhost-user memory table it was sent. After set-up the table does not change while it is
 * used, so it needs no lock.
 *
 * What lies behind a pointer may change at any moment: copy once, then check the copy.
 */
#ifndef VMM_BASE_GUEST_MEMORY_H
#define VMM_BASE_GUEST_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define GUEST_MEMORY_MAX_REGIONS 8

struct guest_memory_region {
	uint64_t gpa;	      /* guest-physical address of the first byte */
	uint64_t size;	      /* bytes, not 0 */
	uint64_t frontend_va; /* the front end's own address of the first byte (vhost-user only) */
	unsigned char *host;  /* where this process has it mapped */
};

struct guest_memory {
	size_t count;
	struct guest_memory_region regions[GUEST_MEMORY_MAX_REGIONS];
};

/*
 * Maps `size` bytes of `fd` from `offset` (page-aligned) and adds them at `gpa`.
 * Returns 0, -EINVAL (size 0 or wraps), -EEXIST (overlaps a region), -ENOSPC (table full), or
 * the error of mmap. The descriptor stays the caller's.
 */
int guest_memory_map(struct guest_memory *memory, int fd, uint64_t offset, uint64_t gpa,
	uint64_t size, uint64_t frontend_va);

/* Unmaps every region and empties the table. */
void guest_memory_unmap(struct guest_memory *memory);

/*
 * The bytes [gpa, gpa + size), or NULL when they are not all inside one region. `size` 0 gives a
 * pointer only where one byte would be valid.
 */
void *guest_memory_at(const struct guest_memory *memory, uint64_t gpa, uint64_t size);

/* As guest_memory_at(), for an address of the vhost-user front end's own address space. */
void *guest_memory_at_frontend_va(const struct guest_memory *memory, uint64_t va, uint64_t size);

/*
 * A sealed memfd of `size` bytes for guest RAM (it can neither grow nor shrink).
 * Returns the descriptor or -errno.
 */
int guest_memory_create_fd(uint64_t size);

/*
 * The same of the host's huge pages of `page_size` bytes, a power of two that divides `size`. All
 * of them are taken at once. Returns the descriptor or -errno: -ENOSPC or -ENOMEM where there are
 * not as many, -ENODEV where the host has none of this size.
 */
int guest_memory_create_huge_fd(uint64_t size, uint64_t page_size);

#endif
