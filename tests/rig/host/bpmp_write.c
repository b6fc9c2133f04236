/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request costs without a VM: asks the host's BPMP for a clock's rate, so many times, and
 * prints how many nanoseconds each took.
 *
 *   rig-bpmp_write NODE CLOCK TIMES
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MRQ_CLK	     22
#define CLK_GET_RATE (1u << 24)

/* The proxy's, for write(). */
struct wire {
	uint32_t mrq, reserved0;
	uint64_t tx_data, tx_size;
	uint64_t rx_data, rx_size;
	int32_t ret;
	uint32_t reserved1;
};

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ll + time.tv_nsec;
}

int main(int argc, char **argv)
{
	uint32_t request[4] = { 0 };
	uint64_t rate;
	long times;
	int64_t began;
	int fd;

	if (argc != 4)
		return 2;
	fd = open(argv[1], O_RDWR);
	request[0] = CLK_GET_RATE | (uint32_t)strtoul(argv[2], NULL, 0);
	times = strtol(argv[3], NULL, 0);
	if (fd < 0 || times < 1)
		return 1;
	began = now();
	for (long i = 0; i < times; i++) {
		struct wire wire = { .mrq = MRQ_CLK,
			.tx_data = (uintptr_t)request,
			.tx_size = sizeof(request),
			.rx_data = (uintptr_t)&rate,
			.rx_size = sizeof(rate) };

		if (write(fd, &wire, sizeof(wire)) != sizeof(wire) || wire.ret != 0)
			return 1;
	}
	printf("%lld\n", (long long)(now() - began) / times);
	return 0;
}
