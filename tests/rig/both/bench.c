/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work to be measured, on host and guest alike; prints nanoseconds for each unit of it. On a board
 * that counts instructions these are instructions.
 *
 *   rig-bench disk DEVICE read|write|both random|sequential SIZE COUNT DEPTH
 *       COUNT requests of SIZE bytes past the page cache, DEPTH at a time; both: in turns.
 *       A file will do for a device.
 *   rig-bench console DEVICE SIZE COUNT
 *       COUNT writes of SIZE bytes, all of them taken by the device
 *   rig-bench take PORT
 *       takes what TCP connections bring, one after the other
 *   rig-bench give PORT MIB
 *       gives each TCP connection so much
 *   rig-bench send IPV4 PORT MIB
 *       to `take`; the unit is a MiB that has arrived
 *   rig-bench receive IPV4 PORT MIB
 *       from `give`
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define MIB	  (1u << 20)
#define MAX_DEPTH 64

static void die(const char *what)
{
	fprintf(stderr, "rig-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int report(uint64_t began, unsigned long units)
{
	printf("%llu\n", (unsigned long long)((now() - began) / units));
	return 0;
}

static void *memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (at == MAP_FAILED)
		die("memory");
	memset(at, 0x5a, size);
	return at;
}

static int disk(char **arguments)
{
	const char *device = arguments[0];
	bool reads = strcmp(arguments[1], "write") != 0, writes = strcmp(arguments[1], "read") != 0;
	bool random = strcmp(arguments[2], "random") == 0;
	size_t size = strtoul(arguments[3], NULL, 0);
	unsigned long count = strtoul(arguments[4], NULL, 0), submitted = 0, done = 0;
	unsigned long depth = strtoul(arguments[5], NULL, 0);
	struct iocb requests[MAX_DEPTH], *free_requests[MAX_DEPTH];
	struct io_event events[MAX_DEPTH];
	aio_context_t context = 0;
	struct stat status;
	uint64_t bytes, began;
	int fd = open(device, (writes ? O_RDWR : O_RDONLY) | O_DIRECT);
	char *buffers;

	if (fd < 0 || fstat(fd, &status) < 0)
		die(device);
	bytes = (uint64_t)status.st_size;
	if (S_ISBLK(status.st_mode) && ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		die(device);
	if (depth == 0 || depth > MAX_DEPTH || size == 0 || bytes < size)
		return 2;
	if (syscall(SYS_io_setup, MAX_DEPTH, &context) < 0)
		die("io_setup");
	buffers = memory(depth * size);
	for (unsigned long i = 0; i < depth; i++)
		free_requests[i] = &requests[i];
	srandom(1);
	began = now();
	for (unsigned long spare = depth; done < count;) {
		unsigned long batch = spare < count - submitted ? spare : count - submitted;
		long got;

		spare -= batch;
		for (unsigned long i = 0; i < batch; i++) {
			struct iocb *request = free_requests[spare + i];
			uint64_t number = submitted + i;
			uint64_t block = random ? (uint64_t)rand() : number;
			bool write = writes && (!reads || number % 2 == 0);

			*request = (struct iocb){
				.aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
				.aio_fildes = (uint32_t)fd,
				.aio_buf =
					(uint64_t)(buffers + (size_t)(request - requests) * size),
				.aio_nbytes = size,
				.aio_offset = (int64_t)(block % (bytes / size) * size),
				.aio_data = (uint64_t)request,
			};
		}
		if (batch > 0 &&
			syscall(SYS_io_submit, context, batch, &free_requests[spare]) !=
				(long)batch)
			die("io_submit");
		submitted += batch;
		got = syscall(SYS_io_getevents, context, 1, MAX_DEPTH, events, NULL);
		if (got < 1)
			die("io_getevents");
		for (long i = 0; i < got; i++) {
			if (events[i].res != (int64_t)size) {
				errno = (int)-events[i].res;
				die("a request");
			}
			free_requests[spare++] = (struct iocb *)events[i].data;
		}
		done += (unsigned long)got;
	}
	return report(began, count);
}

static int console(char **arguments)
{
	size_t size = strtoul(arguments[1], NULL, 0);
	unsigned long count = strtoul(arguments[2], NULL, 0);
	int fd = open(arguments[0], O_WRONLY | O_NOCTTY);
	char *line = memory(size);
	uint64_t began;

	if (fd < 0)
		die(arguments[0]);
	line[size - 1] = '\n';
	began = now();
	for (unsigned long i = 0; i < count; i++)
		for (size_t at = 0; at < size;) {
			ssize_t written = write(fd, line + at, size - at);

			if (written <= 0)
				die("console");
			at += (size_t)written;
		}
	tcdrain(fd);
	return report(began, count);
}

static struct sockaddr_in address_of(const char *host, const char *port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
	};

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
		die(host);
	return address;
}

static void give_bytes(int fd, const char *buffer, uint64_t bytes)
{
	while (bytes > 0) {
		ssize_t sent = write(fd, buffer, bytes < MIB ? bytes : MIB);

		if (sent <= 0)
			die("send");
		bytes -= (uint64_t)sent;
	}
	shutdown(fd, SHUT_WR);
}

static uint64_t take_bytes(int fd, char *buffer)
{
	uint64_t taken = 0;
	ssize_t got;

	while ((got = read(fd, buffer, MIB)) > 0)
		taken += (uint64_t)got;
	if (got < 0)
		die("receive");
	return taken;
}

_Noreturn static void serve(const char *port, uint64_t give)
{
	struct sockaddr_in address = address_of("0.0.0.0", port);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	char *buffer = memory(MIB);

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(listener, 1) < 0)
		die(port);
	puts("serving");
	fflush(stdout);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			die("accept");
		give_bytes(fd, buffer, give);
		take_bytes(fd, buffer);
		close(fd);
	}
}

static int call(char **arguments, bool send)
{
	struct sockaddr_in address = address_of(arguments[0], arguments[1]);
	unsigned long mib = strtoul(arguments[2], NULL, 0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char *buffer = memory(MIB);
	uint64_t began, taken;

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(arguments[0]);
	began = now();
	if (send)
		give_bytes(fd, buffer, (uint64_t)mib * MIB);
	taken = take_bytes(fd, buffer);
	if (!send && taken != (uint64_t)mib * MIB) {
		fprintf(stderr, "rig-bench: %llu bytes came\n", (unsigned long long)taken);
		return 1;
	}
	return report(began, mib);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "disk") == 0 && argc == 8)
		return disk(argv + 2);
	if (strcmp(verb, "console") == 0 && argc == 5)
		return console(argv + 2);
	if (strcmp(verb, "take") == 0 && argc == 3)
		serve(argv[2], 0);
	if (strcmp(verb, "give") == 0 && argc == 4)
		serve(argv[2], strtoul(argv[3], NULL, 0) * MIB);
	if (strcmp(verb, "send") == 0 && argc == 5)
		return call(argv + 2, true);
	if (strcmp(verb, "receive") == 0 && argc == 5)
		return call(argv + 2, false);
	fprintf(stderr, "usage: rig-bench disk|console|take|give|send|receive ...\n");
	return 2;
}
