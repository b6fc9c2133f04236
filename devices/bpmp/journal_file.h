/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a VM's journal is, whose it is, and its lock: DIRECTORY/NAME.journal. The directory is
 * $RUNTIME_DIRECTORY, as systemd gives it to a service; else for root /run/bpmp-vmm, and for other
 * users $XDG_RUNTIME_DIR/bpmp-vmm or, without that, /run/bpmp-vmm.
 *
 * The file stays when the VM ends, with a record that nothing is to be put back: whoever removed
 * it could remove that of the next VM, which has just locked it.
 */
#ifndef DEVICES_BPMP_JOURNAL_FILE_H
#define DEVICES_BPMP_JOURNAL_FILE_H

#include "devices/bpmp/journal.h"

#include <stdbool.h>

struct bpmp_journal_file {
	int fd; /* locked; the lock lives as long as any descriptor of this open file */
	char path[512];
};

/*
 * Opens and locks the journal of VM `name`, which is `created` if it is not there. Returns 0, or
 * -errno: -ENOENT without `create` (not logged); -EEXIST when a VM of this name runs; -EBUSY when
 * what one changed is still being put back after `wait_ms`; others. fd is -1 then.
 */
int bpmp_journal_open(struct bpmp_journal_file *file, const char *name, bool create, int wait_ms);

/*
 * Whether the journal of VM `name` could be opened, or made, and locked; makes nothing. What a VM
 * that is gone left in it is no error: the start puts it back. Returns 0 or -errno (logged).
 */
int bpmp_journal_check(const char *name);

/*
 * Whose journal it is. Returns 1 with *identity; 0 when there is nothing to put back, as it is new
 * or of an earlier boot of the host (logged); or -errno, logged with the remedy: -EBADMSG for what
 * is no whole journal, -EPROTONOSUPPORT for another version's, -EPROTO for another VM's.
 */
int bpmp_journal_identify(const struct bpmp_journal_file *file, const char *name,
	struct bpmp_journal_identity *identity);

/* Makes it the empty journal of this process's VM. Returns 0 or -errno (logged). */
int bpmp_journal_begin(const struct bpmp_journal_file *file, const char *name, const char *host);

#endif
