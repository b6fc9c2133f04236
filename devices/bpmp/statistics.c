/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/statistics.h"

/* NULL when the table is full, which the number of ids that a VM can see rules out. */
static struct bpmp_statistics_row *row_of(
	struct bpmp_statistics *statistics, uint32_t mrq, uint32_t id)
{
	struct bpmp_statistics_row *row;

	for (uint32_t i = 0; i < statistics->row_count; i++) {
		row = &statistics->rows[i];
		if (row->mrq == mrq && row->id == id)
			return row;
	}
	if (statistics->row_count == BPMP_STATISTICS_ROWS)
		return NULL;
	row = &statistics->rows[statistics->row_count++];
	*row = (struct bpmp_statistics_row){ .mrq = mrq, .id = id };
	return row;
}

void bpmp_statistics_count(struct bpmp_statistics *statistics, uint32_t mrq, uint32_t id,
	enum bpmp_outcome_kind outcome, uint64_t took_ns)
{
	bool is_mrq = mrq < BPMP_STATISTICS_MRQS;
	struct bpmp_statistics_row *row = row_of(statistics, is_mrq ? mrq : BPMP_STATISTICS_OTHER,
		is_mrq ? id : BPMP_STATISTICS_OTHER);

	if (!row)
		return;
	row->requests++;
	row->refused += outcome == BPMP_WAS_REFUSED;
	row->failed += outcome == BPMP_HAS_FAILED;
	row->total_ns += took_ns;
	if (took_ns > row->max_ns)
		row->max_ns = took_ns;
}
