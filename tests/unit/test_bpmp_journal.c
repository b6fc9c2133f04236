/* SPDX-License-Identifier: Apache-2.0 */
/* The journal: what is written comes back, and nothing else passes for it. */
#include "devices/bpmp/journal.h"
#include "devices/bpmp/journal_file.h"
#include "devices/bpmp/message.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(bpmp_journal, .timeout = 60);

/* Something of everything. */
static struct bpmp_undo sample(void)
{
	const struct bpmp_found_clock found = { true, true, true, -(1ll << 40), 319, 7 };
	const struct bpmp_request requests[] = {
		bpmp_clk_request(BPMP_CLK_ENABLE, 155),
		bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1843200),
		bpmp_clk_parent_request(155, 319),
		bpmp_clk_request(BPMP_CLK_ENABLE, 91),
		bpmp_reset_request(BPMP_RESET_DEASSERT, 100),
		bpmp_pg_request(BPMP_PG_SET_STATE, 35, BPMP_PG_ON),
	};
	struct bpmp_ids ids = model_ids();
	struct bpmp_undo undo;

	cr_assert_eq(bpmp_id_set_add(&ids.resets, 180), 0);
	bpmp_undo_init(&undo, &ids);
	bpmp_undo_found_clock(&undo, 155, &found);
	bpmp_undo_found_domain(&undo, 35, BPMP_PG_OFF);
	bpmp_undo_guest_starts(&undo);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		bpmp_undo_before(&undo, &requests[i]);
	return undo;
}

/* Padding bytes may differ, so the steps and the encoding are what is compared. */
static void same(const struct bpmp_undo *one, const struct bpmp_undo *other)
{
	uint8_t pages[2][BPMP_JOURNAL_PAGE];

	bpmp_journal_encode(one, 5, pages[0]);
	bpmp_journal_encode(other, 5, pages[1]);
	cr_assert_arr_eq(pages[0], pages[1], BPMP_JOURNAL_PAGE);
}

Test(bpmp_journal, a_record_there_and_back)
{
	uint8_t page[BPMP_JOURNAL_PAGE];
	struct bpmp_undo undo = sample(), back;
	uint64_t sequence = 0;

	bpmp_journal_encode(&undo, 0x123456789abcull, page);
	cr_assert_eq(bpmp_journal_decode(&back, &sequence, page), 0);
	cr_assert_eq(sequence, 0x123456789abcull);
	same(&undo, &back);
	cr_assert_eq(back.clock_count, 1);
	cr_assert_eq(back.clocks[0].found.rate, -(1ll << 40));
	cr_assert_eq(back.clocks[0].found.depth, 7);
	cr_assert(back.clocks[0].enabled && back.clocks[0].in_doubt && !back.clocks[0].let_go);
	cr_assert_eq(back.resets[0].state, BPMP_RESET_IS_RELEASED);
	cr_assert_eq(back.resets[1].state, BPMP_RESET_IN_USE);
	cr_assert(back.domains[0].changed && back.domains[0].found == BPMP_PG_OFF);
	cr_assert(back.kept_count == 1 && back.kept[0] == 91);
	cr_assert_eq(back.revision, 0);
}

/* The file's form is a promise to later versions: these bytes stay where they are. */
Test(bpmp_journal, the_form_of_a_record)
{
	static const uint8_t start[] = { 'b', 'p', 'r', 'c', 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1,
		0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 155, 0, 0, 0, 0xdf, 0, 0, 0, 0x3f, 1,
		0, 0, 7, 0, 0, 0 };
	uint8_t page[BPMP_JOURNAL_PAGE];
	struct bpmp_undo undo = sample();

	bpmp_journal_encode(&undo, 5, page);
	cr_assert_arr_eq(page, start, sizeof(start));
	cr_assert(page[1568] == 100 && page[1568 + 8] == 180, "resets");
	cr_assert(page[2080] == 35 && page[2080 + 8] == 1, "domains");
	cr_assert_eq(page[2848], 91, "what stays enabled");
}

Test(bpmp_journal, every_bit_counts)
{
	uint8_t page[BPMP_JOURNAL_PAGE];
	struct bpmp_undo undo = sample(), back;
	uint64_t sequence;

	bpmp_journal_encode(&undo, 5, page);
	for (size_t bit = 0; bit < sizeof(page) * 8; bit++) {
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_eq(bpmp_journal_decode(&back, &sequence, page), -EBADMSG, "bit %zu", bit);
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	cr_assert_eq(bpmp_journal_decode(&back, &sequence, page), 0);
}

/* Writes a record with one word changed and a right checksum. */
static int decode_with(size_t offset, uint32_t value)
{
	uint8_t page[BPMP_JOURNAL_PAGE];
	struct bpmp_undo undo = sample(), back;
	uint64_t sequence;
	uint32_t crc = ~0u;

	bpmp_journal_encode(&undo, 5, page);
	memcpy(page + offset, &value, 4);
	for (size_t i = 0; i < sizeof(page) - 4; i++) {
		crc ^= page[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	crc = ~crc;
	memcpy(page + sizeof(page) - 4, &crc, 4);
	return bpmp_journal_decode(&back, &sequence, page);
}

Test(bpmp_journal, what_no_writer_of_ours_writes)
{
	static const struct {
		const char *what;
		size_t offset;
		uint32_t value;
		int error;
	} rows[] = {
		{ "the same", 4, BPMP_JOURNAL_VERSION, 0 },
		{ "a later version", 4, BPMP_JOURNAL_VERSION + 1, -EPROTONOSUPPORT },
		{ "version 0", 4, 0, -EPROTONOSUPPORT },
		{ "sequence 0", 8, 0, -EBADMSG },
		{ "too many clocks", 16, BPMP_MAX_IDS + 1, -EBADMSG },
		{ "a clock that is all zero", 16, 2, -EBADMSG },
		{ "too many resets", 20, 0xffffffff, -EBADMSG },
		{ "too many domains", 24, BPMP_MAX_IDS + 1, -EBADMSG },
		{ "too many that stay", 28, BPMP_MAX_KEPT + 1, -EBADMSG },
		{ "a clock id with a command in it", 32, 155 | 7u << 24, -EBADMSG },
		{ "a protected root", 32, 102, -EBADMSG },
		{ "unknown flags", 36, 0x100, -EBADMSG },
		{ "too deep", 44, 65, -EBADMSG },
		{ "resets out of order", 1568, 181, -EBADMSG },
		{ "a reset twice", 1568, 180, -EBADMSG },
		{ "a reset's state", 1572, BPMP_RESET_PULSED + 1, -EBADMSG },
		{ "a domain's change", 2088, 2, -EBADMSG },
		{ "a byte that is not used", 4000, 1, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_assert_eq(decode_with(rows[i].offset, rows[i].value), rows[i].error, "%s",
			rows[i].what);
}

Test(bpmp_journal, an_identity_there_and_back)
{
	struct bpmp_journal_identity identity = { 4711, "boot", "VM one", "/dev/bpmp-host" }, back;
	uint8_t page[BPMP_JOURNAL_PAGE];

	bpmp_journal_encode_identity(&identity, page);
	cr_assert_eq(bpmp_journal_decode_identity(&back, page), 0);
	cr_assert_eq(back.process, 4711);
	cr_assert_str_eq(back.boot, "boot");
	cr_assert_str_eq(back.name, "VM one");
	cr_assert_str_eq(back.host, "/dev/bpmp-host");
	for (size_t bit = 0; bit < sizeof(page) * 8; bit++) {
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
		cr_assert_neq(bpmp_journal_decode_identity(&back, page), 0, "bit %zu", bit);
		page[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	memset(page, 0, sizeof(page));
	cr_assert_eq(bpmp_journal_decode_identity(&back, page), -ENODATA);
}

/* --- the records of a file -----------------------------------------------------------------------
 */

static int file_of_zeroes(void)
{
	int fd = memfd_create("journal", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	cr_assert_eq(ftruncate(fd, BPMP_JOURNAL_SIZE), 0);
	return fd;
}

static uint32_t enabled_in(int fd)
{
	struct bpmp_journal journal;
	struct bpmp_undo undo;

	cr_assert_eq(bpmp_journal_load(&journal, fd, &undo), 1);
	return undo.clocks[0].enabled;
}

static void scribble(int fd, off_t offset)
{
	uint8_t byte;

	cr_assert_eq(pread(fd, &byte, 1, offset), 1);
	byte ^= 0x10;
	cr_assert_eq(pwrite(fd, &byte, 1, offset), 1);
}

Test(bpmp_journal, the_last_record_counts_and_a_torn_one_gives_way)
{
	struct bpmp_request enable = bpmp_clk_request(BPMP_CLK_ENABLE, 155);
	int fd = file_of_zeroes();
	struct bpmp_journal journal = { .fd = fd }, loaded;
	struct bpmp_ids ids = model_ids();
	struct bpmp_undo undo, back;

	fake_log_capture();
	bpmp_undo_init(&undo, &ids);
	cr_assert_eq(bpmp_journal_load(&loaded, fd, &back), 0, "nothing was written yet");
	cr_assert_eq(bpmp_journal_store(&journal, &undo), 0);
	cr_assert_eq(enabled_in(fd), 0);
	bpmp_undo_before(&undo, &enable);
	cr_assert_eq(bpmp_journal_store(&journal, &undo), 0);
	cr_assert_eq(journal.sequence, 2);
	cr_assert_eq(enabled_in(fd), 1);
	cr_assert_eq(bpmp_journal_store(&journal, &undo), 0);
	cr_assert_eq(journal.sequence, 2, "nothing changed, nothing written");
	cr_assert_str_empty(fake_log_text());

	scribble(fd, 0x1000 + 2000);
	cr_assert_eq(enabled_in(fd), 0);
	cr_assert_not_null(strstr(fake_log_text(), "torn"));
	scribble(fd, 0x2000 + 100);
	cr_assert_eq(bpmp_journal_load(&loaded, fd, &back), -EBADMSG);
	cr_assert_not_null(strstr(fake_log_text(), "no record that is whole"));
	close(fd);
}

Test(bpmp_journal, a_record_in_the_wrong_place)
{
	uint8_t page[BPMP_JOURNAL_PAGE];
	struct bpmp_undo undo = sample();
	struct bpmp_journal journal;
	int fd = file_of_zeroes();

	fake_log_capture();
	bpmp_journal_encode(&undo, 7, page);
	cr_assert_eq(pwrite(fd, page, sizeof(page), 0x1000), (ssize_t)sizeof(page));
	cr_assert_eq(bpmp_journal_load(&journal, fd, &undo), -EBADMSG);
	close(fd);
}

Test(bpmp_journal, a_journal_that_cannot_be_written_is_said_once)
{
	struct bpmp_journal journal = { .fd = open("/dev/null", O_RDONLY) };
	struct bpmp_undo undo = sample();
	const char *line;

	fake_log_capture();
	cr_assert_eq(bpmp_journal_store(&journal, &undo), -EBADF);
	cr_assert_eq(bpmp_journal_store(&journal, &undo), -EBADF);
	line = strstr(fake_log_text(), "cannot write to the journal");
	cr_assert_not_null(line);
	cr_assert_null(strstr(line + 1, "cannot write"));
	close(journal.fd);
}

/* --- the file's name, lock and identity ---------------------------------------------------------
 */

static const char *directory(void)
{
	static char path[] = "/tmp/bpmp-journal-XXXXXX";

	cr_assert_not_null(mkdtemp(path));
	cr_assert_eq(setenv("RUNTIME_DIRECTORY", path, 1), 0);
	fake_log_capture();
	return path;
}

/* The journal of a VM "one" that has changed something. */
static void leave_a_journal(void)
{
	struct bpmp_journal_file file;
	struct bpmp_journal journal = { 0 };
	struct bpmp_undo undo = sample();

	cr_assert_eq(bpmp_journal_open(&file, "one", true, 0), 0);
	cr_assert_eq(bpmp_journal_begin(&file, "one", "/dev/bpmp-host"), 0);
	journal.fd = file.fd;
	cr_assert_eq(bpmp_journal_store(&journal, &undo), 0);
	cr_assert_neq(write(file.fd, "x", 1), 1, "only pwrite() gets anywhere");
	close(file.fd);
}

static int identify(const char *name)
{
	struct bpmp_journal_identity identity;
	struct bpmp_journal_file file;
	int result;

	cr_assert_eq(bpmp_journal_open(&file, name, false, 0), 0);
	result = bpmp_journal_identify(&file, name, &identity);
	close(file.fd);
	return result;
}

Test(bpmp_journal, a_file_and_its_directory)
{
	const char *path = directory();
	struct bpmp_journal_file file;
	struct stat status;

	cr_assert_eq(bpmp_journal_open(&file, "one", false, 0), -ENOENT);
	cr_assert_str_empty(fake_log_text());
	cr_assert_eq(bpmp_journal_open(&file, "one", true, 0), 0);
	cr_assert_eq(strncmp(file.path, path, strlen(path)), 0);
	cr_assert_str_eq(file.path + strlen(path), "/one.journal");
	cr_assert_eq(fstat(file.fd, &status), 0);
	cr_assert_eq(status.st_mode & 0777, 0600u);
	close(file.fd);
	cr_assert_eq(identify("one"), 0, "empty: nothing to put back");
	leave_a_journal();
	cr_assert_eq(identify("one"), 1);
}

/* A service of another user's has its directory below the one that root's VM made. */
Test(bpmp_journal, a_directory_that_is_made_can_be_passed_through)
{
	char made[600];
	struct bpmp_journal_file file;
	struct stat status;

	snprintf(made, sizeof(made), "%s/made", directory());
	cr_assert_eq(setenv("RUNTIME_DIRECTORY", made, 1), 0);
	umask(022);
	cr_assert_eq(bpmp_journal_open(&file, "one", true, 0), 0);
	close(file.fd);
	cr_assert_eq(stat(made, &status), 0);
	cr_assert_eq(status.st_mode & 0777, 0755u);
}

Test(bpmp_journal, two_vms_of_one_name)
{
	struct bpmp_journal_file first, second;

	directory();
	cr_assert_eq(bpmp_journal_open(&first, "one", true, 0), 0);
	cr_assert_eq(bpmp_journal_open(&second, "two", true, 0), 0);
	close(second.fd);
	cr_assert_eq(bpmp_journal_begin(&first, "one", "/dev/bpmp-host"), 0);
	cr_assert_eq(bpmp_journal_open(&second, "one", true, 40), -EEXIST);
	cr_assert_eq(second.fd, -1);
	cr_assert_not_null(strstr(fake_log_text(), "a VM of the name one is running"));
	close(first.fd);
	cr_assert_eq(bpmp_journal_open(&second, "one", true, 0), 0, "its lock went with it");
	close(second.fd);
}

Test(bpmp_journal, one_that_is_still_being_put_back)
{
	struct bpmp_journal_identity identity = { .process = 0x7ffffff0, .name = "one" };
	struct bpmp_journal_file first, second;
	uint8_t page[BPMP_JOURNAL_PAGE];

	directory();
	cr_assert_eq(bpmp_journal_open(&first, "one", true, 0), 0);
	bpmp_journal_encode_identity(&identity, page);
	cr_assert_eq(pwrite(first.fd, page, sizeof(page), 0), (ssize_t)sizeof(page));
	cr_assert_eq(bpmp_journal_open(&second, "one", true, 40), -EBUSY);
	cr_assert_not_null(strstr(fake_log_text(), "still being put back"));
	close(first.fd);
}

Test(bpmp_journal, every_cut_length_is_detected)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/one.journal", directory());
	for (off_t length = BPMP_JOURNAL_SIZE; length-- > 0;) {
		if (length % 1024 == 1023)
			leave_a_journal();
		cr_assert_eq(truncate(path, length), 0);
		cr_assert_eq(identify("one"), length ? -EBADMSG : 0, "%ld bytes", (long)length);
	}
	cr_assert_not_null(strstr(fake_log_text(), "no whole journal"));
}

Test(bpmp_journal, another_vms_or_versions_or_boots)
{
	struct bpmp_journal_identity identity = { .process = 1, .boot = "another", .name = "one" };
	uint8_t page[BPMP_JOURNAL_PAGE];
	struct bpmp_journal_file file;
	char from[600], to[600];
	const char *path = directory();

	leave_a_journal();
	snprintf(from, sizeof(from), "%s/one.journal", path);
	snprintf(to, sizeof(to), "%s/two.journal", path);
	cr_assert_eq(rename(from, to), 0);
	cr_assert_eq(identify("two"), -EPROTO);
	cr_assert_not_null(strstr(fake_log_text(), "is the journal of the VM one"));
	cr_assert_eq(rename(to, from), 0);

	cr_assert_eq(bpmp_journal_open(&file, "one", false, 0), 0);
	bpmp_journal_encode_identity(&identity, page);
	cr_assert_eq(pwrite(file.fd, page, sizeof(page), 0), (ssize_t)sizeof(page));
	close(file.fd);
	cr_assert_eq(identify("one"), 0);
	cr_assert_not_null(strstr(fake_log_text(), "earlier boot"));
}

Test(bpmp_journal, what_others_can_write_is_not_taken)
{
	struct bpmp_journal_file file;
	char path[600], target[600];
	const char *base = directory();

	leave_a_journal();
	snprintf(path, sizeof(path), "%s/one.journal", base);
	cr_assert_eq(chmod(path, 0622), 0);
	cr_assert_eq(bpmp_journal_open(&file, "one", true, 0), -EPERM);
	cr_assert_eq(chmod(path, 0600), 0);
	snprintf(target, sizeof(target), "%s/elsewhere", base);
	cr_assert_eq(rename(path, target), 0);
	cr_assert_eq(symlink(target, path), 0);
	cr_assert_eq(bpmp_journal_open(&file, "one", true, 0), -ELOOP);
	cr_assert_not_null(strstr(fake_log_text(), "this user alone"));
}

Test(bpmp_journal, nor_what_others_can_exchange)
{
	struct bpmp_journal_file file;
	const char *base = directory();

	leave_a_journal();
	cr_assert_eq(chmod(base, 0722), 0);
	cr_assert_eq(bpmp_journal_open(&file, "one", true, 0), -EPERM);
	cr_assert_eq(bpmp_journal_open(&file, "new", true, 0), -EPERM);
	cr_assert_eq(bpmp_journal_check("one"), -EPERM);
	cr_assert_eq(chmod(base, 0755), 0, "they may look");
	cr_assert_eq(bpmp_journal_open(&file, "one", true, 0), 0);
	close(file.fd);
}

Test(bpmp_journal, nor_what_is_another_users)
{
	struct bpmp_journal_file file;
	const char *base = directory();
	char path[600];

	if (geteuid() != 0)
		cr_skip_test("only root can give a file away");
	leave_a_journal();
	snprintf(path, sizeof(path), "%s/one.journal", base);
	cr_assert_eq(chown(path, 1, (gid_t)-1), 0);
	cr_assert_eq(bpmp_journal_open(&file, "one", true, 0), -EPERM);
	cr_assert_eq(chown(path, 0, (gid_t)-1), 0);
	cr_assert_eq(chown(base, 1, (gid_t)-1), 0);
	cr_assert_eq(bpmp_journal_open(&file, "one", true, 0), -EPERM);
}
