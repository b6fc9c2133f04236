/* SPDX-License-Identifier: Apache-2.0 */
/* What each CPU does first, and the guest's voice. */
#include "bare.h"

#define UART_DATA	 0x00
#define UART_FLAGS	 0x18
#define UART_CONTROL	 0x30
#define FLAG_FULL	 0x20
#define ENABLED		 0x301 /* with transmitter and receiver */

#define PSCI_CPU_ON	 0xc4000003u
#define PSCI_SYSTEM_OFF	 0x84000008u

#define SECOND_SEED	 0x9e3779b97f4a7c15u
#define FIRST_REPORT	 256 /* rounds; then after twice as many each time, up to: */
#define REPORTS_AT_LEAST 16384

static struct bare_tree tree;
static volatile uint64_t rounds[2]; /* by CPU */
static uint64_t next_report = FIRST_REPORT;

static uint64_t psci(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
	register uint64_t x0 __asm__("x0") = function;
	register uint64_t x1 __asm__("x1") = a;
	register uint64_t x2 __asm__("x2") = b;
	register uint64_t x3 __asm__("x3") = c;

	__asm__ volatile("hvc #0" : "+r"(x0) : "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}

void bare_print_start(uint64_t uart)
{
	write32(uart + UART_CONTROL, ENABLED);
}

void bare_print(const char *text)
{
	for (; *text; text++) {
		while (read32(tree.uart + UART_FLAGS) & FLAG_FULL)
			;
		write32(tree.uart + UART_DATA, (uint8_t)*text);
	}
}

void bare_print_number(uint64_t value)
{
	char text[21], *at = text + sizeof(text);

	*--at = 0;
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	bare_print(at);
}

void bare_print_hex(uint64_t value)
{
	char text[19], *at = text + sizeof(text);

	*--at = 0;
	do {
		*--at = "0123456789abcdef"[value & 15];
		value >>= 4;
	} while (value);
	*--at = 'x';
	*--at = '0';
	bare_print(at);
}

/* Of CPU 0, which also speaks for the other. */
static void report(uint64_t mine)
{
	if (mine < next_report)
		return;
	next_report += next_report < REPORTS_AT_LEAST ? next_report : REPORTS_AT_LEAST;
	bare_print("bare: ");
	bare_print_number(mine);
	bare_print(" and ");
	bare_print_number(rounds[1]);
	bare_print(" rounds, ");
	bare_print_number(aborts);
	bare_print(" aborts\n");
}

static void no_report(uint64_t mine)
{
	(void)mine;
}

void bare_main(const uint8_t *blob)
{
	uint64_t seed;

	bare_tree_read(&tree, blob);
	bare_print_start(tree.uart);
	seed = bare_word(&tree, "seed=");
	bare_print("bare: up, seed ");
	bare_print_hex(seed);
	bare_print("\n");
	if (bare_has_word(&tree, "do=early"))
		bare_early(&tree);
	if (bare_has_word(&tree, "do=scribble")) {
		/* Fails where there is one CPU only. */
		psci(PSCI_CPU_ON, 1, (uint64_t)second_cpu, seed + SECOND_SEED);
		bare_scribble(&tree, seed, &rounds[0], report);
	}
	psci(PSCI_SYSTEM_OFF, 0, 0, 0);
}

void bare_second(uint64_t seed)
{
	bare_scribble(&tree, seed, &rounds[1], no_report);
}
