/* SPDX-License-Identifier: Apache-2.0 */
/* The console's escape on a terminal: Ctrl-A x stops the VM, Ctrl-A Ctrl-A sends one Ctrl-A. */
#ifndef DEVICES_VIRTIO_CONSOLE_ESCAPE_H
#define DEVICES_VIRTIO_CONSOLE_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct console_escape {
	bool enabled;
	bool pending; /* Ctrl-A was typed, what follows it was not yet */
};

/*
 * Takes the escapes out of `size` typed bytes and leaves what is for the guest in `output`, which
 * has room for size + 1. Ctrl-A and another key are both for the guest. Returns how many bytes;
 * *stop becomes true on Ctrl-A x.
 */
size_t console_escape_filter(struct console_escape *escape, const uint8_t *input, size_t size,
	uint8_t *output, bool *stop);

#endif
