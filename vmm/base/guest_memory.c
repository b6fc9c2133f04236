/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/guest_memory.h"

#include "vmm/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a <= b ? b - a < a_size : a - b < b_size;
}

int guest_memory_map(struct guest_memory *memory, int fd, uint64_t offset, uint64_t gpa,
	uint64_t size, uint64_t frontend_va)
{
	struct guest_memory_region *region;
	uint64_t end;
	void *host;

	if (size == 0 || __builtin_add_overflow(gpa, size, &end) ||
		__builtin_add_overflow(frontend_va, size, &end) || size > SIZE_MAX / 2 ||
		offset > INT64_MAX)
		return -EINVAL;
	if (memory->count == GUEST_MEMORY_MAX_REGIONS)
		return -ENOSPC;
	for (size_t i = 0; i < memory->count; i++)
		if (ranges_overlap(gpa, size, memory->regions[i].gpa, memory->regions[i].size))
			return -EEXIST;

	host = mmap(
		NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
	if (host == MAP_FAILED)
		return -errno;
	/* Guest secrets do not belong into a core dump. */
	madvise(host, size, MADV_DONTDUMP);
	/* Large pages where the host gives shared memory any on advice (shmem_enabled). */
	madvise(host, size, MADV_HUGEPAGE);

	region = &memory->regions[memory->count++];
	region->gpa = gpa;
	region->size = size;
	region->frontend_va = frontend_va;
	region->host = host;
	return 0;
}

void guest_memory_unmap(struct guest_memory *memory)
{
	for (size_t i = 0; i < memory->count; i++)
		munmap(memory->regions[i].host, memory->regions[i].size);
	memory->count = 0;
}

static void *at(
	uint64_t start, const struct guest_memory_region *region, uint64_t address, uint64_t size)
{
	uint64_t offset;

	if (address < start)
		return NULL;
	offset = address - start;
	if (offset >= region->size || size > region->size - offset)
		return NULL;
	return region->host + offset;
}

void *guest_memory_at(const struct guest_memory *memory, uint64_t gpa, uint64_t size)
{
	for (size_t i = 0; i < memory->count; i++) {
		const struct guest_memory_region *region = &memory->regions[i];
		void *host = at(region->gpa, region, gpa, size);

		if (host)
			return host;
	}
	return NULL;
}

void *guest_memory_at_frontend_va(const struct guest_memory *memory, uint64_t va, uint64_t size)
{
	for (size_t i = 0; i < memory->count; i++) {
		const struct guest_memory_region *region = &memory->regions[i];
		void *host = at(region->frontend_va, region, va, size);

		if (host)
			return host;
	}
	return NULL;
}

static int create_fd(uint64_t size, unsigned int flags)
{
	int fd, error;

	if (size == 0 || size > INT64_MAX)
		return -EINVAL;
	fd = memfd_create("guest-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) < 0 ||
		fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int guest_memory_create_fd(uint64_t size)
{
	return create_fd(size, 0);
}

int guest_memory_create_huge_fd(uint64_t size, uint64_t page_size)
{
	/* The kernel takes the binary logarithm. */
	unsigned int log = (unsigned int)__builtin_ctzll(page_size);
	int fd = create_fd(size, MFD_HUGETLB | log << MFD_HUGE_SHIFT), error;

	if (fd < 0)
		return fd;
	/* Now, since a guest that touches a page which is not to be had would end the VM. */
	do {
		error = fallocate(fd, 0, 0, (off_t)size) == 0 ? 0 : -errno;
	} while (error == -EINTR);
	if (error == 0)
		return fd;
	close(fd);
	return error;
}
