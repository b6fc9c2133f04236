/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache maintenance for memory that the guest maps as Device or Normal Non-cacheable while this
 * process has it cacheable: register pages, the BPMP's shared memory. On a CPU without FEAT_S2FWB,
 * such as the Orin's Cortex-A78AE, neither sees the other's accesses otherwise; EL0 cannot tell
 * which CPU it is on, so all of it is unconditional. Linux lets EL0 do this (SCTLR_EL1.UCI, UCT).
 *
 * Sizes are in bytes; whole lines are maintained, so what guest and VMM write must not share one.
 * Both functions end with a DSB: what was asked for is complete when they return.
 */
#ifndef ARCH_AARCH64_CACHE_H
#define ARCH_AARCH64_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/* What guest and VMM write in turns lies at least so far apart (IVC's alignment in Linux). */
#define CACHE_LARGEST_GRANULE 64

/* After stores of ours: writes them back to where the guest looks (DC CVAC). */
void cache_clean(const volatile void *at, size_t size);

/* Before loads of ours: forgets what we have of it, so that the guest's stores are seen (DC
 * CIVAC). Lines that we changed are written back. */
void cache_clean_invalidate(const volatile void *at, size_t size);

/* Whether the CPU says how much it may write back at once, and it is no more than
 * CACHE_LARGEST_GRANULE (CTR_EL0.CWG; Arm ARM, D19.2.34). */
bool cache_granule_fits(void);

#endif
