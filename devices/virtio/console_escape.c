/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/console_escape.h"

#include <string.h>

#define CTRL_A 0x01

size_t console_escape_filter(struct console_escape *escape, const uint8_t *input, size_t size,
	uint8_t *output, bool *stop)
{
	size_t count = 0;

	if (!escape->enabled) {
		memcpy(output, input, size);
		return size;
	}
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = input[i];

		if (!escape->pending) {
			escape->pending = byte == CTRL_A;
			if (!escape->pending)
				output[count++] = byte;
			continue;
		}
		escape->pending = false;
		if (byte == 'x') {
			*stop = true;
			continue;
		}
		output[count++] = CTRL_A;
		if (byte != CTRL_A)
			output[count++] = byte;
	}
	return count;
}
