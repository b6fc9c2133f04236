/* SPDX-License-Identifier: Apache-2.0 */
/* The other end of the BPMP's mailbox: as much of Linux' ivc.c and bpmp.c as tests need. */
#ifndef TESTS_UNIT_IVC_GUEST_H
#define TESTS_UNIT_IVC_GUEST_H

#include <stdbool.h>
#include <stdint.h>

/* Linux' channel numbers. */
enum { GUEST_ATOMIC = 3, GUEST_RX = 13, GUEST_THREAD0 = 0 };

struct ivc_guest {
	unsigned char *tx, *rx; /* the two areas, guest to BPMP first */
};

/* One word of a channel's queue, in this area. */
uint32_t guest_word(const unsigned char *area, unsigned int channel, unsigned int offset);
void guest_set_word(unsigned char *area, unsigned int channel, unsigned int offset, uint32_t value);

/* tegra_ivc_reset(), and one turn of tegra_ivc_notified(): true when established. */
void guest_reset(struct ivc_guest *guest, unsigned int channel);
bool guest_notified(struct ivc_guest *guest, unsigned int channel);

/* Posts a request. False when the channel is not free. */
bool guest_post(struct ivc_guest *guest, unsigned int channel, uint32_t mrq, uint32_t flags,
	const void *data, unsigned int size);

/* Reads `size` bytes of a response and acknowledges it; the code last, as Linux does. False when
 * there is none. */
bool guest_read(struct ivc_guest *guest, unsigned int channel, int32_t *code, void *data,
	unsigned int size);

#endif
