/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/console_terminal.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Of a terminal that is not our controlling one nobody can tell: there is no job control then. */
static bool in_background(int fd)
{
	pid_t foreground = tcgetpgrp(fd);

	return foreground >= 0 && foreground != getpgrp();
}

/* Not in the background: they are those of the shell's own prompt then, or of another job. */
static void keep_settings(struct console_terminal *terminal)
{
	if (!terminal->kept)
		terminal->kept = tcgetattr(terminal->fd, &terminal->saved) == 0;
}

void console_terminal_save(struct console_terminal *terminal, int fd)
{
	terminal->kept = false;
	terminal->fd = isatty(fd) ? fd : -1;
	if (terminal->fd >= 0 && !in_background(fd))
		keep_settings(terminal);
}

static struct termios raw_settings(const struct console_terminal *terminal)
{
	struct termios raw = terminal->saved;
	tcflag_t output = raw.c_oflag;

	cfmakeraw(&raw);
	raw.c_oflag = output;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	return raw;
}

bool console_terminal_enter(struct console_terminal *terminal)
{
	struct termios raw;

	if (terminal->fd < 0)
		return true;
	if (in_background(terminal->fd))
		return false;
	keep_settings(terminal);
	if (!terminal->kept)
		return true; /* it has been hung up */
	raw = raw_settings(terminal);
	tcsetattr(terminal->fd, TCSANOW, &raw);
	return true;
}

void console_terminal_restore(const struct console_terminal *terminal)
{
	struct termios now, raw;

	if (terminal->fd < 0 || !terminal->kept || tcgetattr(terminal->fd, &now) != 0)
		return;
	raw = raw_settings(terminal);
	/* Not TCSADRAIN: output that nobody takes must not keep us here. */
	if (now.c_iflag == raw.c_iflag && now.c_lflag == raw.c_lflag && now.c_cflag == raw.c_cflag)
		tcsetattr(terminal->fd, TCSANOW, &terminal->saved);
}

int console_terminal_open_signals(void)
{
	sigset_t set;

	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTIN, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
