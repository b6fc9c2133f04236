/* SPDX-License-Identifier: Apache-2.0 */
/* One look at all IVC channels: what the BPMP does each time that its doorbell rings. */
#ifndef DEVICES_BPMP_MAILBOX_SCAN_H
#define DEVICES_BPMP_MAILBOX_SCAN_H

#include <stdbool.h>

struct bpmp_ivc;
struct bpmp_server;

/*
 * Rings are hints: a ring with nothing to do is harmless, and one ring may stand for several.
 * Serves at most one request per channel. Returns true when the guest's doorbell is to be rung.
 */
bool bpmp_mailbox_scan(struct bpmp_ivc *ivc, struct bpmp_server *server);

#endif
