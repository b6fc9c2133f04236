/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's terminal while it is the guest's console. Machine and worker each keep the settings
 * of before, so that either can put them back when the other was killed; a VM that was started in
 * the background has the worker alone to do it. Nothing is put back over settings that somebody
 * else (a shell) has made since.
 */
#ifndef DEVICES_VIRTIO_CONSOLE_TERMINAL_H
#define DEVICES_VIRTIO_CONSOLE_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

struct console_terminal {
	int fd;	   /* -1: not a terminal */
	bool kept; /* `saved` is what was there before */
	struct termios saved;
};

/*
 * Keeps the settings of `fd`, if it is a terminal and this process in its foreground, or else when
 * console_terminal_enter() finds it there. The descriptor stays the caller's.
 */
void console_terminal_save(struct console_terminal *terminal, int fd);

/*
 * Passes keys on unchanged. False when this process is in the background: the terminal is
 * another's then, try again later. Output processing stays as it was, for log lines share the
 * terminal. SIGTTOU is ignored or blocked by the caller, here and below.
 */
bool console_terminal_enter(struct console_terminal *terminal);

/* Puts the saved settings back, if those of console_terminal_enter() are still in force. */
void console_terminal_restore(const struct console_terminal *terminal);

/*
 * In a worker that has a terminal: from the background, settings are changed and output is written
 * all the same; only input has to wait, until SIGCONT says that the job may be in the foreground
 * again. Returns a non-blocking signalfd for SIGCONT, or -1 with errno.
 */
int console_terminal_open_signals(void);

#endif
