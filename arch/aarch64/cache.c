/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/aarch64/cache.h"

#include <stdint.h>

/* CTR_EL0: DminLine and CWG are log2 of a number of 4-byte words. */
#define CTR_DMINLINE(ctr) ((ctr) >> 16 & 0xf)
#define CTR_CWG(ctr)	  ((ctr) >> 24 & 0xf)

static uint64_t cache_type(void)
{
	uint64_t ctr;

	__asm__("mrs %0, ctr_el0" : "=r"(ctr));
	return ctr;
}

static uintptr_t line_size(void)
{
	return (uintptr_t)4 << CTR_DMINLINE(cache_type());
}

/* The whole system: the other observer bypasses the caches. */
static void wait_for_all(void)
{
	__asm__ volatile("dsb sy" ::: "memory");
}

void cache_clean(const volatile void *at, size_t size)
{
	uintptr_t line = line_size(), end = (uintptr_t)at + size;

	for (uintptr_t p = (uintptr_t)at & ~(line - 1); p < end; p += line)
		__asm__ volatile("dc cvac, %0" ::"r"(p) : "memory");
	wait_for_all();
}

void cache_clean_invalidate(const volatile void *at, size_t size)
{
	uintptr_t line = line_size(), end = (uintptr_t)at + size;

	for (uintptr_t p = (uintptr_t)at & ~(line - 1); p < end; p += line)
		__asm__ volatile("dc civac, %0" ::"r"(p) : "memory");
	wait_for_all();
}

bool cache_granule_fits(void)
{
	uint64_t granule = CTR_CWG(cache_type());

	return granule != 0 && ((uint64_t)4 << granule) <= CACHE_LARGEST_GRANULE;
}
