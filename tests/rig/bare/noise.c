/* SPDX-License-Identifier: Apache-2.0 */
/* What the guests that do anything have in common: chance, reproducible from a seed. */
#include "bare.h"

/* xorshift64*, Vigna 2016; never 0. */
uint64_t bare_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}

uint32_t bare_below(uint64_t *state, uint32_t limit)
{
	return (uint32_t)(bare_random(state) >> 32) % limit;
}

void bare_noise(uint64_t *state, uint64_t base, uint64_t size)
{
	uint64_t value = bare_random(state) >> bare_below(state, 64);
	uint64_t at =
		base + (bare_random(state) >> 16) % (size / 16) * 16 + bare_below(state, 2) * 8;

	switch (bare_below(state, 12)) {
	case 0:
	case 1:
		write8(at + bare_below(state, 8), (uint8_t)value);
		break;
	case 2:
		write16(at + bare_below(state, 4) * 2, (uint16_t)value);
		break;
	case 3:
	case 4:
		write32(at + bare_below(state, 2) * 4, (uint32_t)value);
		break;
	case 5:
	case 6:
		write64(at, value);
		break;
	case 7:
		(void)read8(at + bare_below(state, 8));
		break;
	case 8:
		(void)read32(at);
		break;
	case 9:
		(void)read64(at);
		break;
	case 10: /* KVM has no syndrome for these. */
		__asm__ volatile("stp %0, %0, [%1]" : : "r"(value), "r"(at & ~15ull) : "memory");
		break;
	default:
		__asm__ volatile("ldp %0, %1, [%2]"
				 : "=&r"(value), "=&r"(value)
				 : "r"(at & ~15ull)
				 : "memory");
	}
}
