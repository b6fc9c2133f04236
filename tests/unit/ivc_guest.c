/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/ivc_guest.h"

#include "devices/bpmp/ivc.h"

#include <stdatomic.h>
#include <string.h>

static _Atomic uint32_t *at(const unsigned char *area, unsigned int channel, unsigned int offset)
{
	uintptr_t place = (uintptr_t)area + channel * BPMP_IVC_QUEUE_SIZE + offset;

	return (_Atomic uint32_t *)place;
}

uint32_t guest_word(const unsigned char *area, unsigned int channel, unsigned int offset)
{
	return atomic_load(at(area, channel, offset));
}

void guest_set_word(unsigned char *area, unsigned int channel, unsigned int offset, uint32_t value)
{
	atomic_store(at(area, channel, offset), value);
}

void guest_reset(struct ivc_guest *guest, unsigned int channel)
{
	guest_set_word(guest->tx, channel, BPMP_IVC_TX_STATE, BPMP_IVC_SYNC);
}

bool guest_notified(struct ivc_guest *guest, unsigned int channel)
{
	uint32_t own = guest_word(guest->tx, channel, BPMP_IVC_TX_STATE);
	uint32_t peer = guest_word(guest->rx, channel, BPMP_IVC_TX_STATE);
	uint32_t next = own;

	if (peer == BPMP_IVC_SYNC)
		next = BPMP_IVC_ACK;
	else if (own == BPMP_IVC_SYNC && peer == BPMP_IVC_ACK)
		next = BPMP_IVC_ESTABLISHED;
	else if (own == BPMP_IVC_ACK)
		next = BPMP_IVC_ESTABLISHED;
	if (peer == BPMP_IVC_SYNC || (own == BPMP_IVC_SYNC && peer == BPMP_IVC_ACK)) {
		guest_set_word(guest->tx, channel, BPMP_IVC_TX_COUNT, 0);
		guest_set_word(guest->rx, channel, BPMP_IVC_RX_COUNT, 0);
	}
	guest_set_word(guest->tx, channel, BPMP_IVC_TX_STATE, next);
	return next == BPMP_IVC_ESTABLISHED;
}

bool guest_post(struct ivc_guest *guest, unsigned int channel, uint32_t mrq, uint32_t flags,
	const void *data, unsigned int size)
{
	uint32_t count = guest_word(guest->tx, channel, BPMP_IVC_TX_COUNT);
	uint8_t frame[BPMP_IVC_FRAME_SIZE];
	uint32_t word;

	if (guest_word(guest->tx, channel, BPMP_IVC_TX_STATE) != BPMP_IVC_ESTABLISHED ||
		count - guest_word(guest->tx, channel, BPMP_IVC_RX_COUNT) >= 1)
		return false;
	memset(frame, 0xa5, sizeof(frame)); /* what the last message left behind */
	memcpy(frame, &mrq, 4);
	memcpy(frame + 4, &flags, 4);
	if (size)
		memcpy(frame + 8, data, size);
	for (unsigned int i = 0; i < sizeof(frame); i += 4) {
		memcpy(&word, frame + i, 4);
		guest_set_word(guest->tx, channel, BPMP_IVC_FRAME + i, word);
	}
	guest_set_word(guest->tx, channel, BPMP_IVC_TX_COUNT, count + 1);
	return true;
}

bool guest_read(
	struct ivc_guest *guest, unsigned int channel, int32_t *code, void *data, unsigned int size)
{
	uint32_t count = guest_word(guest->rx, channel, BPMP_IVC_RX_COUNT);
	uint8_t payload[BPMP_IVC_FRAME_SIZE - 8];
	uint32_t word;

	if (guest_word(guest->rx, channel, BPMP_IVC_TX_COUNT) - count != 1)
		return false;
	for (unsigned int i = 0; i < sizeof(payload); i += 4) {
		word = guest_word(guest->rx, channel, BPMP_IVC_FRAME + 8 + i);
		memcpy(payload + i, &word, 4);
	}
	if (size)
		memcpy(data, payload, size);
	guest_set_word(guest->rx, channel, BPMP_IVC_RX_COUNT, count + 1);
	*code = (int32_t)guest_word(guest->rx, channel, BPMP_IVC_FRAME);
	return true;
}
