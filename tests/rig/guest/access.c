/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes an access at a guest-physical address that KVM has no syndrome for, as a hostile guest can:
 *
 *   rig-access load-pair|store-pair|post-index|zero ADDRESS
 *
 * Says "external abort" when the access was answered with one, "done" when it went through.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static sigjmp_buf aborted;

static void on_abort(int number)
{
	(void)number;
	siglongjmp(aborted, 1);
}

static int access_memory(const char *kind, void *at)
{
	uint64_t a = 0, b = 0;

	if (strcmp(kind, "load-pair") == 0)
		__asm__ volatile("ldp %0, %1, [%2]" : "=r"(a), "=r"(b) : "r"(at) : "memory");
	else if (strcmp(kind, "store-pair") == 0)
		__asm__ volatile("stp %0, %1, [%2]" : : "r"(a), "r"(b), "r"(at) : "memory");
	else if (strcmp(kind, "post-index") == 0)
		__asm__ volatile("ldr %w0, [%1], #4" : "=r"(a), "+r"(at) : : "memory");
	else if (strcmp(kind, "zero") == 0)
		__asm__ volatile("dc zva, %0" : : "r"(at) : "memory");
	else
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_abort };
	uint64_t address;
	char *page;
	int fd;

	if (argc != 3)
		return 2;
	address = strtoull(argv[2], NULL, 0);
	fd = open("/dev/mem", O_RDWR | O_SYNC);
	if (fd < 0)
		return 1;
	page = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(address & ~4095ull));
	if (page == MAP_FAILED)
		return 1;
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	if (sigsetjmp(aborted, 1)) {
		puts("external abort");
		return 0;
	}
	if (access_memory(argv[1], page + (address & 4095)) < 0)
		return 2;
	puts("done");
	return 0;
}
