/* SPDX-License-Identifier: Apache-2.0 */
/* The character device: every check of the ABI, in its order. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bpmp_call.h"
#include "selftest.h"

#define GENERATION "/sys/module/rig_bpmp/parameters/generation"

static const uint32_t ping[] = { 21 };

/* True if neither the header's answers nor the buffer were touched. */
static int untouched(const struct call *call, unsigned int answer)
{
	size_t i;

	for (i = 0; i < sizeof(call->rx) / sizeof(*call->rx); i++)
		if (call->rx[i] != 0xeeeeeeee)
			return 0;
	return call->wire.ret == 12345 && call->wire.rx_size == answer;
}

/* write() past the compiler's checks: wrong lengths and addresses are the point. */
static int raw(const struct call *call, const void *header, size_t length)
{
	return syscall(SYS_write, call->fd, header, length) < 0 ? errno : 0;
}

static void test_length(struct results *r, struct call *call)
{
	char name[8];

	prepare(call, PING, 1, ping, 4);
	CHECK(r, raw(call, &call->wire, 47) == EINVAL);
	CHECK(r, raw(call, &call->wire, 49) == EINVAL);
	CHECK(r, raw(call, &call->wire, 56) == EINVAL);
	CHECK(r, raw(call, NULL, 47) == EINVAL);
	CHECK(r, untouched(call, 4));
	CHECK(r, read(call->fd, name, sizeof(name)) == 0);
	CHECK(r, ioctl(call->fd, 0, 0) == -1 && errno == ENOTTY);
}

static void test_sizes(struct results *r, struct call *call)
{
	prepare(call, PING, 1, ping, 4);
	call->wire.tx_size = 513;
	CHECK(r, submit(call) == EINVAL);
	prepare(call, PING, 1, ping, 513);
	CHECK(r, submit(call) == EINVAL);
	prepare(call, PING, 1, ping, 4);
	call->wire.tx_size = UINT64_MAX;
	call->wire.tx_data = 0; /* the size is checked first */
	CHECK(r, submit(call) == EINVAL);
	/* The proxy takes 512 bytes, the BPMP 120. */
	prepare(call, PING, 1, ping, 4);
	call->wire.tx_size = 512;
	CHECK(r, submit(call) == EINVAL);
	call->wire.tx_size = 121;
	CHECK(r, submit(call) == EINVAL);
	prepare(call, PING, 1, ping, 121);
	CHECK(r, submit(call) == EINVAL && untouched(call, 121));
	prepare(call, PING, 1, ping, 120);
	call->wire.tx_size = 120;
	CHECK(r, submit(call) == 0 && call->rx[0] == 42 && call->rx[1] == 0);
	CHECK(r, call->rx[30] == 0xeeeeeeee && call->wire.rx_size == 120 && call->wire.ret == 0);
	prepare(call, PING, 1, ping, 0);
	call->wire.rx_data = 0;
	CHECK(r, submit(call) == 0 && call->wire.ret == 0);
	/* The BPMP is asked only after the allow-list: what is denied and too long is denied. */
	prepare(call, I2C, 1, ping, 4);
	call->wire.tx_size = 121;
	CHECK(r, submit(call) == EPERM);
}

static void test_pointers(struct results *r, struct call *call)
{
	void *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *constant = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(r, raw(call, none, 48) == EFAULT);
	prepare(call, PING, 1, ping, 4);
	call->wire.tx_data = (uintptr_t)none;
	CHECK(r, submit(call) == EFAULT);
	prepare(call, PING, 1, ping, 4);
	call->wire.rx_data = (uintptr_t)none;
	CHECK(r, submit(call) == EFAULT);
	/* A pointer that is not used may be anything. */
	prepare(call, PING, 0, ping, 4);
	call->wire.tx_data = (uintptr_t)none;
	CHECK(r, submit(call) == 0 && call->rx[0] == 0);
	/* Both are copied back: the request's buffer must be writable, too. */
	prepare(call, PING, 1, ping, 4);
	call->wire.tx_data = (uintptr_t)constant;
	CHECK(r, submit(call) == EFAULT);
	prepare(call, PING, 1, ping, 4);
	call->wire.rx_data = (uintptr_t)constant;
	CHECK(r, submit(call) == EFAULT);
	/* A header that cannot be updated: all zeroes is a PING without data. */
	CHECK(r, raw(call, constant, 48) == EFAULT);
	/* Pointers are checked before the allow-list. */
	prepare(call, I2C, 1, ping, 4);
	call->wire.rx_data = (uintptr_t)none;
	CHECK(r, submit(call) == EFAULT);
	munmap(none, 4096);
	munmap(constant, 4096);
}

static void test_no_bpmp(struct results *r, struct call *call)
{
	write_file(DEBUGFS "present", "N");
	CHECK(r, request(call, PING, 1, 0, 0) == ENODEV && untouched(call, 120));
	CHECK(r, request(call, I2C, 1, 0, 0) == ENODEV);
	write_file(DEBUGFS "present", "Y");
	CHECK(r, request(call, PING, 1, 0, 0) == 0);
}

static void test_denied(struct results *r, struct call *call)
{
	static const uint32_t reset[] = { 2, 100 };
	static const uint32_t clock[] = { GET_MAX_CLK_ID << 24 };

	CHECK(r, request(call, I2C, 1, 0, 0) == EPERM && untouched(call, 120));
	CHECK(r, request(call, DEBUG, 1, 0, 0) == EPERM);
	CHECK(r, request(call, DEBUGFS_OLD, 1, 0, 0) == EPERM);
	CHECK(r, request(call, 0xffffffff, 1, 0, 0) == EPERM);
	prepare(call, RESET, 1, reset, 4);
	CHECK(r, submit(call) == EPERM);
	prepare(call, RESET, 2, reset, 4);
	CHECK(r, submit(call) == 0);
	CHECK(r, request(call, RESET, 2, 102, 0) == EPERM);
	prepare(call, CLK, 1, clock, 4);
	call->wire.tx_size = 3;
	CHECK(r, submit(call) == EPERM);
	call->wire.tx_size = 4;
	CHECK(r, submit(call) == 0);
	CHECK(r, clock_request(call, ENABLE, 157, 0) == EPERM);
	CHECK(r, clock_request(call, SET_RATE, 157, 9600) == EPERM);
	CHECK(r, clock_request(call, RESET_REFCOUNTS, 157, 0) == EPERM);
	/* Listed, but a root that everybody shares. */
	CHECK(r, clock_request(call, DISABLE, 102, 0) == EPERM);
	CHECK(r, clock_request(call, SET_RATE, 102, 9600) == EPERM);
	CHECK(r, clock_request(call, SET_PARENT, 102, 14) == EPERM);
	CHECK(r, clock_request(call, DISABLE, 14, 0) == EPERM);
	/* Roots may be enabled, and everything may be read. */
	CHECK(r, clock_request(call, ENABLE, 14, 0) == 0);
	CHECK(r, clock_request(call, ENABLE, 103, 0) == 0 && call->wire.ret == -22);
	CHECK(r, clock_request(call, GET_RATE, 380, 0) == 0);
	CHECK(r, clock_request(call, IS_ENABLED, 380, 0) == 0);
	CHECK(r, clock_request(call, GET_PARENT, 380, 0) == 0);
	CHECK(r, request(call, PG, 1, 35, 1) == EPERM);
	CHECK(r, request(call, PG, 2, 35, 0) == 0);
	CHECK(r, request(call, PG, 1, 18, 1) == 0);
}

/* A proxy with a name and lists of its own. */
static void test_second_node(struct results *r)
{
	struct call call = { .fd = open("/dev/bpmp-host-uart-vm", O_RDWR | O_CLOEXEC) };

	CHECK(r, call.fd >= 0);
	CHECK(r, clock_request(&call, SET_RATE, 156, 9600) == EPERM);
	CHECK(r, request(&call, RESET, 2, 101, 0) == EPERM);
	CHECK(r, request(&call, PG, 1, 18, 1) == EPERM);
	CHECK(r, clock_request(&call, ENABLE, 102, 0) == 0);
	close(call.fd);
}

static void test_generation_2(struct results *r, struct call *call)
{
	write_file(GENERATION, "2");
	CHECK(r, clock_request(call, GET_RATE, 380, 0) == EPERM);
	CHECK(r, clock_request(call, GET_ALL_INFO, 380, 0) == 0);
	CHECK(r, clock_request(call, ENABLE, 103, 0) == EPERM);
	CHECK(r, clock_request(call, ENABLE, 155, 0) == 0);
	/* Its masks are narrower: id 0x1009b is judged as 155, and reaches the firmware as it is.
	 */
	CHECK(r, clock_request(call, ENABLE, 0x1009b, 0) == 0 && call->wire.ret == -22);
	CHECK(r, request(call, DEBUG, 1, 0, 0) == 0 && call->wire.ret == -3);
	write_file(GENERATION, "3");
	CHECK(r, clock_request(call, ENABLE, 0x1009b, 0) == EPERM);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A hang of 60 s that "off" ends; SIGKILL does not. */
static void test_hang_ends(struct results *r, struct call *call)
{
	double start = now();
	int status;
	pid_t child;

	write_file(DEBUGFS "fault", "every hang=60000");
	child = fork();
	if (child == 0)
		_exit(request(call, PING, 1, 0, 0));
	usleep(300000);
	kill(child, SIGKILL);
	usleep(300000);
	CHECK(r, waitpid(child, &status, WNOHANG) == 0);
	write_file(DEBUGFS "fault", "off");
	CHECK(r, waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	CHECK(r, now() - start < 10);
}

static void test_faults(struct results *r, struct call *call)
{
	double start;

	write_file(DEBUGFS "fault", "next errno=110");
	CHECK(r, request(call, PING, 1, 0, 0) == ETIMEDOUT && untouched(call, 120));
	CHECK(r, request(call, PING, 1, 0, 0) == 0);
	write_file(DEBUGFS "fault", "every errno=11 mrq=20");
	CHECK(r, request(call, PING, 1, 0, 0) == 0);
	CHECK(r, request(call, RESET, 1, 100, 0) == EAGAIN);
	CHECK(r, request(call, RESET, 1, 100, 0) == EAGAIN);
	CHECK(r, request(call, RESET, 1, 102, 0) == EPERM); /* never gets as far */
	write_file(DEBUGFS "fault", "next ret=-5");
	CHECK(r, request(call, PING, 1, 0, 0) == 0 && call->wire.ret == -5);
	write_file(DEBUGFS "fault", "next hang=300");
	start = now();
	CHECK(r, request(call, PING, 1, 0, 0) == 0 && call->rx[0] == 2);
	CHECK(r, now() - start >= 0.3);
	test_hang_ends(r, call);
}

void test_bpmp(struct results *r)
{
	struct call call = { .fd = open("/dev/bpmp-host", O_RDWR | O_CLOEXEC) };

	CHECK(r, call.fd >= 0);
	test_length(r, &call);
	test_sizes(r, &call);
	test_pointers(r, &call);
	test_no_bpmp(r, &call);
	test_denied(r, &call);
	test_second_node(r);
	test_generation_2(r, &call);
	test_faults(r, &call);
	write_file(DEBUGFS "state_reset", "1");
	close(call.fd);
}
