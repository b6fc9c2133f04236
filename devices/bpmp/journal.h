/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of a VM: a file that says what is to be put back at the host's BPMP, at every moment,
 * for whoever comes after the process that served the guest. Three pages of fixed size: whose
 * journal it is, and two places for the record, which are written in turns, so that a write that
 * was cut short leaves the one before.
 *
 * All numbers are little-endian; every page ends with a CRC-32 of the rest of it, and what a page
 * does not use is zero.
 *
 *   identity   0 "bpmpjrnl"  8 version  12 process  16 boot[40]  56 name[72]  128 host[256]
 *   record     0 "bprc"  4 version  8 sequence (8 bytes)  16 counts of the four lists:
 *              32 clocks, 64 x { id, flags, parent, depth, rate (8 bytes) }
 *              1568 resets, 64 x { id, state }   2080 power domains, 64 x { id, found, changed }
 *              2848 clocks that stay enabled, 128 x id
 *   both       4092 CRC-32 (IEEE 802.3) of bytes 0 to 4091
 */
#ifndef DEVICES_BPMP_JOURNAL_H
#define DEVICES_BPMP_JOURNAL_H

#include "devices/bpmp/undo.h"

#include <stdint.h>

#define BPMP_JOURNAL_VERSION 1
#define BPMP_JOURNAL_PAGE    0x1000u
#define BPMP_JOURNAL_SIZE    (3 * BPMP_JOURNAL_PAGE)

/* Written by the machine, which alone knows it; the jail lets nobody else write to this page. */
struct bpmp_journal_identity {
	uint32_t process; /* the machine's */
	char boot[40];	  /* the host's boot_id: after another boot there is nothing to put back */
	char name[72];	  /* the VM's */
	char host[256];	  /* the path of the host's BPMP node */
};

/* --- the format: pure ------------------------------------------------------------------------- */

void bpmp_journal_encode_identity(
	const struct bpmp_journal_identity *identity, uint8_t page[BPMP_JOURNAL_PAGE]);
void bpmp_journal_encode(
	const struct bpmp_undo *undo, uint64_t sequence, uint8_t page[BPMP_JOURNAL_PAGE]);

/*
 * Return 0; -ENODATA for a page of zeroes: nothing was ever written there; -EPROTONOSUPPORT for
 * another version's; or -EBADMSG for anything else that is not a whole page of a journal.
 */
int bpmp_journal_decode_identity(
	struct bpmp_journal_identity *identity, const uint8_t page[BPMP_JOURNAL_PAGE]);
int bpmp_journal_decode(
	struct bpmp_undo *undo, uint64_t *sequence, const uint8_t page[BPMP_JOURNAL_PAGE]);

/* --- the file --------------------------------------------------------------------------------- */

struct bpmp_journal {
	int fd;		   /* the caller's */
	uint64_t sequence; /* of the record written last; 0: none */
	uint64_t revision; /* of `undo` in that record */
	bool failed;	   /* has been said */
};

/*
 * Reads the newest record of `fd`. Returns 1 with it in *undo; 0 when there is none yet; or -errno
 * (logged), -EBADMSG when both places are damaged. One that is damaged is said, and the other one
 * taken: its write was cut short, and what it announced never went out.
 */
int bpmp_journal_load(struct bpmp_journal *journal, int fd, struct bpmp_undo *undo);

/*
 * Writes what has changed since the last time, if anything. Returns 0 or -errno (logged once).
 * Does nothing for a journal that is NULL.
 */
int bpmp_journal_store(struct bpmp_journal *journal, const struct bpmp_undo *undo);

#endif
