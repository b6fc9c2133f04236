/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/shared_memory.h"

#include "vmm/base/util.h"

#include <stdatomic.h>
#include <stdint.h>

/*
 * Sequentially consistent throughout: the guest orders its accesses with barriers, which the
 * machine does not see.
 */
static uint64_t load(const unsigned char *at, unsigned int width)
{
	const void *place = at;

	switch (width) {
	case 8:
		return atomic_load((const _Atomic uint64_t *)place);
	case 4:
		return atomic_load((const _Atomic uint32_t *)place);
	case 2:
		return atomic_load((const _Atomic uint16_t *)place);
	default:
		return atomic_load((const _Atomic uint8_t *)place);
	}
}

static void store(unsigned char *at, unsigned int width, uint64_t value)
{
	void *place = at;

	switch (width) {
	case 8:
		atomic_store((_Atomic uint64_t *)place, value);
		break;
	case 4:
		atomic_store((_Atomic uint32_t *)place, (uint32_t)value);
		break;
	case 2:
		atomic_store((_Atomic uint16_t *)place, (uint16_t)value);
		break;
	default:
		atomic_store((_Atomic uint8_t *)place, (uint8_t)value);
		break;
	}
}

/* An unaligned access has no promise to keep: byte by byte. */
static uint64_t shared_read(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	const struct bpmp_shared_memory *shared =
		container_of(region, struct bpmp_shared_memory, region);
	uint64_t value = 0;

	if (offset % width == 0)
		return load(shared->memory + offset, width);
	for (unsigned int i = 0; i < width; i++)
		value |= load(shared->memory + offset + i, 1) << i * 8;
	return value;
}

static void shared_write(
	struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value)
{
	const struct bpmp_shared_memory *shared =
		container_of(region, struct bpmp_shared_memory, region);

	if (offset % width == 0) {
		store(shared->memory + offset, width, value);
		return;
	}
	for (unsigned int i = 0; i < width; i++)
		store(shared->memory + offset + i, 1, value >> i * 8);
}

const struct mmio_ops bpmp_shared_memory_ops = { .read = shared_read, .write = shared_write };
