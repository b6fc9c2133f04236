/* SPDX-License-Identifier: Apache-2.0 */
/* Starting programs that are not ours; here Python, as a shell clears its signal mask. */
#include "tests/unit/fakes.h"
#include "vmm/base/program.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The parenthesis is closed by what is said. */
#define SAY "import os; say = lambda *words: print(*words, file=open(3, 'w')); say("

static struct worker program;
static int ours, theirs;

static void begin(void)
{
	int pair[2];

	fake_log_capture();
	unsetenv(WORKER_UNJAILED_VARIABLE);
	setenv("PATH", "bin::/none:/usr/bin:/bin", 1);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	ours = pair[0];
	theirs = pair[1];
}

TestSuite(program, .init = begin, .timeout = 60);

static int start(const char *name, char *script)
{
	char option[] = "-c", argument[64];
	char *arguments[] = { argument, option, script, NULL };
	int error;

	snprintf(argument, sizeof(argument), "%s", name);
	error = program_start(&program,
		&(struct program){
			.name = name,
			.package = "the-package",
			.arguments = arguments,
			.fds = &theirs,
			.fd_count = 1,
			.rules = -1,
			.stop_signal = SIGINT,
		},
		ours);
	close(theirs);
	return error;
}

/* What it writes to its socket until it closes that. */
static const char *answer(void)
{
	static char text[2048];
	size_t used = 0;
	ssize_t n;

	while ((n = read(program.socket, text + used, sizeof(text) - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	return text;
}

static void assert_answer(char *script, const char *words)
{
	const char *text;

	cr_assert_eq(start("python3", script), 0, "%s", fake_log_text());
	text = answer();
	cr_assert_not_null(strstr(text, words), "'%s' is not in '%s'", words, text);
	worker_stop(&program, 5000);
}

Test(program, has_what_it_was_given_and_no_more)
{
	char script[] = SAY "[os.path.exists('/proc/self/fd/%d' % i) for i in range(2, 6)], "
			    "os.readlink('/proc/self/fd/0'), os.readlink('/proc/self/fd/1'))";

	cr_assert_geq(dup(open("/dev/zero", O_RDONLY)), 0); /* not for it */
	assert_answer(script, "[True, True, False, False] /dev/null /dev/null\n");
	cr_assert_not_null(strstr(fake_log_text(),
		"python3: no new privileges, capabilities dropped; off: seccomp Landlock"));
}

Test(program, has_no_privileges_and_no_environment)
{
	char script[] = SAY "open('/proc/self/environ').read() == '', *(line for name in "
			    "('status', 'limits') for line in "
			    "open('/proc/self/' + name) if line.startswith(('NoNew', 'CapInh', "
			    "'CapPrm', 'CapEff', 'SigBlk', 'Max core'))))";

	setenv("SECRET", "x", 1);
	/* Blocked: SIGHUP, SIGQUIT, SIGTERM. */
	assert_answer(script,
		"True SigBlk:\t0000000000004005\n CapInh:\t0000000000000000\n "
		"CapPrm:\t0000000000000000\n CapEff:\t0000000000000000\n "
		"NoNewPrivs:\t1\n Max core file size        0  ");
}

Test(program, is_in_a_session_of_its_own)
{
	char script[] = SAY "os.getsid(0), open('/proc/self/stat').read().split()[6])";
	char expected[64];

	cr_assert_eq(start("python3", script), 0);
	snprintf(expected, sizeof(expected), "%d 0\n", program.pid);
	cr_assert_str_eq(answer(), expected);
	worker_stop(&program, 5000);
}

/* Its socket's end is not its own, and a service's stop is not for it. */
Test(program, ends_at_its_signal_alone)
{
	/* Handlers as those of qemu-storage-daemon. */
	char script[] =
		"import os, signal, time\n"
		"for number in (1, 2, 3, 15): signal.signal(number, lambda *_: os._exit(0))\n"
		"os.write(3, b'ready\\n')\n"
		"while True: time.sleep(1)";
	char line[8];
	pid_t pid;

	cr_assert_eq(start("python3", script), 0);
	pid = program.pid;
	cr_assert_eq(read(program.socket, line, 6), 6);
	kill(pid, SIGTERM);
	kill(pid, SIGHUP);
	kill(pid, SIGQUIT);
	cr_assert(!worker_has_ended(&program, 300));
	worker_stop(&program, 30000);
	cr_assert_eq(kill(pid, 0), -1);
	cr_assert_null(strstr(fake_log_text(), "does not end"));
}

Test(program, dies_with_the_machine)
{
	char script[] = "import os, time; os.write(3, b'ready\\n'); time.sleep(1000)";
	char line[8];
	pid_t machine = fork();
	int status;

	if (machine == 0)
		_exit(start("python3", script) == 0 && read(program.socket, line, 6) == 6 ? 0 : 1);
	close(theirs);
	cr_assert_eq(waitpid(machine, &status, 0), machine);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	while (read(ours, line, sizeof(line)) > 0)
		;
}

Test(program, that_is_not_installed_is_named_with_its_package)
{
	char script[] = "";

	cr_assert_eq(start("no-such-program", script), -ENOENT);
	cr_assert_not_null(strstr(fake_log_text(),
		"no-such-program is not in $PATH; install it (Debian: package the-package)"));
	cr_assert_eq(program.socket, -1);
	worker_stop(&program, 1);
}

Test(program, that_lies_in_no_absolute_directory_is_not_run)
{
	char script[] = "", directory[] = "/tmp/program-XXXXXX";

	cr_assert_not_null(mkdtemp(directory));
	cr_assert_eq(chdir(directory), 0);
	close(open("here", O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
	setenv("PATH", ".::/none", 1);
	cr_assert_eq(start("here", script), -ENOENT);
	unlink("here");
	rmdir(directory);
}

Test(program, unjailed_where_all_are)
{
	char script[] = SAY "open('/proc/self/status').read())";

	setenv(WORKER_UNJAILED_VARIABLE, "1", 1);
	assert_answer(script, "NoNewPrivs:\t0");
	cr_assert_not_null(strstr(fake_log_text(), "python3: no jail"));
}
