/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request through the BPMP's window costs: asks for a clock's rate, so many times, with the
 * accesses of the patched guests' driver, and prints how many nanoseconds each took.
 *
 *   rig-window_time BASE CLOCK TIMES
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define SIZE	     0x600
#define RX	     0x200
#define TX_SIZE	     0x400
#define RX_SIZE	     0x408
#define RETURN	     0x410
#define TRIGGER	     0x500

#define MRQ_CLK	     22
#define CLK_GET_RATE (1u << 24)
#define REQUEST_SIZE 16

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

/* One register and no write-back, as Linux' __raw_writeq() and __raw_readq(). */
static void transfer(char *window, uint64_t *image)
{
	for (unsigned int at = 0; at < SIZE; at += 8)
		__asm__ volatile("str %0, [%1]"
				 :
				 : "r"(image[at / 8]), "r"(window + at)
				 : "memory");
	for (unsigned int at = 0; at < SIZE; at += 8)
		__asm__ volatile("ldr %0, [%1]"
				 : "=r"(image[at / 8])
				 : "r"(window + at)
				 : "memory");
}

int main(int argc, char **argv)
{
	uint64_t base, image[SIZE / 8];
	long times, began;
	char *window;
	int fd;

	if (argc != 4)
		return 2;
	base = strtoull(argv[1], NULL, 0);
	times = strtol(argv[3], NULL, 0);
	fd = open("/dev/mem", O_RDWR | O_SYNC);
	if (fd < 0 || times < 1)
		return 1;
	window = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)base);
	if (window == MAP_FAILED)
		return 1;
	began = now();
	for (long i = 0; i < times; i++) {
		memset(image, 0, sizeof(image));
		image[0] = CLK_GET_RATE | (uint32_t)strtoul(argv[2], NULL, 0);
		image[TX_SIZE / 8] = REQUEST_SIZE;
		image[RX_SIZE / 8] = sizeof(uint64_t);
		image[TRIGGER / 8] = MRQ_CLK;
		transfer(window, image);
		if ((int32_t)image[RETURN / 8] != 0 || image[RX / 8] == 0)
			return 1;
	}
	printf("%ld\n", (now() - began) / times);
	return 0;
}
