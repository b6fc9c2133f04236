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

/* A 16550's. */
#define EARLY_STATUS	 5
#define EARLY_EMPTY	 0x20

#define SEED_STEP	 0x9e3779b97f4a7c15u
#define FIRST_REPORT	 256 /* rounds; then after twice as many each time, up to: */
#define REPORTS_AT_LEAST 16384
#define QUEUE_REPORTS	 512 /* the same of queues, whose rounds take longer */

static struct bare_tree tree;
static uint64_t first_seed;
static uint32_t cpus = 1;
static volatile uint64_t rounds[BARE_CPUS];
static uint64_t next_report = FIRST_REPORT;

static uint64_t psci(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
	register uint64_t x0 __asm__("x0") = function;
	register uint64_t x1 __asm__("x1") = a;
	register uint64_t x2 __asm__("x2") = b;
	register uint64_t x3 __asm__("x3") = c;

	/* SMCCC 1.1, 2.4: all of the four may be changed. */
	__asm__ volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
	return x0;
}

static void put(uint8_t byte)
{
	if (tree.uart) {
		while (read32(tree.uart + UART_FLAGS) & FLAG_FULL)
			;
		write32(tree.uart + UART_DATA, byte);
	} else if (tree.early) {
		while (!(read8(tree.early + EARLY_STATUS) & EARLY_EMPTY))
			;
		write8(tree.early, byte);
	}
}

void bare_print(const char *text)
{
	while (*text)
		put((uint8_t)*text++);
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

static bool attacks_queues(void)
{
	return bare_has_word(&tree, "do=queues");
}

/* By CPU 0, which also speaks for the others. */
static void report(void)
{
	uint64_t most;

	if (rounds[0] < next_report)
		return;
	most = attacks_queues() ? QUEUE_REPORTS : REPORTS_AT_LEAST;
	next_report += next_report < most ? next_report : most;
	bare_print("bare: ");
	for (uint32_t i = 0; i < cpus; i++) {
		bare_print(i ? " and " : "");
		bare_print_number(rounds[i]);
	}
	bare_print(" rounds, ");
	bare_print_number(aborts);
	bare_print(" aborts");
	if (attacks_queues())
		bare_queues_print();
	bare_print("\n");
}

/* Does not return. */
static void work(uint32_t cpu)
{
	uint64_t state = first_seed + cpu * SEED_STEP;
	bool queues = attacks_queues();

	state = state ? state : 1;
	for (;;) {
		if (queues)
			bare_queues(&state, cpu, cpus);
		else
			bare_scribble(&tree, &state);
		rounds[cpu]++;
		if (cpu == 0)
			report();
	}
}

void bare_other(uint64_t cpu)
{
	work((uint32_t)cpu);
}

static void start_cpus(void)
{
	while (cpus < BARE_CPUS && psci(PSCI_CPU_ON, cpus, (uint64_t)other_cpu, cpus) == 0)
		cpus++;
	work(0);
}

void bare_main(const uint8_t *blob)
{
	bare_tree_read(&tree, blob);
	if (tree.uart)
		write32(tree.uart + UART_CONTROL, ENABLED);
	first_seed = bare_word(&tree, "seed=");
	bare_print("bare: up, seed ");
	bare_print_hex(first_seed);
	bare_print("\n");
	if (attacks_queues())
		bare_queues_find(&tree);
	if (attacks_queues() || bare_has_word(&tree, "do=scribble"))
		start_cpus();
	if (bare_has_word(&tree, "do=early"))
		bare_early(&tree);
	psci(PSCI_SYSTEM_OFF, 0, 0, 0);
}
