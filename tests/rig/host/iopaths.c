/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to have a file's I/O done by others, as a disk's worker does, for tests/bench/disk:
 *
 *   rig-iopaths FILE SIZE [direct] [jailed]
 *
 * Reads and writes SIZE bytes in turns, one request after the other, each of which is waited for
 * with poll() on an eventfd. Prints nanoseconds for each: done at once, handed to a thread, and
 * given to a restricted io_uring with FILE registered; "direct" past the page cache, "jailed" as a
 * user that may have no more threads, which a worker is.
 */
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FEW  200
#define MANY 2000

static int file, done_fd;
static struct iovec buffer;

static void need(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	exit(1);
}

static off_t place(unsigned int i)
{
	return (off_t)(i / 2 % 1024 * buffer.iov_len);
}

static void at_once(unsigned int i)
{
	ssize_t done =
		i % 2 ? preadv(file, &buffer, 1, place(i)) : pwritev(file, &buffer, 1, place(i));

	need(done == (ssize_t)buffer.iov_len, "at once");
}

static void wait_for_done(void)
{
	struct pollfd done = { .fd = done_fd, .events = POLLIN };
	uint64_t count;

	need(poll(&done, 1, -1) == 1 && read(done_fd, &count, sizeof(count)) == 8, "eventfd");
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static unsigned int waiting; /* request + 1; 0: none */

static void *thread(void *unused)
{
	const uint64_t one = 1;

	for (;;) {
		unsigned int request;

		pthread_mutex_lock(&lock);
		while (!waiting)
			pthread_cond_wait(&work, &lock);
		request = waiting - 1;
		waiting = 0;
		pthread_mutex_unlock(&lock);
		at_once(request);
		need(write(done_fd, &one, sizeof(one)) == 8, "eventfd");
	}
	return unused;
}

static void by_thread(unsigned int i)
{
	pthread_mutex_lock(&lock);
	waiting = i + 1;
	pthread_cond_signal(&work);
	pthread_mutex_unlock(&lock);
	wait_for_done();
}

static struct ring {
	int fd;
	struct io_uring_params params;
	char *submissions, *completions;
	struct io_uring_sqe *entries;
} ring = { .params.flags = IORING_SETUP_R_DISABLED };

static int ring_register(unsigned int what, const void *argument, unsigned int count)
{
	return (int)syscall(SYS_io_uring_register, ring.fd, what, argument, count);
}

static void *ring_map(size_t size, off_t what)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, what);

	need(at != MAP_FAILED, "io_uring");
	return at;
}

static void open_ring(void)
{
	const struct io_uring_restriction allowed[] = {
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READV },
		{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITEV },
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE },
	};
	struct io_uring_params *params = &ring.params;

	ring.fd = (int)syscall(SYS_io_uring_setup, 64, params);
	need(ring.fd >= 0, "io_uring_setup");
	ring.submissions = ring_map(
		params->sq_off.array + params->sq_entries * sizeof(uint32_t), IORING_OFF_SQ_RING);
	ring.completions =
		ring_map(params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe),
			IORING_OFF_CQ_RING);
	ring.entries = ring_map(params->sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
	need(ring_register(IORING_REGISTER_FILES, &file, 1) >= 0 &&
			ring_register(IORING_REGISTER_EVENTFD, &done_fd, 1) >= 0 &&
			ring_register(IORING_REGISTER_RESTRICTIONS, allowed, 3) >= 0 &&
			ring_register(IORING_REGISTER_ENABLE_RINGS, NULL, 0) >= 0,
		"io_uring_register");
}

static uint32_t *word(char *at, uint32_t offset)
{
	return (uint32_t *)(void *)(at + offset);
}

static void by_ring(unsigned int i)
{
	const struct io_sqring_offsets *sq = &ring.params.sq_off;
	const struct io_cqring_offsets *cq = &ring.params.cq_off;
	uint32_t tail = *word(ring.submissions, sq->tail), head, slot;
	const struct io_uring_cqe *answer;

	slot = tail & *word(ring.submissions, sq->ring_mask);
	ring.entries[slot] = (struct io_uring_sqe){
		.opcode = i % 2 ? IORING_OP_READV : IORING_OP_WRITEV,
		.flags = IOSQE_FIXED_FILE,
		.off = (uint64_t)place(i),
		.addr = (uintptr_t)&buffer,
		.len = 1,
	};
	word(ring.submissions, sq->array)[slot] = slot;
	__atomic_store_n(word(ring.submissions, sq->tail), tail + 1, __ATOMIC_RELEASE);
	need(syscall(SYS_io_uring_enter, ring.fd, 1, 0, 0, NULL, 0) == 1, "io_uring_enter");
	wait_for_done();
	head = *word(ring.completions, cq->head);
	answer = (const struct io_uring_cqe *)(void *)(ring.completions + cq->cqes) +
		(head & *word(ring.completions, cq->ring_mask));
	if (answer->res != (int)buffer.iov_len) {
		printf("io_uring: %s\n", strerror(-answer->res));
		exit(0);
	}
	__atomic_store_n(word(ring.completions, cq->head), head + 1, __ATOMIC_RELEASE);
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static void measure(const char *name, void (*request)(unsigned int i))
{
	int64_t before;

	for (unsigned int i = 0; i < FEW; i++)
		request(i);
	before = now();
	for (unsigned int i = 0; i < MANY; i++)
		request(i);
	printf("%s: %lld\n", name, (long long)(now() - before) / MANY);
	fflush(stdout);
}

static int has_word(int argc, char **argv, const char *wanted)
{
	for (int i = 3; i < argc; i++)
		if (strcmp(argv[i], wanted) == 0)
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	const struct rlimit none = { 0, 0 };
	pthread_t id;

	if (argc < 3) {
		fprintf(stderr, "usage: rig-iopaths FILE SIZE [direct] [jailed]\n");
		return 2;
	}
	file = open(argv[1], O_RDWR | (has_word(argc, argv, "direct") ? O_DIRECT : 0));
	need(file >= 0, argv[1]);
	buffer.iov_len = strtoul(argv[2], NULL, 0);
	buffer.iov_base = aligned_alloc(4096, (buffer.iov_len + 4095) / 4096 * 4096);
	memset(buffer.iov_base, 1, buffer.iov_len);
	done_fd = eventfd(0, 0);
	need(pthread_create(&id, NULL, thread, NULL) == 0, "thread");
	if (has_word(argc, argv, "jailed"))
		need(setrlimit(RLIMIT_NPROC, &none) == 0 && setuid(1000) == 0, "jail");
	measure("at once", at_once);
	measure("thread", by_thread);
	open_ring();
	measure("io_uring", by_ring);
	return 0;
}
