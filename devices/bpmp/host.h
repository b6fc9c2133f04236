/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's BPMP, behind the character device of the host kernel's proxy: /dev/bpmp-host, or
 * /dev/bpmp-host-<vm> where each VM has its own. One write() of 48 bytes is one transaction; the
 * kernel writes the answer into the buffer that was "written" (tiiuae/ghaf, bpmp-host-proxy.c,
 * since July 2026).
 */
#ifndef DEVICES_BPMP_HOST_H
#define DEVICES_BPMP_HOST_H

#include "devices/bpmp/abi.h"
#include "devices/bpmp/message.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bpmp_host_wire {
	uint32_t mrq;
	uint32_t reserved0;
	uint64_t tx_data; /* addresses in this process, never the guest's */
	uint64_t tx_size;
	uint64_t rx_data;
	uint64_t rx_size; /* in: room; out: what came */
	int32_t rx_return;
	uint32_t reserved1;
};

static_assert(sizeof(struct bpmp_host_wire) == 48, "the proxy takes exactly 48 bytes");
static_assert(offsetof(struct bpmp_host_wire, tx_data) == 0x08, "bpmp-host-proxy.h");
static_assert(offsetof(struct bpmp_host_wire, rx_return) == 0x28, "bpmp-host-proxy.h");

/* Whom requests go to; a test puts itself in between. */
struct bpmp_host {
	/*
	 * One transaction. In: response->size is the room for the answer, at most
	 * BPMP_DATA_SIZE. Returns 0 when the firmware answered (response->error is its word
	 * then), or -errno when the request did not get that far. May block for as long as the
	 * firmware takes: the host kernel gives up after 600 s.
	 */
	int (*transfer)(struct bpmp_host *host, const struct bpmp_request *request,
		struct bpmp_response *response);
};

/* The real one. */
struct bpmp_host_node {
	struct bpmp_host host;
	int fd; /* the caller's */
	ssize_t (*write)(int fd, const void *data, size_t size);
};

void bpmp_host_node_init(struct bpmp_host_node *node, int fd);

/* One transaction with room for the longest answer to that request; returns what transfer() does.
 */
int bpmp_host_ask(
	struct bpmp_host *host, const struct bpmp_request *request, struct bpmp_response *response);

/* What a guest is told when transfer() failed with `error` (positive errno): enum bpmp_error. */
int bpmp_error_of_errno(int error);

/* Why it failed and what to do about it, for the log. Returns `text`. */
const char *bpmp_host_failure(const struct bpmp_call *call, int error, char *text, size_t size);

/* True when, after such a failure, the firmware may have carried the request out all the same. */
bool bpmp_errno_leaves_doubt(int error);

#endif
