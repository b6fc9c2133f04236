/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a terminal's settings are. */
#include "devices/virtio/console_terminal.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

TestSuite(console_terminal, .timeout = 20);

Test(console_terminal, settings_of_somebody_else_are_left_alone)
{
	int user = posix_openpt(O_RDWR | O_NOCTTY), terminal;
	struct console_terminal console;
	struct termios settings, now;

	cr_assert_eq(grantpt(user) | unlockpt(user), 0);
	terminal = open(ptsname(user), O_RDWR | O_NOCTTY);
	console_terminal_save(&console, terminal);
	cr_assert(console_terminal_enter(&console));
	/* A shell that took the terminal back, with settings of its own. */
	tcgetattr(terminal, &settings);
	settings.c_lflag |= ISIG;
	tcsetattr(terminal, TCSANOW, &settings);
	console_terminal_restore(&console);
	tcgetattr(terminal, &now);
	cr_assert_eq(now.c_lflag, settings.c_lflag);
	console_terminal_save(&console, user == -1 ? 0 : open("/dev/null", O_RDWR));
	cr_assert_eq(console.fd, -1);
	cr_assert(console_terminal_enter(&console), "not a terminal: nothing to wait for");
	console_terminal_restore(&console);
}

/* In a group of its own, of which the terminal hears as a shell has it: the job's exit status. */
static int in_background(int terminal, int to_job, int from_job)
{
	struct console_terminal console, other;
	char byte;

	setpgid(0, 0);
	signal(SIGTTOU, SIG_IGN);
	console_terminal_save(&console, terminal);
	other = console;
	if (console_terminal_enter(&console))
		return 1;
	if (write(from_job, "b", 1) != 1 || read(to_job, &byte, 1) != 1)
		return 2;
	/* One that ends without ever having been in the foreground leaves all as it is. */
	console_terminal_restore(&other);
	if (!console_terminal_enter(&console))
		return 3;
	console_terminal_restore(&console);
	return 0;
}

/* What a shell makes of its terminal for the line being typed is nobody's to put back. */
Test(console_terminal, settings_are_kept_when_the_job_comes_to_the_foreground)
{
	int user = posix_openpt(O_RDWR | O_NOCTTY), terminal, to_job[2], from_job[2], status;
	struct termios usual, prompt, now;
	char byte;
	pid_t job;

	setsid();
	signal(SIGTTOU, SIG_IGN);
	cr_assert_eq(grantpt(user) | unlockpt(user), 0);
	terminal = open(ptsname(user), O_RDWR);
	cr_assert_eq(pipe(to_job) | pipe(from_job), 0);
	tcgetattr(terminal, &usual);
	prompt = usual;
	prompt.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	prompt.c_iflag &= ~(tcflag_t)ICRNL;
	tcsetattr(terminal, TCSANOW, &prompt);
	job = fork();
	cr_assert_geq(job, 0);
	if (job == 0)
		_exit(in_background(terminal, to_job[0], from_job[1]));
	cr_assert_eq(read(from_job[0], &byte, 1), 1);
	tcsetattr(terminal, TCSANOW, &usual);
	cr_assert_eq(tcsetpgrp(terminal, job), 0);
	cr_assert_eq(write(to_job[1], "f", 1), 1);
	cr_assert_eq(waitpid(job, &status, 0), job);
	cr_assert_eq(status, 0, "exit status %d", WEXITSTATUS(status));
	tcgetattr(terminal, &now);
	cr_assert_eq(now.c_lflag, usual.c_lflag);
	cr_assert_eq(now.c_iflag, usual.c_iflag);
}
