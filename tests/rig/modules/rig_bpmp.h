/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rig_bpmp: the host's side of BPMP virtualization as the deployed Tegra234 kernels have it, over
 * a model of the BPMP's firmware instead of the chip's.
 *
 *   bpmp_proxy.c     the character device: one 48-byte write() per request, its checks and errors
 *   bpmp_allow.c     which requests the device tree lets a VM make
 *   bpmp_firmware.c  the firmware: MRQ dispatch, resets, power domains
 *   bpmp_clock.c     the firmware's clocks
 *   bpmp_fault.c     errors and delays that a test asks for
 *   bpmp_debugfs.c   /sys/kernel/debug/bpmp: what tests read and write
 */
#ifndef RIG_BPMP_H
#define RIG_BPMP_H

#include <linux/mutex.h>
#include <linux/semaphore.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <soc/tegra/bpmp-abi.h>

#define RIG_MAX_CLOCKS	24
#define RIG_MAX_RESETS	12
#define RIG_MAX_DOMAINS 8
#define RIG_MAX_ALLOWED 256 /* entries per list, as in the deployed proxy */
#define RIG_NODE_NAME	24
#define RIG_LOG_ENTRIES 8192
#define RIG_ANY		U32_MAX /* in place of an id or MRQ: none, or any */

struct device_node;
struct rig_clock_info;

struct rig_clock {
	const struct rig_clock_info *info;
	u32 parent; /* id; 0 for a root */
	u32 halves; /* of a divider: rate = 2 * parent's rate / halves */
	u32 count;  /* ENABLEs less DISABLEs; host and VMs are one master to the firmware */
	u32 host;   /* ENABLEs less DISABLEs that came from host_enable and host_disable */
};

struct rig_reset {
	u32 id;
	const char *name;
	bool asserted;
};

struct rig_domain {
	u32 id;
	const char *name;
	u32 state; /* PG_STATE_OFF or PG_STATE_ON */
};

/*
 * A request as the firmware sees it: 120 bytes each way, as in a frame of the chip's mailbox. A
 * shorter request is filled with zeroes: without a CRC the firmware is told no length.
 */
struct rig_mrq {
	u32 mrq;
	u8 tx[MSG_DATA_MIN_SZ];
	u8 rx[MSG_DATA_MIN_SZ];
	s32 result; /* 0 or negative BPMP_E* */
	/* For the log; the firmware fills them in as it decodes. */
	u32 cmd, id;
	s64 arg;
	s64 out; /* the rate, parent, state or number answered; 0 if none */
};

struct rig_log_entry {
	char node[RIG_NODE_NAME]; /* the character device's name, or "host" */
	u32 mrq, cmd, id;
	s64 arg, out;
	s32 result;
	int error; /* errno of a write() that failed, or 0 */
};

struct rig_fault {
	enum { RIG_FAULT_OFF, RIG_FAULT_NEXT, RIG_FAULT_EVERY } when;
	int error;   /* write() fails with this errno, if not 0 */
	bool done;   /* with error: the request is carried out, only its answer is lost */
	s32 result;  /* the firmware answers this instead of doing it, if not 0 */
	u32 hang_ms; /* first */
	u32 mrq;     /* this one only, or RIG_ANY */
};

/* One per machine: the chip has one BPMP, however many proxies. */
struct rig_bpmp {
	struct semaphore channels; /* requests under way; the chip has three channels for threads */
	wait_queue_head_t fault_changed;
	struct mutex lock;	   /* all that follows */
	unsigned int fault_writes; /* ends a hang when it changes */
	struct rig_fault fault;
	bool present; /* false: no driver of the host has taken hold of the BPMP yet */
	struct rig_clock clocks[RIG_MAX_CLOCKS];
	struct rig_reset resets[RIG_MAX_RESETS];
	struct rig_domain domains[RIG_MAX_DOMAINS];
	struct rig_log_entry *log; /* a ring; entry n at n % RIG_LOG_ENTRIES */
	u64 log_first, log_next;   /* numbers of the oldest entry shown and of the next one */
	struct dentry *debugfs;
};

/* What one proxy lets its VM touch, from its device-tree node. */
struct rig_allowed {
	u32 clocks[RIG_MAX_ALLOWED], resets[RIG_MAX_ALLOWED], domains[RIG_MAX_ALLOWED];
	unsigned int clock_count, reset_count, domain_count;
};

/* bpmp_allow.c: reads the node's lists; -EINVAL if clocks or resets are missing or too many. */
int rig_allowed_read(struct rig_allowed *allowed, const struct device_node *node);
/* True if the request may go to the firmware. `tx_size` is what the caller says it sent. */
bool rig_allowed_request(
	const struct rig_allowed *allowed, const struct rig_mrq *mrq, size_t tx_size);

/* bpmp_firmware.c. Both take bpmp->lock themselves. */
void rig_firmware_reset(struct rig_bpmp *bpmp);
/* Decodes and carries out one request: fills rx, result and the log's fields. */
void rig_firmware_request(struct rig_bpmp *bpmp, struct rig_mrq *mrq);
/* Fills in the log's fields of a request that is not carried out. */
void rig_firmware_decode(struct rig_mrq *mrq);

/* bpmp_clock.c. With bpmp->lock held. */
void rig_clocks_reset(struct rig_bpmp *bpmp);
void rig_clock_request(struct rig_bpmp *bpmp, struct rig_mrq *mrq);
struct rig_clock *rig_clock_find(struct rig_bpmp *bpmp, u32 id);
u64 rig_clock_rate(struct rig_bpmp *bpmp, const struct rig_clock *clock); /* Hz */
const char *rig_clock_name(const struct rig_clock *clock);
u32 rig_clock_id(const struct rig_clock *clock);

/*
 * bpmp_fault.c: applies what is set for this request, sleeping as long as it says. *execute is
 * false if the firmware must not see the request. Returns 0 or the -errno of the write().
 */
int rig_fault_apply(struct rig_bpmp *bpmp, struct rig_mrq *mrq, bool *execute);
/* Parses "off" or "next|every [errno=N] [done] [ret=N] [hang=MS] [mrq=N]"; -EINVAL otherwise. */
int rig_fault_parse(struct rig_fault *fault, char *text);
void rig_fault_set(struct rig_bpmp *bpmp, const struct rig_fault *fault);

/* bpmp_debugfs.c */
void rig_log(struct rig_bpmp *bpmp, const char *node, const struct rig_mrq *mrq, int error);
void rig_debugfs_create(struct rig_bpmp *bpmp);

#endif
