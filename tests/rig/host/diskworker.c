/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives a front end that is not ours bpmp-vmm's own disk worker, told what the machine tells it:
 *
 *   rig-diskworker SOCKET IMAGE QUEUES
 *
 * Listens at SOCKET for one front end. Ends with the worker's status.
 */
#include "devices/virtio/block_start.h"
#include "tests/rig/host/outside.h"

#include <sys/stat.h>

_Static_assert(BLOCK_IMAGE_FD == WORKER_FIRST_FD, "outside_start()");

int main(int argc, char **argv)
{
	struct block_start start = {
		.shape = {
			.disk = { .can_discard = true, .id = "worker" },
			.logical_size = 512,
			.physical_size = 4096,
		},
		.memory_alignment = 1,
		.offset_alignment = 1,
	};
	struct stat status;
	int front, image, worker;
	pid_t pid;

	if (argc != 4) {
		fprintf(stderr, "usage: rig-diskworker SOCKET IMAGE QUEUES\n");
		return 2;
	}
	image = open(argv[2], O_RDWR);
	need(image >= 0 && fstat(image, &status) == 0, argv[2]);
	start.shape.disk.sectors = (uint64_t)status.st_size / BLOCK_SECTOR;
	start.shape.queue_count = (uint32_t)strtoul(argv[3], NULL, 0);
	snprintf(start.name, sizeof(start.name), "disk %.80s", argv[2]);
	front = outside_accept(argv[1]);
	pid = outside_start("block", image, &start, sizeof(start), &worker);
	return outside_relay(front, worker, pid);
}
