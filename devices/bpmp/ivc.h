/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inter-VM communication, the BPMP's end: the queues in the memory that guest and BPMP share, as
 * Linux' drivers/firmware/tegra/ivc.c and bpmp-tegra186.c (Tegra186 to 234) use them from the
 * other side. Two areas of 4 KiB, one for each direction; 256 bytes of each make one channel with
 * one frame of 128 bytes a direction.
 *
 * The guest can write anything at any moment to all of it. What this end has to remember (its
 * state and counters) it remembers in private; a frame is copied once before anything looks at
 * it. Pure: no I/O.
 */
#ifndef DEVICES_BPMP_IVC_H
#define DEVICES_BPMP_IVC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPMP_IVC_AREA_SIZE  0x1000
#define BPMP_IVC_FRAME_SIZE 128

/* Offsets in a queue: what its transmitter writes, what its receiver writes, the frame. */
#define BPMP_IVC_QUEUE_SIZE 0x100
#define BPMP_IVC_TX_COUNT   0x00
#define BPMP_IVC_TX_STATE   0x04
#define BPMP_IVC_RX_COUNT   0x40
#define BPMP_IVC_FRAME	    0x80

/* Linux' tegra186_soc: the atomic channel, three for threads, one for what the BPMP asks. */
#define BPMP_IVC_CHANNELS   5

enum bpmp_ivc_state { BPMP_IVC_ESTABLISHED = 0, BPMP_IVC_SYNC = 1, BPMP_IVC_ACK = 2 };

struct bpmp_ivc_frame {
	uint32_t code; /* request: MRQ; response: error */
	uint32_t flags;
	uint8_t data[BPMP_IVC_FRAME_SIZE - 8];
};

struct bpmp_ivc_channel {
	uint32_t state;	   /* this end's enum bpmp_ivc_state */
	uint32_t received; /* requests taken: the receiver's counter of the guest's queue */
	uint32_t sent;	   /* responses: the transmitter's counter of our queue */
};

struct bpmp_ivc {
	unsigned char *from_guest, *to_guest; /* the caller's areas */
	struct bpmp_ivc_channel channels[BPMP_IVC_CHANNELS];
};

/* Zeroes both areas, while no guest runs; for bpmp_ivc_init() at a start. */
void bpmp_ivc_clear(void *from_guest, void *to_guest);

/*
 * Both areas are BPMP_IVC_AREA_SIZE bytes, aligned to 64. Also after a guest reset: state and
 * counters start again; the areas' contents are the caller's.
 */
void bpmp_ivc_init(struct bpmp_ivc *ivc, void *from_guest, void *to_guest);

/*
 * Advances the reset handshake of `channel` (an index below BPMP_IVC_CHANNELS). True when the
 * state changed, of which the guest is to be notified.
 */
bool bpmp_ivc_synchronize(struct bpmp_ivc *ivc, size_t channel);

/*
 * Takes the request that waits in `channel`, if there is one, its predecessor's response has been
 * read, and the handshake is over. At most one per call. False: nothing to do.
 */
bool bpmp_ivc_receive(struct bpmp_ivc *ivc, size_t channel, struct bpmp_ivc_frame *frame);

/*
 * Publishes the response to the request that bpmp_ivc_receive() returned. It stays in place until
 * that channel's next request, as Linux reads part of it late. NULL: the guest wants none.
 */
void bpmp_ivc_respond(struct bpmp_ivc *ivc, size_t channel, const struct bpmp_ivc_frame *frame);

#endif
