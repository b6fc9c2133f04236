/* SPDX-License-Identifier: Apache-2.0 */
/* Which affinity a vCPU has: the guest's tree names CPUs by it. */
#ifndef ARCH_AARCH64_MPIDR_H
#define ARCH_AARCH64_MPIDR_H

#include <stdint.h>

/*
 * MPIDR_EL1.Aff2 to Aff0 of vCPU `index`, as KVM's reset_mpidr() has it: 16 to each value of Aff1,
 * since an ICC_SGI1R_EL1 of a GICv3 has a list of 16 targets.
 */
static inline uint32_t mpidr_affinity(uint32_t index)
{
	return (index >> 12 & 0xff) << 16 | (index >> 4 & 0xff) << 8 | (index & 0xf);
}

#endif
