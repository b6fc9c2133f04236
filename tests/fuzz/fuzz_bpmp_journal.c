/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of a journal as whoever took over the BPMP worker may have left it: what decodes has one
 * form only, is within the bounds of those who use it, and leads to requests about its own ids.
 *
 * Input: a byte that chooses identity (odd) or record, then the page, filled up with zeroes; with
 * bit 1 of the first byte its checksum is put right first, or nothing would get far.
 */
#include "devices/bpmp/journal.h"
#include "devices/bpmp/policy.h"
#include "tests/fuzz/bpmp_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_checksum_right(uint8_t *page)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < BPMP_JOURNAL_PAGE - 4; i++) {
		crc ^= page[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	crc = ~crc;
	for (size_t i = 0; i < 4; i++)
		page[BPMP_JOURNAL_PAGE - 4 + i] = (uint8_t)(crc >> i * 8);
}

static void check_steps(const struct bpmp_undo *undo, bool end)
{
	struct bpmp_undo_step steps[BPMP_MAX_UNDO_STEPS];
	size_t count = bpmp_undo_steps(undo, end, steps);

	fuzz_check(count <= BPMP_MAX_UNDO_STEPS);
	for (size_t i = 0; i < count; i++) {
		struct bpmp_request request = bpmp_undo_request(&steps[i]);
		struct bpmp_call call = bpmp_call_of(&request);
		bool owned = false;

		for (size_t j = 0; j < undo->clock_count; j++)
			owned |= call.mrq == BPMP_MRQ_CLK && call.id == undo->clocks[j].id;
		for (size_t j = 0; j < undo->reset_count; j++)
			owned |= call.mrq == BPMP_MRQ_RESET && call.id == undo->resets[j].id;
		for (size_t j = 0; j < undo->domain_count; j++)
			owned |= call.mrq == BPMP_MRQ_PG && call.id == undo->domains[j].id;
		fuzz_check(owned);
		fuzz_check(call.mrq != BPMP_MRQ_CLK || !bpmp_is_protected_root(call.id));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	uint8_t page[BPMP_JOURNAL_PAGE] = { 0 }, again[BPMP_JOURNAL_PAGE];
	struct bpmp_journal_identity identity;
	uint8_t kind = fuzz_byte(&input);
	struct bpmp_undo undo;
	uint64_t sequence;

	fuzz_take(&input, page, sizeof(page));
	if (kind & 2)
		put_checksum_right(page);
	if (kind & 1) {
		if (bpmp_journal_decode_identity(&identity, page) == 0) {
			fuzz_check(strlen(identity.name) < sizeof(identity.name));
			fuzz_check(strlen(identity.host) < sizeof(identity.host));
			fuzz_check(strlen(identity.boot) < sizeof(identity.boot));
		}
		return 0;
	}
	if (bpmp_journal_decode(&undo, &sequence, page) != 0)
		return 0;
	bpmp_journal_encode(&undo, sequence, again);
	fuzz_check(memcmp(page, again, sizeof(page)) == 0);
	check_steps(&undo, false);
	check_steps(&undo, true);
	return 0;
}
