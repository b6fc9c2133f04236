/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests without an operating system, for what no kernel does. One image, chosen by a word on its
 * command line, do=scribble, do=queues or do=early; it prints on the UART that it was given (a
 * PL011), or else on the early UART (a 16550).
 *
 * The MMU is off: every access goes out as it is written, none may be unaligned, and there are no
 * atomics, so each CPU has counters of its own.
 */
#ifndef RIG_BARE_H
#define RIG_BARE_H

#include <stdbool.h>
#include <stdint.h>

/* Nothing is relocated, so nothing may go through a table of addresses. */
#pragma GCC visibility push(hidden)

#define BARE_CPUS   3  /* at most */
#define BARE_VIRTIO 16 /* devices, at most */

/* What the device tree says; 0: the guest has none. */
struct bare_tree {
	uint64_t ram;
	uint64_t ram_size;
	uint64_t uart;		      /* PL011 */
	uint64_t early;		      /* 16550 */
	uint64_t virtio[BARE_VIRTIO]; /* register files, in the tree's order */
	uint32_t virtio_count;
	uint64_t hsp; /* doorbells */
	uint64_t hsp_size;
	uint64_t shared; /* the two areas of the IVC, one behind the other */
	uint64_t shared_size;
	uint64_t window;      /* of patched guests: /bpmp's virtual-pa */
	uint64_t distributor; /* the GIC's */
	uint32_t doorbell;    /* the HSP's interrupt, SPIs counted from 0 */
	bool doorbell_edge;
	const char *words; /* the command line */
};

extern volatile uint64_t aborts; /* start.S: accesses that ended in an exception */

void other_cpu(void); /* start.S: where PSCI starts it, with its number */

/* tree.c; *tree is zero before. */
void bare_tree_read(struct bare_tree *tree, const uint8_t *blob);
/* The number behind `key`, hexadecimal, or 0. */
uint64_t bare_word(const struct bare_tree *tree, const char *key);
bool bare_has_word(const struct bare_tree *tree, const char *word);

/* main.c */
void bare_print(const char *text);
void bare_print_number(uint64_t value); /* decimal */
void bare_print_hex(uint64_t value);

/* noise.c; state is never 0. */
uint64_t bare_random(uint64_t *state);
uint32_t bare_below(uint64_t *state, uint32_t limit);
/* One load or store of 1, 2, 4 or 8 bytes, or of two registers, somewhere in [base, base + size).
 */
void bare_noise(uint64_t *state, uint64_t base, uint64_t size);

/* scribble.c: one round of one CPU. */
void bare_scribble(const struct bare_tree *tree, uint64_t *state);

/* queues.c: likewise, after one CPU has looked for the devices. */
void bare_queues_find(const struct bare_tree *tree);
void bare_queues(uint64_t *state, uint32_t cpu, uint32_t cpus);
/* " TYPE:USED" for each device: buffers that it gave back in its own ring. */
void bare_queues_print(void);

/* early.c */
void bare_early(const struct bare_tree *tree);

#pragma GCC visibility pop

/*
 * Accesses as a driver makes them: an instruction that changes its base register too, which the
 * compiler would take in a loop, has no syndrome for KVM.
 */
#define ACCESS(name, type, load, store, modifier)                                                  \
	static inline type read##name(uint64_t at)                                                 \
	{                                                                                          \
		type value;                                                                        \
                                                                                                   \
		__asm__ volatile(load " %" modifier "0, [%1]" : "=r"(value) : "r"(at) : "memory"); \
		return value;                                                                      \
	}                                                                                          \
                                                                                                   \
	static inline void write##name(uint64_t at, type value)                                    \
	{                                                                                          \
		__asm__ volatile(store " %" modifier "0, [%1]"                                     \
				 :                                                                 \
				 : "r"(value), "r"(at)                                             \
				 : "memory");                                                      \
	}

ACCESS(8, uint8_t, "ldrb", "strb", "w")
ACCESS(16, uint16_t, "ldrh", "strh", "w")
ACCESS(32, uint32_t, "ldr", "str", "w")
ACCESS(64, uint64_t, "ldr", "str", "x")

static inline void barrier(void)
{
	__asm__ volatile("dsb sy" : : : "memory");
}

#endif
