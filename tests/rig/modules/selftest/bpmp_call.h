/* SPDX-License-Identifier: Apache-2.0 */
/* One request to the host's BPMP proxy, as its caller sees it. */
#ifndef SELFTEST_BPMP_CALL_H
#define SELFTEST_BPMP_CALL_H

#include <stdint.h>

#define DEBUGFS "/sys/kernel/debug/bpmp/"

struct wire {
	uint32_t mrq, reserved0;
	uint64_t tx_data, tx_size, rx_data, rx_size;
	int32_t ret;
	uint32_t reserved1;
};
_Static_assert(sizeof(struct wire) == 48, "the proxy's ABI");

enum {
	PING = 0,
	DEBUGFS_OLD = 19,
	RESET = 20,
	I2C = 21,
	CLK = 22,
	QUERY_ABI = 23,
	PG = 66,
	QUERY_FW_TAG = 71,
	DEBUG = 75
};
enum {
	GET_RATE = 1,
	SET_RATE,
	ROUND_RATE,
	GET_PARENT,
	SET_PARENT,
	IS_ENABLED,
	ENABLE,
	DISABLE,
	RESET_REFCOUNTS = 13,
	GET_ALL_INFO = 14,
	GET_MAX_CLK_ID = 15
};

/* A caller's memory: requests and answers in words. */
struct call {
	int fd;
	struct wire wire;
	uint32_t tx[160], rx[160];
};

/* Sets up `call` with `words` words to send and room for `answer` bytes, 0xee in all of it. */
void prepare(struct call *call, uint32_t mrq, unsigned int words, const uint32_t *tx,
	unsigned int answer);
/* write()s it: 0, or the errno; EINTR stands for a short write. */
int submit(struct call *call);

/* All in one: 0 and the firmware's code in call->wire.ret, or an errno. */
int request(struct call *call, uint32_t mrq, uint32_t w0, uint32_t w1, uint32_t w2);
int clock_request(struct call *call, unsigned int command, uint32_t id, int64_t argument);

#endif
