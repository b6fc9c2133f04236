/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's requests, counted; a guest cannot fill the table. */
#include "devices/bpmp/message.h"
#include "devices/bpmp/server.h"
#include "devices/bpmp/statistics.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>

static void expect_row(const struct bpmp_statistics_row *row, uint32_t mrq, uint32_t id,
	uint64_t requests, uint64_t refused, uint64_t failed)
{
	cr_assert(row->mrq == mrq && row->id == id, "row of MRQ %u, id %u", row->mrq, row->id);
	cr_assert_eq(row->requests, requests, "MRQ %u, id %u", mrq, id);
	cr_assert_eq(row->refused, refused, "MRQ %u, id %u", mrq, id);
	cr_assert_eq(row->failed, failed, "MRQ %u, id %u", mrq, id);
}

Test(bpmp_statistics, one_row_for_each_mrq_and_id)
{
	static struct bpmp_statistics statistics;

	bpmp_statistics_count(&statistics, BPMP_MRQ_CLK, 155, BPMP_WAS_SERVED, 10);
	bpmp_statistics_count(&statistics, BPMP_MRQ_RESET, 155, BPMP_HAS_FAILED, 1);
	bpmp_statistics_count(&statistics, BPMP_MRQ_CLK, 155, BPMP_WAS_REFUSED, 30);
	bpmp_statistics_count(&statistics, BPMP_MRQ_CLK, 155, BPMP_WAS_SERVED, 20);
	cr_assert_eq(statistics.row_count, 2);
	expect_row(&statistics.rows[0], BPMP_MRQ_CLK, 155, 3, 1, 0);
	expect_row(&statistics.rows[1], BPMP_MRQ_RESET, 155, 1, 0, 1);
	cr_assert_eq(statistics.rows[0].total_ns, 60);
	cr_assert_eq(statistics.rows[0].max_ns, 30);
}

Test(bpmp_statistics, a_table_that_is_full)
{
	static struct bpmp_statistics statistics;

	for (uint32_t i = 0; i < 2 * BPMP_STATISTICS_ROWS; i++)
		bpmp_statistics_count(&statistics, i & 1, i / 2, BPMP_WAS_SERVED, 1);
	cr_assert_eq(statistics.row_count, BPMP_STATISTICS_ROWS);
	cr_assert_eq(statistics.rows[0].requests, 1);
}

Test(bpmp_statistics, numbers_of_the_guests_choice_share_rows)
{
	static struct bpmp_server server;
	struct bpmp_ids ids = model_ids();
	struct bpmp_response response;
	struct bpmp_request request;
	struct bpmp_model model;

	fake_log_capture();
	model_init(&model);
	cr_assert_eq(bpmp_server_start(&server, &model.host, &ids), 0);
	cr_assert_eq(server.statistics.clock_count, 3);
	for (uint32_t id = 400; id < 1400; id++) {
		request = bpmp_clk_request(BPMP_CLK_GET_RATE, id);
		bpmp_server_serve(&server, &request, &response);
		request = bpmp_reset_request(BPMP_RESET_ASSERT, id);
		bpmp_server_serve(&server, &request, &response);
		request = model_request(id, "", 0);
		bpmp_server_serve(&server, &request, &response);
	}
	cr_assert_eq(server.statistics.row_count, 3);
	expect_row(&server.statistics.rows[0], BPMP_MRQ_CLK, BPMP_STATISTICS_OTHER, 1000, 1000, 0);
	expect_row(
		&server.statistics.rows[1], BPMP_MRQ_RESET, BPMP_STATISTICS_OTHER, 1000, 1000, 0);
	expect_row(&server.statistics.rows[2], BPMP_STATISTICS_OTHER, BPMP_STATISTICS_OTHER, 1000,
		1000, 0);
}

Test(bpmp_statistics, what_the_guest_owns_has_a_row_each)
{
	static struct bpmp_server server;
	const struct bpmp_request requests[] = {
		bpmp_clk_request(BPMP_CLK_ENABLE, 155),
		bpmp_reset_request(BPMP_RESET_DEASSERT, 100),
		bpmp_pg_request(BPMP_PG_GET_STATE, 35, 0),
		bpmp_pg_request(BPMP_PG_GET_STATE, 34, 0),
	};
	struct bpmp_ids ids = model_ids();
	struct bpmp_response response;
	struct bpmp_model model;

	fake_log_capture();
	model_init(&model);
	cr_assert_eq(bpmp_server_start(&server, &model.host, &ids), 0);
	model.fault_mrq = BPMP_MRQ_RESET;
	model.fault_command = BPMP_RESET_DEASSERT;
	model.fault_errno = EAGAIN;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		bpmp_server_serve(&server, &requests[i], &response);
	cr_assert_eq(server.statistics.row_count, 4);
	expect_row(&server.statistics.rows[0], BPMP_MRQ_CLK, 155, 1, 0, 0);
	expect_row(&server.statistics.rows[1], BPMP_MRQ_RESET, 100, 1, 0, 1);
	expect_row(&server.statistics.rows[2], BPMP_MRQ_PG, 35, 1, 0, 0);
	expect_row(&server.statistics.rows[3], BPMP_MRQ_PG, BPMP_STATISTICS_OTHER, 1, 1, 0);
}
