/* SPDX-License-Identifier: Apache-2.0 */
/* What the host's BPMP must tell before the guest runs; reads only. */
#ifndef DEVICES_BPMP_DISCOVERY_H
#define DEVICES_BPMP_DISCOVERY_H

struct bpmp_host;
struct bpmp_policy;
struct bpmp_undo;

/*
 * Adds to `policy` the ancestors of its clocks: the chain of current parents of each, up to the
 * root. Records in `undo` the state that owned clocks and power domains are in.
 * Returns 0, or -errno with a line logged that names the id: -ENOENT (the firmware does not know
 * a clock or domain that a device names), -ELOOP (parents in a circle), -ENOSPC (too many
 * ancestors), or why the host could not be asked.
 */
int bpmp_discover(struct bpmp_host *host, struct bpmp_policy *policy, struct bpmp_undo *undo);

#endif
