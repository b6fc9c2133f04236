/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uses the BPMP's window as guests with the patch bpmp-guest-proxy do, and as none should:
 *
 *   rig-window BASE transfer MRQ ROOM [WORD...]   one request: "RET SIZE WORD..." of the answer
 *   rig-window BASE ping COUNT                    as many pings, each with a challenge of its own
 *   rig-window BASE hostile COUNT SEED            as many accesses of any kind, on every CPU
 *
 * The first two make the driver's own accesses: 192 ascending stores of 8 bytes, whose 161st is the
 * trigger, then 192 loads. Numbers as C writes them, words of 32 bits.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	0x1000
#define SIZE	0x600
#define RX	0x200
#define TX_SIZE 0x400
#define RX_SIZE 0x408
#define RETURN	0x410
#define TRIGGER 0x500

static char *window;

/* One register, no write-back: what KVM has a syndrome for, and what Linux' __raw_writeq() does. */
static void store(unsigned int offset, unsigned int width, uint64_t value)
{
	void *at = window + offset;

	switch (width) {
	case 8:
		__asm__ volatile("str %0, [%1]" : : "r"(value), "r"(at) : "memory");
		break;
	case 4:
		__asm__ volatile("str %w0, [%1]" : : "r"(value), "r"(at) : "memory");
		break;
	case 2:
		__asm__ volatile("strh %w0, [%1]" : : "r"(value), "r"(at) : "memory");
		break;
	default:
		__asm__ volatile("strb %w0, [%1]" : : "r"(value), "r"(at) : "memory");
	}
}

static uint64_t load(unsigned int offset)
{
	uint64_t value;

	__asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(window + offset) : "memory");
	return value;
}

struct image {
	union {
		uint64_t words[SIZE / 8];
		unsigned char bytes[SIZE];
	};
};

static void transfer(struct image *image)
{
	for (unsigned int i = 0; i < SIZE / 8; i++)
		store(i * 8, 8, image->words[i]);
	for (unsigned int i = 0; i < SIZE / 8; i++)
		image->words[i] = load(i * 8);
}

static uint64_t field(const struct image *image, unsigned int offset)
{
	return image->words[offset / 8];
}

static int one_transfer(int count, char **words)
{
	struct image image = { 0 };
	uint32_t word, mrq = (uint32_t)strtoul(words[0], NULL, 0);
	uint64_t size = (uint64_t)(count - 2) * 4;

	image.words[TRIGGER / 8] = mrq;
	image.words[RX_SIZE / 8] = strtoull(words[1], NULL, 0);
	image.words[TX_SIZE / 8] = size;
	for (int i = 2; i < count; i++) {
		word = (uint32_t)strtoul(words[i], NULL, 0);
		memcpy(image.bytes + (i - 2) * 4, &word, 4);
	}
	transfer(&image);
	size = field(&image, RX_SIZE);
	printf("%d %llu", (int32_t)field(&image, RETURN), (unsigned long long)size);
	for (uint64_t at = 0; at < size && at < 0x200; at += 4) {
		memcpy(&word, image.bytes + RX + at, 4);
		printf(" %#x", word);
	}
	putchar('\n');
	return 0;
}

static int pings(uint32_t count)
{
	for (uint32_t i = 1; i <= count; i++) {
		struct image image = { 0 };

		image.words[0] = i * 2654435761u & 0x7fffffff;
		image.words[TX_SIZE / 8] = image.words[RX_SIZE / 8] = 4;
		transfer(&image);
		if (field(&image, RX_SIZE) != 4 || (int32_t)field(&image, RETURN) != 0 ||
			(uint32_t)field(&image, RX) != (i * 2654435761u & 0x7fffffff) << 1) {
			printf("ping %u: %d %llu %#llx\n", i, (int32_t)field(&image, RETURN),
				(unsigned long long)field(&image, RX_SIZE),
				(unsigned long long)field(&image, RX));
			return 1;
		}
	}
	printf("%u pings\n", count);
	return 0;
}

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A request that could be one; half of them about ids that are somebody's. */
static void plausible(uint64_t *state)
{
	static const uint32_t mrqs[] = { 0, 20, 22, 22, 66, 75, 1, 23 };
	static const uint32_t sizes[] = { 4, 8, 16, 16, 12, 120, 4, 4 };
	static const uint32_t known[] = { 155, 100, 102, 91, 14, 156, 101, 31, 18 };
	unsigned int kind = next(state) % 8;
	uint32_t id = next(state) % 512, command = next(state) % 17;

	if (next(state) % 2)
		id = known[id % (sizeof(known) / sizeof(known[0]))];

	if (mrqs[kind] == 22)
		store(0, 8, command << 24 | id);
	else
		store(0, 8, (uint64_t)id << 32 | command);
	store(8, 8, next(state));
	store(TX_SIZE, 8, next(state) % 8 ? sizes[kind] : next(state));
	store(RX_SIZE, 8, next(state) % 8 ? 120 : next(state));
	store(TRIGGER, 1 << next(state) % 4, mrqs[kind]);
}

static void hostile(uint32_t count, uint64_t state)
{
	while (count--) {
		unsigned int width = 1u << next(&state) % 4;
		unsigned int span = next(&state) % 4 ? SIZE : PAGE;
		unsigned int offset = next(&state) % (span / width) * width;

		switch (next(&state) % 8) {
		case 0:
			plausible(&state);
			break;
		case 1:
		case 2:
			load(offset & ~7u);
			break;
		default:
			store(offset, width, next(&state));
		}
	}
}

static int hostile_everywhere(uint32_t count, uint64_t seed)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int status, result = 0;

	for (long i = 0; i < cpus; i++) {
		if (fork() == 0) {
			hostile(count, (seed + (uint64_t)i) * 0x9e3779b97f4a7c15 | 1);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		result |= status;
	printf("%ld CPUs\n", cpus);
	return result != 0;
}

int main(int argc, char **argv)
{
	int fd;

	if (argc < 4)
		return 2;
	fd = open("/dev/mem", O_RDWR | O_SYNC);
	window = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		(off_t)strtoull(argv[1], NULL, 0));
	if (window == MAP_FAILED)
		return 1;
	if (strcmp(argv[2], "transfer") == 0 && argc >= 5)
		return one_transfer(argc - 3, argv + 3);
	if (strcmp(argv[2], "ping") == 0)
		return pings((uint32_t)strtoul(argv[3], NULL, 0));
	if (strcmp(argv[2], "hostile") == 0 && argc == 5)
		return hostile_everywhere(
			(uint32_t)strtoul(argv[3], NULL, 0), strtoull(argv[4], NULL, 0));
	return 2;
}
