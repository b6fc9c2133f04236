/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/journal.h"

#include "devices/bpmp/policy.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <zlib.h>

/* Offsets in a page; journal.h has the whole table. */
#define CRC_AT	   (BPMP_JOURNAL_PAGE - 4)
#define NAMES_AT   16 /* boot, name and host, one behind the other */
#define COUNTS_AT  16
#define CLOCKS_AT  32
#define CLOCK_SIZE 24
#define RESETS_AT  (CLOCKS_AT + BPMP_MAX_IDS * CLOCK_SIZE)
#define DOMAINS_AT (RESETS_AT + BPMP_MAX_IDS * 8)
#define KEPT_AT	   (DOMAINS_AT + BPMP_MAX_IDS * 12)

static_assert(RESETS_AT == 1568 && DOMAINS_AT == 2080 && KEPT_AT == 2848, "as journal.h says");
static_assert(KEPT_AT + BPMP_MAX_KEPT * 4 <= CRC_AT, "a record is one page");
static_assert(BPMP_MAX_KEPT >= BPMP_MAX_CLOCKS, "every clock of a policy has room");

/* Deeper than discovery goes; a bound for what reads the record. */
#define MAX_DEPTH 64

enum clock_flag {
	FOUND_ENABLED = 1 << 0,
	RATE_KNOWN = 1 << 1,
	PARENT_KNOWN = 1 << 2,
	ENABLED = 1 << 3,
	IN_DOUBT = 1 << 4,
	LET_GO = 1 << 5,
	RATE_CHANGED = 1 << 6,
	PARENT_CHANGED = 1 << 7,
	ALL_FLAGS = (1 << 8) - 1,
};

static const uint8_t identity_magic[8] = { 'b', 'p', 'm', 'p', 'j', 'r', 'n', 'l' };
static const uint8_t record_magic[4] = { 'b', 'p', 'r', 'c' };

static uint32_t checksum(const uint8_t page[BPMP_JOURNAL_PAGE])
{
	return (uint32_t)crc32(0, page, CRC_AT);
}

static void put(uint8_t *at, uint64_t value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(value >> i * 8);
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value = 0;

	for (size_t i = 0; i < 8; i++)
		value |= (uint64_t)at[i] << i * 8;
	return value;
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
		(uint32_t)at[3] << 24;
}

static bool is_zero(const uint8_t *at, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (at[i])
			return false;
	return true;
}

/* Magic, version, checksum; `version_at` is the magic's length. */
static int check(const uint8_t page[BPMP_JOURNAL_PAGE], const uint8_t *magic, size_t version_at)
{
	if (is_zero(page, BPMP_JOURNAL_PAGE))
		return -ENODATA;
	if (memcmp(page, magic, version_at) != 0 || get32(page + CRC_AT) != checksum(page))
		return -EBADMSG;
	return get32(page + version_at) == BPMP_JOURNAL_VERSION ? 0 : -EPROTONOSUPPORT;
}

void bpmp_journal_encode_identity(
	const struct bpmp_journal_identity *identity, uint8_t page[BPMP_JOURNAL_PAGE])
{
	uint8_t *at = page + NAMES_AT;

	memset(page, 0, BPMP_JOURNAL_PAGE);
	memcpy(page, identity_magic, sizeof(identity_magic));
	put(page + 8, BPMP_JOURNAL_VERSION, 4);
	put(page + 12, identity->process, 4);
	memcpy(at, identity->boot, strnlen(identity->boot, sizeof(identity->boot) - 1));
	at += sizeof(identity->boot);
	memcpy(at, identity->name, strnlen(identity->name, sizeof(identity->name) - 1));
	at += sizeof(identity->name);
	memcpy(at, identity->host, strnlen(identity->host, sizeof(identity->host) - 1));
	put(page + CRC_AT, checksum(page), 4);
}

/* A text that ends within its field. */
static bool take_text(const uint8_t **at, char *text, size_t size)
{
	memcpy(text, *at, size);
	*at += size;
	return memchr(text, '\0', size) != NULL;
}

int bpmp_journal_decode_identity(
	struct bpmp_journal_identity *identity, const uint8_t page[BPMP_JOURNAL_PAGE])
{
	int error = check(page, identity_magic, sizeof(identity_magic));
	const uint8_t *at = page + NAMES_AT;

	if (error)
		return error;
	identity->process = get32(page + 12);
	if (!take_text(&at, identity->boot, sizeof(identity->boot)) ||
		!take_text(&at, identity->name, sizeof(identity->name)) ||
		!take_text(&at, identity->host, sizeof(identity->host)))
		return -EBADMSG;
	return 0;
}

static uint32_t flags_of(const struct bpmp_undo_clock *clock)
{
	return (clock->found.enabled ? FOUND_ENABLED : 0u) |
		(clock->found.rate_known ? RATE_KNOWN : 0u) |
		(clock->found.parent_known ? PARENT_KNOWN : 0u) | (clock->enabled ? ENABLED : 0u) |
		(clock->in_doubt ? IN_DOUBT : 0u) | (clock->let_go ? LET_GO : 0u) |
		(clock->rate_changed ? RATE_CHANGED : 0u) |
		(clock->parent_changed ? PARENT_CHANGED : 0u);
}

void bpmp_journal_encode(
	const struct bpmp_undo *undo, uint64_t sequence, uint8_t page[BPMP_JOURNAL_PAGE])
{
	memset(page, 0, BPMP_JOURNAL_PAGE);
	memcpy(page, record_magic, sizeof(record_magic));
	put(page + 4, BPMP_JOURNAL_VERSION, 4);
	put(page + 8, sequence, 8);
	put(page + COUNTS_AT, undo->clock_count, 4);
	put(page + COUNTS_AT + 4, undo->reset_count, 4);
	put(page + COUNTS_AT + 8, undo->domain_count, 4);
	put(page + COUNTS_AT + 12, undo->kept_count, 4);
	for (size_t i = 0; i < undo->clock_count; i++) {
		uint8_t *at = page + CLOCKS_AT + i * CLOCK_SIZE;

		put(at, undo->clocks[i].id, 4);
		put(at + 4, flags_of(&undo->clocks[i]), 4);
		put(at + 8, undo->clocks[i].found.parent, 4);
		put(at + 12, undo->clocks[i].found.depth, 4);
		put(at + 16, (uint64_t)undo->clocks[i].found.rate, 8);
	}
	for (size_t i = 0; i < undo->reset_count; i++) {
		put(page + RESETS_AT + i * 8, undo->resets[i].id, 4);
		put(page + RESETS_AT + i * 8 + 4, undo->resets[i].state, 4);
	}
	for (size_t i = 0; i < undo->domain_count; i++) {
		put(page + DOMAINS_AT + i * 12, undo->domains[i].id, 4);
		put(page + DOMAINS_AT + i * 12 + 4, undo->domains[i].found, 4);
		put(page + DOMAINS_AT + i * 12 + 8, undo->domains[i].changed, 4);
	}
	for (size_t i = 0; i < undo->kept_count; i++)
		put(page + KEPT_AT + i * 4, undo->kept[i], 4);
	put(page + CRC_AT, checksum(page), 4);
}

/* Owned ids stand in ascending order, each once; no protected root is among the clocks. */
static bool decode_clocks(struct bpmp_undo *undo, const uint8_t *at)
{
	for (size_t i = 0; i < undo->clock_count; i++, at += CLOCK_SIZE) {
		struct bpmp_undo_clock *clock = &undo->clocks[i];
		uint32_t flags = get32(at + 4);

		*clock = (struct bpmp_undo_clock){
			.id = get32(at),
			.found = { flags & FOUND_ENABLED, flags & RATE_KNOWN, flags & PARENT_KNOWN,
				(int64_t)get64(at + 16), get32(at + 8), get32(at + 12) },
			.enabled = flags & ENABLED,
			.in_doubt = flags & IN_DOUBT,
			.let_go = flags & LET_GO,
			.rate_changed = flags & RATE_CHANGED,
			.parent_changed = flags & PARENT_CHANGED,
		};
		if (flags & ~(uint32_t)ALL_FLAGS || clock->id > BPMP_CLK_ID_MASK ||
			clock->found.depth > MAX_DEPTH || bpmp_is_protected_root(clock->id) ||
			(i && clock->id <= clock[-1].id))
			return false;
	}
	return true;
}

static bool decode_resets(struct bpmp_undo *undo, const uint8_t *at)
{
	for (size_t i = 0; i < undo->reset_count; i++, at += 8) {
		struct bpmp_undo_reset *reset = &undo->resets[i];
		uint32_t state = get32(at + 4);

		if (state > BPMP_RESET_PULSED)
			return false;
		*reset = (struct bpmp_undo_reset){ get32(at), (enum bpmp_undo_reset_state)state };
		if (i && reset->id <= reset[-1].id)
			return false;
	}
	return true;
}

static bool decode_domains(struct bpmp_undo *undo, const uint8_t *at)
{
	for (size_t i = 0; i < undo->domain_count; i++, at += 12) {
		struct bpmp_undo_domain *domain = &undo->domains[i];
		uint32_t changed = get32(at + 8);

		*domain = (struct bpmp_undo_domain){ get32(at), get32(at + 4), changed };
		if (changed > 1 || (i && domain->id <= domain[-1].id))
			return false;
	}
	return true;
}

int bpmp_journal_decode(
	struct bpmp_undo *undo, uint64_t *sequence, const uint8_t page[BPMP_JOURNAL_PAGE])
{
	uint8_t again[BPMP_JOURNAL_PAGE];
	int error = check(page, record_magic, sizeof(record_magic));

	if (error)
		return error;
	memset(undo, 0, sizeof(*undo));
	undo->clock_count = get32(page + COUNTS_AT);
	undo->reset_count = get32(page + COUNTS_AT + 4);
	undo->domain_count = get32(page + COUNTS_AT + 8);
	undo->kept_count = get32(page + COUNTS_AT + 12);
	if (undo->clock_count > BPMP_MAX_IDS || undo->reset_count > BPMP_MAX_IDS ||
		undo->domain_count > BPMP_MAX_IDS || undo->kept_count > BPMP_MAX_KEPT ||
		!decode_clocks(undo, page + CLOCKS_AT) || !decode_resets(undo, page + RESETS_AT) ||
		!decode_domains(undo, page + DOMAINS_AT))
		return -EBADMSG;
	for (size_t i = 0; i < undo->kept_count; i++)
		undo->kept[i] = get32(page + KEPT_AT + i * 4);
	*sequence = get64(page + 8);
	/* What it does not use is zero: there is one form of each record. */
	bpmp_journal_encode(undo, *sequence, again);
	return *sequence && memcmp(again, page, BPMP_JOURNAL_PAGE) == 0 ? 0 : -EBADMSG;
}
