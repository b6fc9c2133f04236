/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The BPMP's message requests (MRQs) as far as this program knows them. Numbers and layouts are
 * those of NVIDIA's ABI, written down in Linux' include/soc/tegra/bpmp-abi.h (6.12) and used by
 * drivers/clk/tegra/clk-bpmp.c, drivers/reset/tegra/reset-bpmp.c and
 * drivers/pmdomain/tegra/powergate-bpmp.c. Everything is little-endian and packed, as are the
 * hosts that this program runs on.
 */
#ifndef DEVICES_BPMP_ABI_H
#define DEVICES_BPMP_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* MSG_DATA_MIN_SZ: payload bytes that any request or response has room for. */
#define BPMP_DATA_SIZE 120

enum bpmp_mrq {
	BPMP_MRQ_PING = 0,
	BPMP_MRQ_QUERY_TAG = 1,
	BPMP_MRQ_THREADED_PING = 9,
	BPMP_MRQ_DEBUGFS = 19,
	BPMP_MRQ_RESET = 20,
	BPMP_MRQ_I2C = 21,
	BPMP_MRQ_CLK = 22,
	BPMP_MRQ_QUERY_ABI = 23,
	BPMP_MRQ_THERMAL = 27,
	BPMP_MRQ_CPU_VHINT = 28,
	BPMP_MRQ_EMC_DVFS_LATENCY = 31,
	BPMP_MRQ_PG = 66,
	BPMP_MRQ_CPU_NDIV_LIMITS = 67,
	BPMP_MRQ_STRAP = 68,
	BPMP_MRQ_UPHY = 69,
	BPMP_MRQ_QUERY_FW_TAG = 71,
	BPMP_MRQ_DEBUG = 75,
	BPMP_MRQ_EMC_DVFS_EMCHUB = 76,
	BPMP_MRQ_BWMGR = 77,
	BPMP_MRQ_ISO_CLIENT = 78,
	BPMP_MRQ_EMC_DISP_RFL = 79,
	BPMP_MRQ_BWMGR_INT = 83,
};

/* Sent negated in the response's first word. */
enum bpmp_error {
	BPMP_EPERM = 1,
	BPMP_ENOENT = 2,
	BPMP_ENOHANDLER = 3, /* no such MRQ */
	BPMP_EIO = 5,
	BPMP_EBADCMD = 6, /* no such command of this MRQ */
	BPMP_EAGAIN = 11,
	BPMP_ENOMEM = 12,
	BPMP_EACCES = 13, /* the sender does not own that id */
	BPMP_EBUSY = 16,
	BPMP_ENODEV = 19,
	BPMP_EINVAL = 22,
	BPMP_ETIMEDOUT = 23,
	BPMP_EBADMSG = 77, /* checksum or length of the message */
};

/* Bits of the request's second word. */
#define BPMP_FLAG_DO_ACK      (1u << 0) /* the sender wants a response */
#define BPMP_FLAG_RING_DB     (1u << 1) /* and a ring of its doorbell with it */
#define BPMP_FLAG_CRC_PRESENT (1u << 2) /* the word carries a checksum; Linux never sends one */

/* MRQ_CLK: the first word of a request is command << 24 | id. */
enum bpmp_clk_command {
	BPMP_CLK_GET_RATE = 1,
	BPMP_CLK_SET_RATE = 2,
	BPMP_CLK_ROUND_RATE = 3,
	BPMP_CLK_GET_PARENT = 4,
	BPMP_CLK_SET_PARENT = 5,
	BPMP_CLK_IS_ENABLED = 6,
	BPMP_CLK_ENABLE = 7,
	BPMP_CLK_DISABLE = 8,
	BPMP_CLK_RESET_REFCOUNTS = 13, /* takes back all ENABLEs of the master */
	BPMP_CLK_GET_ALL_INFO = 14,
	BPMP_CLK_GET_MAX_CLK_ID = 15,
	BPMP_CLK_GET_FMAX_AT_VMIN = 16,
};

#define BPMP_CLK_ID_MASK		   0x00ffffffu
#define BPMP_CLK_MAX_PARENTS		   16
#define BPMP_NAME_SIZE			   40 /* of clocks and power domains, NUL included */

#define BPMP_CLK_HAS_MUX		   (1u << 0)
#define BPMP_CLK_HAS_SET_RATE		   (1u << 1)
#define BPMP_CLK_IS_ROOT		   (1u << 2)
#define BPMP_CLK_RATE_PARENT_CHANGE_DENIED (1u << 30)

/* Linux always sends all 16 bytes, whatever the command uses. */
struct bpmp_clk_request {
	uint32_t command_and_id;
	union {
		uint32_t parent; /* SET_PARENT */
		struct {
			int32_t unused;
			int64_t rate;		/* Hz */
		} __attribute__((packed)) rate; /* SET_RATE, ROUND_RATE */
	};
} __attribute__((packed));

struct bpmp_clk_info {
	uint32_t flags;
	uint32_t parent;
	uint32_t parents[BPMP_CLK_MAX_PARENTS];
	uint8_t parent_count;
	char name[BPMP_NAME_SIZE];
} __attribute__((packed));

enum bpmp_reset_command {
	BPMP_RESET_ASSERT = 1,
	BPMP_RESET_DEASSERT = 2,
	BPMP_RESET_MODULE = 3, /* assert, then deassert */
	BPMP_RESET_GET_MAX_ID = 4,
};

struct bpmp_reset_request {
	uint32_t command;
	uint32_t id;
} __attribute__((packed));

enum bpmp_pg_command {
	BPMP_PG_QUERY_ABI = 0,
	BPMP_PG_SET_STATE = 1,
	BPMP_PG_GET_STATE = 2,
	BPMP_PG_GET_NAME = 3,
	BPMP_PG_GET_MAX_ID = 4,
};

enum bpmp_pg_state { BPMP_PG_OFF = 0, BPMP_PG_ON = 1 };

struct bpmp_pg_request {
	uint32_t command;
	uint32_t id;
	uint32_t argument; /* SET_STATE: the state; QUERY_ABI: a command */
} __attribute__((packed));

#define BPMP_FW_TAG_SIZE 32

static_assert(sizeof(struct bpmp_clk_request) == 16, "mrq_clk_request");
static_assert(sizeof(struct bpmp_clk_info) == 113, "cmd_clk_get_all_info_response");
static_assert(sizeof(struct bpmp_reset_request) == 8, "mrq_reset_request");
static_assert(sizeof(struct bpmp_pg_request) == 12, "mrq_pg_request");

/*
 * One message, parsed and in private memory: nothing here can change under its reader. `size` is
 * what the sender's transport says; the mailbox has no length of its own and takes
 * bpmp_request_size(), the window of patched guests brings one.
 */
struct bpmp_request {
	uint32_t mrq;
	uint32_t size; /* bytes of `data` */
	uint8_t data[BPMP_DATA_SIZE];
};

struct bpmp_response {
	int32_t error; /* 0 or a negated enum bpmp_error, or what the firmware says beyond it */
	uint32_t size; /* bytes of `data`; the rest of it is zero */
	uint8_t data[BPMP_DATA_SIZE];
};

#endif
