/* SPDX-License-Identifier: Apache-2.0 */
/* What a program that is not ours is kept from. */
#include "seccomp/program_filter.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *thread(void *unused)
{
	return unused;
}

/* Each way out is one bit of the child's exit status; 0: all are closed, and files are not. */
static int what_is_left(const struct sock_fprog *filter)
{
	char text[2] = "";
	struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
	pthread_t other;
	int left = 0, fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter) < 0)
		return 64;
	left |= socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || errno != EPERM;
	left |= (socket(AF_INET, SOCK_DGRAM, 0) >= 0 || errno != EPERM) << 1;
	left |= (syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != EPERM) << 2;
	left |= (kill(getppid(), 0) == 0 || errno != EPERM) << 3;
	left |= (syscall(SYS_tgkill, getppid(), getppid(), 0) == 0 || errno != EPERM) << 3;
	left |= (fcntl(0, F_SETOWN, getppid()) == 0 || errno != EPERM) << 3;
	left |= (fcntl(0, F_SETSIG, SIGKILL) == 0 || errno != EPERM) << 3;
	left |= (syscall(SYS_prlimit64, getppid(), RLIMIT_CPU, NULL, &limit) == 0 || errno != EPERM)
		<< 3;
	left |= (getrlimit(RLIMIT_CPU, &limit) != 0) << 5;
	left |= (fcntl(0, F_GETFD) < 0) << 5;
	left |= (syscall(SYS_ptrace, 0, 0, 0, 0) == 0 || errno != EPERM) << 4;
	left |= (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) >= 0 || errno != EPERM)
		<< 4;
	left |= (syscall(SYS_clone3, NULL, 0) >= 0 || errno != ENOSYS) << 4;
	left |= (pthread_create(&other, NULL, thread, NULL) != 0) << 5;
	fd = open("/dev/zero", O_RDONLY);
	left |= (read(fd, text, 1) != 1) << 5;
	return left;
}

Test(program_filter, denies_what_no_disk_needs)
{
	struct sock_fprog filter;
	int status;
	pid_t child;

#ifdef __SANITIZE_THREAD__
	cr_skip_test("the thread sanitizer needs what is denied");
#endif
	cr_assert_eq(program_filter_make(&filter), 0);
	cr_assert_gt(filter.len, 10);
	child = fork();
	if (child == 0)
		_exit(what_is_left(&filter));
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "status 0x%x", status);
	cr_assert_eq(WEXITSTATUS(status), 0, "left: 0x%x", WEXITSTATUS(status));
	free(filter.filter);
}
