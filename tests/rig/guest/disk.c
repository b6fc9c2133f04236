/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest does to a disk that no shell command does:
 *
 *   rig-disk zero DEVICE OFFSET LENGTH   asks for zeroes without writing them (BLKZEROOUT)
 *   rig-disk records DEVICE COUNT        writes "record NUMBER" into block after block of 4 KiB and
 *                                        says "acked NUMBER" when fsync() has returned
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BLOCK 4096

static int zero(int fd, const char *offset, const char *length)
{
	uint64_t range[2] = { strtoull(offset, NULL, 0), strtoull(length, NULL, 0) };

	return ioctl(fd, BLKZEROOUT, range);
}

static int records(int fd, unsigned int count)
{
	static char block[BLOCK] __attribute__((aligned(BLOCK)));

	for (unsigned int i = 0; i < count; i++) {
		memset(block, 0, sizeof(block));
		snprintf(block, sizeof(block), "record %u\n", i);
		if (pwrite(fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK || fsync(fd) < 0)
			return -1;
		printf("acked %u\n", i);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd, result = -1;

	if (argc < 4) {
		fprintf(stderr, "usage: rig-disk zero|records DEVICE NUMBER...\n");
		return 2;
	}
	fd = open(argv[2], O_RDWR);
	if (fd >= 0 && argc == 5 && strcmp(argv[1], "zero") == 0)
		result = zero(fd, argv[3], argv[4]);
	else if (fd >= 0 && strcmp(argv[1], "records") == 0)
		result = records(fd, (unsigned int)strtoul(argv[3], NULL, 0));
	if (result < 0)
		perror(argv[2]);
	return result < 0;
}
