/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `--bpmp audit=FILE`: every request of the guest's, what the policy made of it, and what the host
 * said, one JSON object a line. tests/audit-replay feeds such a file to the policy again.
 *
 * The machine opens the file, the worker only appends to it. The file's size is bounded, so a
 * guest cannot fill the disk with it; when it is full, or the disk is, the guest goes on
 * unrecorded and the log says so.
 *
 * Lines, keys in this order, bytes as hexadecimal digits:
 *   {"event":"start","clocks":[ID...],"ancestors":[ID...],"resets":[ID...],"power-domains":[ID...],
 *    "mrqs":"NAME:NAME..."}                 the worker started, with what the guest may use
 *   {"event":"guest"}                       a guest begins to run
 *   {"event":"restore"}                     it is gone, its history forgotten
 *   {"event":"request","time":NS,"took":NS,"what":TEXT,"mrq":N,"size":N,
 *    "request":HEX,"verdict":"answered|refused|forward","sent":HEX,"host-errno":N,"host-result":N,
 *    "host-answer":HEX,"result":N,"answer":HEX}
 *                                           sent and host-*: with "forward" only; time: monotonic
 */
#ifndef DEVICES_BPMP_AUDIT_H
#define DEVICES_BPMP_AUDIT_H

#include "devices/bpmp/abi.h"
#include "devices/bpmp/policy.h"

#include <stdint.h>

/* Bytes that the file may have: about 150 000 requests. */
#define BPMP_AUDIT_LIMIT (64ull << 20)

struct bpmp_audit {
	int fd;	       /* the caller's; -1 once nothing is recorded any more */
	uint64_t left; /* bytes that may still be written */
};

struct bpmp_audit_entry {
	uint64_t began_ns, took_ns;
	const struct bpmp_request *request;
	enum bpmp_verdict verdict;
	const struct bpmp_request *to_host; /* BPMP_FORWARD only, as the two that follow */
	int host_errno;
	struct bpmp_response from_host; /* before the policy saw it */
	const struct bpmp_response *response;
};

/*
 * In the machine: opens FILE for appending. Returns a descriptor with *left, or -errno with a line
 * logged: not a regular file, or one that is full already.
 */
int bpmp_audit_open(const char *path, uint64_t *left);

/* Whether it could be opened, or made; makes nothing. Returns 0 or -errno (logged). */
int bpmp_audit_check(const char *path);

/* NULL for `audit` records nothing. */
void bpmp_audit_start(struct bpmp_audit *audit, const struct bpmp_policy *policy);
void bpmp_audit_event(struct bpmp_audit *audit, const char *event);
void bpmp_audit_request(struct bpmp_audit *audit, const struct bpmp_policy *policy,
	const struct bpmp_audit_entry *entry);

#endif
