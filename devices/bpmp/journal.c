/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/journal.h"

#include "seccomp/jail.h"
#include "vmm/base/log.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

/* The record with an odd sequence number is in the second place. */
#define PLACE(sequence) ((1 + ((sequence)&1)) * BPMP_JOURNAL_PAGE)

static_assert(PLACE(0ull) == JAIL_JOURNAL_EVEN && PLACE(1ull) == JAIL_JOURNAL_ODD,
	"the jail lets a worker write there and nowhere else");

static int read_page(int fd, off_t offset, uint8_t page[BPMP_JOURNAL_PAGE])
{
	ssize_t size = pread(fd, page, BPMP_JOURNAL_PAGE, offset);

	if (size < 0)
		return -errno;
	return size == BPMP_JOURNAL_PAGE ? 0 : -EBADMSG;
}

int bpmp_journal_load(struct bpmp_journal *journal, int fd, struct bpmp_undo *undo)
{
	uint8_t page[BPMP_JOURNAL_PAGE];
	struct bpmp_undo candidate;
	int damaged = 0, error;
	uint64_t sequence = 0;

	*journal = (struct bpmp_journal){ .fd = fd };
	for (unsigned int place = 0; place < 2; place++) {
		error = read_page(fd, (off_t)PLACE(place), page);
		if (!error)
			error = bpmp_journal_decode(&candidate, &sequence, page);
		if (!error && (sequence & 1) != place)
			error = -EBADMSG;
		if (error && error != -ENODATA)
			damaged = error;
		if (error || sequence <= journal->sequence)
			continue;
		journal->sequence = sequence;
		*undo = candidate;
	}
	if (damaged && journal->sequence == 0) {
		log_error("the journal has no record that is whole (error %d)", -damaged);
		return damaged;
	}
	if (damaged)
		log_warning("the journal's last record is torn; taking the one before, as what it "
			    "announced never went out");
	return journal->sequence ? 1 : 0;
}

int bpmp_journal_store(struct bpmp_journal *journal, const struct bpmp_undo *undo)
{
	uint8_t page[BPMP_JOURNAL_PAGE];
	uint64_t sequence = 0;
	ssize_t size;
	int error;

	if (!journal || (journal->sequence && journal->revision == undo->revision))
		return 0;
	sequence = journal->sequence + 1;
	bpmp_journal_encode(undo, sequence, page);
	size = pwrite(journal->fd, page, sizeof(page), (off_t)PLACE(sequence));
	if (size != (ssize_t)sizeof(page)) {
		error = size < 0 ? -errno : -EIO;
		if (!journal->failed)
			log_error("cannot write to the journal (error %d)", -error);
		journal->failed = true;
		return error;
	}
	journal->sequence = sequence;
	journal->revision = undo->revision;
	return 0;
}
