/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting, stopping and reaping workers. The worker is this test program itself, started as
 * `bpmp-vmm worker unit-KIND`: the constructor below is then its main.
 */
#include "tests/unit/fakes.h"
#include "vmm/base/log.h"
#include "vmm/base/worker.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- the worker ------------------------------------------------------------------------------- */

/* Its open descriptors above standard error, by number: "3 4 5 ". */
static void list_descriptors(char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int fd = 3; fd < 1024 && used < size; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			used += (size_t)snprintf(text + used, size - used, "%d ", fd);
}

/* What standard input and output are: "/dev/null /dev/null". */
static void name_ends(char *text, size_t size)
{
	char input[64] = "", output[64] = "";

	if (readlink("/proc/self/fd/0", input, sizeof(input) - 1) < 0 ||
		readlink("/proc/self/fd/1", output, sizeof(output) - 1) < 0)
		_exit(10);
	snprintf(text, size, "%s %s", input, output);
}

static void report(const char *level)
{
	char text[2048], descriptors[512], ends[160], given[WORKER_MAX_FDS + 1] = "";
	struct sigaction action;
	int parent_death = 0;
	sigset_t blocked;

	list_descriptors(descriptors, sizeof(descriptors));
	name_ends(ends, sizeof(ends));
	for (int i = 0; i < WORKER_MAX_FDS; i++) {
		ssize_t n = pread(WORKER_FIRST_FD + i, given + i, 1, 0);

		given[i] = n == 1 ? given[i] : '\0';
	}
	prctl(PR_GET_PDEATHSIG, &parent_death);
	sigaction(SIGTERM, NULL, &action);
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	snprintf(text, sizeof(text),
		"ends %s fds %sgiven %s log %s environment %s death %d ignores %d blocks %d", ends,
		descriptors, given, level ? level : "-", environ[0] ? environ[0] : "-",
		parent_death, action.sa_handler == SIG_IGN, sigismember(&blocked, SIGUSR1));
	if (write(WORKER_SOCKET, text, strlen(text)) < 0)
		_exit(9);
}

static void echo(void)
{
	char text[64];
	ssize_t size = read(WORKER_SOCKET, text, sizeof(text));

	if (size <= 0 || write(WORKER_SOCKET, text, (size_t)size) != size)
		_exit(9);
}

static void wait_for_end_of_socket(void)
{
	char byte;

	while (read(WORKER_SOCKET, &byte, 1) > 0)
		;
}

__attribute__((constructor)) static void worker_main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "worker") != 0)
		return;
	/* From here on it never returns: the tests would run anew, and start workers again. */
	if (argc < 3)
		_exit(8);
	if (strcmp(argv[2], "unit-report") == 0)
		report(argv[3]);
	else if (strcmp(argv[2], "unit-status") == 0)
		_exit(3);
	else if (strcmp(argv[2], "unit-denied") == 0)
		kill(getpid(), SIGSYS);
	else if (strcmp(argv[2], "unit-deaf") == 0)
		for (;;)
			pause();
	else if (strcmp(argv[2], "unit-echo") == 0)
		echo();
	else if (strcmp(argv[2], "unit-wait") != 0)
		_exit(8);
	wait_for_end_of_socket();
	_exit(0);
}

/* --- the tests -------------------------------------------------------------------------------- */

static struct worker worker;

static void begin(void)
{
	fake_log_capture();
	unsetenv(WORKER_UNJAILED_VARIABLE);
}

TestSuite(worker, .init = begin, .timeout = 60);

/* What the worker says of itself. */
static const char *reported(void)
{
	static char text[2048];
	ssize_t n = read(worker.socket, text, sizeof(text) - 1);

	cr_assert_gt(n, 0);
	text[n] = '\0';
	return text;
}

static void assert_reported(const char *words)
{
	const char *text = reported();

	cr_assert_not_null(strstr(text, words), "'%s' is not in '%s'", words, text);
}

static int file_with(char byte)
{
	int fd = memfd_create("given", 0);

	cr_assert_eq(write(fd, &byte, 1), 1);
	return fd;
}

Test(worker, has_its_socket_and_what_it_was_given_and_no_more)
{
	const int fds[] = { file_with('a'), file_with('b'), file_with('c') };

	file_with('x'); /* not for the worker, and not close-on-exec */
	cr_assert_eq(worker_start(&worker, "unit-report", SOCK_SEQPACKET, fds, 3, false), 0);
	assert_reported("ends /dev/null /dev/null fds 3 4 5 6 given abc log 20 environment - death "
			"0 ignores 1 blocks 0");
	for (int i = 0; i < 3; i++)
		cr_assert_geq(fcntl(fds[i], F_GETFD), 0, "the caller's stay open");
	worker_stop(&worker, 5000);
}

Test(worker, takes_no_descriptor_or_all_8)
{
	int fds[WORKER_MAX_FDS + 1];

	cr_assert_eq(worker_start(&worker, "unit-report", SOCK_STREAM, NULL, 0, false), 0);
	assert_reported("ends /dev/null /dev/null fds 3 given  ");
	worker_stop(&worker, 5000);
	for (int i = 0; i < WORKER_MAX_FDS + 1; i++)
		fds[i] = file_with((char)('a' + i));
	cr_assert_eq(
		worker_start(&worker, "unit-report", SOCK_STREAM, fds, WORKER_MAX_FDS, false), 0);
	assert_reported("ends /dev/null /dev/null fds 3 4 5 6 7 8 9 10 11 given abcdefgh ");
	worker_stop(&worker, 5000);
	cr_assert_eq(
		worker_start(&worker, "unit-report", SOCK_STREAM, fds, WORKER_MAX_FDS + 1, false),
		-EINVAL);
	cr_assert_eq(worker.pid_fd, -1);
}

/* Those given may already have each other's numbers. */
Test(worker, order_of_descriptors_is_kept_whatever_their_numbers)
{
	int fds[WORKER_MAX_FDS];

	for (int i = 0; i < WORKER_MAX_FDS; i++)
		fds[WORKER_MAX_FDS - 1 - i] = file_with((char)('a' + i));
	cr_assert_eq(
		worker_start(&worker, "unit-report", SOCK_STREAM, fds, WORKER_MAX_FDS, false), 0);
	assert_reported(" given hgfedcba ");
	worker_stop(&worker, 5000);
}

/* A machine with many devices has many. */
Test(worker, machine_may_have_hundreds_of_descriptors)
{
	const int given = file_with('a');

	for (int i = 0; i < 300; i++)
		cr_assert_geq(dup(given), 0);
	cr_assert_eq(worker_start(&worker, "unit-report", SOCK_STREAM, &given, 1, false), 0);
	assert_reported("ends /dev/null /dev/null fds 3 4 given a ");
	worker_stop(&worker, 5000);
}

Test(worker, environment_holds_one_variable_at_most)
{
	setenv("SECRET", "x", 1);
	setenv(WORKER_UNJAILED_VARIABLE, "1", 1);
	cr_assert_eq(worker_start(&worker, "unit-report", SOCK_STREAM, NULL, 0, false), 0);
	assert_reported("environment " WORKER_UNJAILED_VARIABLE "=1 ");
	worker_stop(&worker, 5000);
}

Test(worker, log_level_and_format_are_its_last_argument)
{
	log_set_level(LOG_DEBUG);
	log_set_format(LOG_JSON);
	cr_assert_eq(worker_start(&worker, "unit-report", SOCK_STREAM, NULL, 0, false), 0);
	assert_reported(" log 31 ");
	worker_stop(&worker, 5000);
}

Test(worker, dies_with_the_machine_if_asked)
{
	char text[64];
	int pipe_fds[2];
	pid_t machine;

	cr_assert_eq(worker_start(&worker, "unit-report", SOCK_STREAM, NULL, 0, true), 0);
	assert_reported("death 9 ");
	worker_stop(&worker, 5000);

	/* The worker has the pipe's end: it reads as closed when both are gone. */
	cr_assert_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	machine = fork();
	if (machine == 0) {
		worker_start(&worker, "unit-deaf", SOCK_STREAM, &pipe_fds[1], 1, true);
		_exit(0);
	}
	close(pipe_fds[1]);
	waitpid(machine, NULL, 0);
	cr_assert_eq(read(pipe_fds[0], text, sizeof(text)), 0);
}

Test(worker, reads_first_what_it_was_started_with)
{
	const char first[] = "first words";
	int fd = file_with('a');
	char text[64];

	cr_assert_eq(
		worker_start_with(&worker, "unit-echo", &fd, 1, true, first, sizeof(first)), 0);
	cr_assert_eq(read(worker.socket, text, sizeof(text)), (ssize_t)sizeof(first));
	cr_assert_str_eq(text, first);
	worker_stop(&worker, 5000);
	cr_assert_str_eq(fake_log_text(), "");
}

Test(worker, socket_keeps_the_bounds_of_packets)
{
	int type = 0;
	socklen_t size = sizeof(type);

	cr_assert_eq(worker_start(&worker, "unit-report", SOCK_SEQPACKET, NULL, 0, false), 0);
	getsockopt(worker.socket, SOL_SOCKET, SO_TYPE, &type, &size);
	cr_assert_eq(type, SOCK_SEQPACKET);
	cr_assert(fcntl(worker.socket, F_GETFD) & FD_CLOEXEC);
	worker_stop(&worker, 5000);
}

Test(worker, stop_asks_by_closing_the_socket)
{
	pid_t pid;

	cr_assert_eq(worker_start(&worker, "unit-wait", SOCK_STREAM, NULL, 0, false), 0);
	pid = worker.pid;
	worker_stop(&worker, 30000);
	cr_assert_eq(kill(pid, 0), -1, "it is reaped");
	cr_assert_eq(worker.pid_fd, -1);
	cr_assert_eq(worker.socket, -1);
	cr_assert_str_eq(fake_log_text(), "");
	worker_stop(&worker, 30000); /* nothing left to stop */
}

Test(worker, stop_kills_what_does_not_end)
{
	pid_t pid;

	cr_assert_eq(worker_start(&worker, "unit-deaf", SOCK_STREAM, NULL, 0, false), 0);
	pid = worker.pid;
	worker_stop(&worker, 50);
	cr_assert_eq(kill(pid, 0), -1);
	cr_assert_not_null(
		strstr(fake_log_text(), "the unit-deaf worker does not end; killing it"));
}

static void interrupt(int signal_number)
{
	(void)signal_number;
}

Test(worker, stop_is_not_cut_short_by_a_signal)
{
	const struct sigaction action = { .sa_handler = interrupt };
	const struct itimerval soon = { .it_value.tv_usec = 50 * 1000 };
	pid_t pid;

	cr_assert_eq(worker_start(&worker, "unit-deaf", SOCK_STREAM, NULL, 0, false), 0);
	pid = worker.pid;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	worker_stop(&worker, 200);
	cr_assert_eq(kill(pid, 0), -1, "no process stays behind");
}

static const char *end_of(const char *kind, int signal)
{
	static char reason[128];
	siginfo_t ended;

	cr_assert_eq(worker_start(&worker, kind, SOCK_STREAM, NULL, 0, false), 0);
	if (signal)
		kill(worker.pid, signal);
	waitid(P_PID, (id_t)worker.pid, &ended, WEXITED | WNOWAIT);
	worker_reap(&worker, reason, sizeof(reason));
	cr_assert_eq(worker.pid_fd, -1);
	cr_assert_eq(worker.socket, -1);
	return reason;
}

Test(worker, how_it_ended_is_named)
{
	cr_assert_str_eq(end_of("unit-status", 0), "ended with status 3");
	cr_assert_str_eq(end_of("unit-wait", SIGKILL), "killed by signal 9 (SIGKILL)");
	cr_assert_str_eq(
		end_of("unit-denied", 0), "killed by signal 31 (SIGSYS): a system call was denied");
}

Test(worker, reaping_what_is_gone_does_no_harm)
{
	char reason[128];

	end_of("unit-status", 0);
	worker_reap(&worker, reason, sizeof(reason));
	cr_assert_str_eq(reason, "its process is gone");
}

Test(worker, missing_socket_type_is_said)
{
	cr_assert_lt(worker_start(&worker, "unit-wait", 99, NULL, 0, false), 0);
	cr_assert_not_null(strstr(fake_log_text(), "cannot start the unit-wait worker"));
	cr_assert_eq(worker.pid_fd, -1);
	worker_stop(&worker, 1);
}
