/* SPDX-License-Identifier: Apache-2.0 */
/* Requests end to end against a model of the host: what reaches it, and what is put back. */
#include "devices/bpmp/ivc.h"
#include "devices/bpmp/mailbox_scan.h"
#include "devices/bpmp/message.h"
#include "devices/bpmp/server.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"
#include "tests/unit/ivc_guest.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

struct world {
	struct bpmp_model model;
	struct bpmp_server server;
};

/* `enables`: how often clock 155 is found enabled. */
static void setup_with(struct world *world, int enables)
{
	struct bpmp_ids ids = model_ids();

	fake_log_capture();
	model_init(&world->model);
	model_clock(&world->model, 155)->enables = enables;
	cr_assert_eq(bpmp_server_start(&world->server, &world->model.host, &ids), 0);
	bpmp_server_guest_starts(&world->server);
}

static void setup(struct world *world)
{
	setup_with(world, 1);
}

static int32_t ask(struct world *world, struct bpmp_request request)
{
	struct bpmp_response response;

	bpmp_server_serve(&world->server, &request, &response);
	return response.error;
}

/* What Linux' 8250_tegra and serial-tegra send. */
static void use_the_uart(struct world *world)
{
	const struct bpmp_request requests[] = {
		bpmp_clk_request(BPMP_CLK_ENABLE, 91),
		bpmp_clk_request(BPMP_CLK_ENABLE, 102),
		bpmp_clk_request(BPMP_CLK_ENABLE, 155),
		bpmp_reset_request(BPMP_RESET_DEASSERT, 100),
		bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1843200),
	};

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		cr_assert_eq(ask(world, requests[i]), 0, "request %zu", i);
}

Test(bpmp_server, a_uart_and_back)
{
	struct world world;

	setup(&world);
	use_the_uart(&world);
	cr_assert_eq(model_clock(&world.model, 155)->enables, 2);
	cr_assert_eq(model_clock(&world.model, 155)->rate, 1843200);
	fake_trace_clear();
	cr_assert_eq(bpmp_server_restore(&world.server), 0);
	cr_assert_str_eq(fake_trace_text(),
		"RESET ASSERT of reset 100, 0\n"
		"CLK SET_RATE of clock 155, 408000000\n"
		"CLK DISABLE of clock 155, 0\n");
	cr_assert_eq(model_clock(&world.model, 155)->enables, 1, "as found");
	cr_assert_not_null(strstr(fake_log_text(), "left enabled at the host"));
	cr_assert_not_null(strstr(fake_log_text(), "clocks 91 102"), "%s", fake_log_text());
}

Test(bpmp_server, a_firmware_that_remembers_only_the_last_word)
{
	struct world world;

	setup(&world);
	world.model.counts = false;
	use_the_uart(&world);
	cr_assert_eq(bpmp_server_restore(&world.server), 0);
	cr_assert_eq(model_clock(&world.model, 155)->enables, 1, "found on, left on");
}

Test(bpmp_server, three_guests_leave_what_one_leaves)
{
	struct world world;

	setup(&world);
	for (int guest = 0; guest < 3; guest++) {
		bpmp_server_guest_starts(&world.server);
		use_the_uart(&world);
		cr_assert_eq(ask(&world, bpmp_clk_request(BPMP_CLK_DISABLE, 102)), 0);
		cr_assert_eq(bpmp_server_restore(&world.server), 0);
	}
	cr_assert_eq(model_clock(&world.model, 155)->enables, 1);
	cr_assert_eq(model_clock(&world.model, 102)->enables, 2, "enabled once, kept");
	cr_assert_eq(model_clock(&world.model, 91)->enables, 2);
	fake_trace_clear();
	cr_assert_eq(bpmp_server_restore(&world.server), 0);
	cr_assert_str_empty(fake_trace_text(), "nothing is left to do");
}

Test(bpmp_server, what_is_refused_does_not_reach_the_host)
{
	static const uint8_t zero[BPMP_DATA_SIZE];
	struct world world;

	setup(&world);
	world.model.quiet = false;
	fake_trace_clear();
	cr_assert_eq(ask(&world, bpmp_clk_request(BPMP_CLK_ENABLE, 100)), -BPMP_EACCES);
	cr_assert_eq(ask(&world, bpmp_clk_request(BPMP_CLK_GET_ALL_INFO, 100)), -BPMP_EINVAL);
	cr_assert_eq(ask(&world, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 102, 1)), -BPMP_EACCES);
	cr_assert_eq(ask(&world, bpmp_reset_request(BPMP_RESET_ASSERT, 101)), -BPMP_EINVAL);
	cr_assert_eq(
		ask(&world, model_request(BPMP_MRQ_DEBUG, zero, sizeof(zero))), -BPMP_ENOHANDLER);
	cr_assert_str_empty(fake_trace_text());
}

Test(bpmp_server, the_hosts_refusal_is_the_guests_error_logged_once)
{
	struct world world;
	const char *line;

	setup(&world);
	world.model.fault_mrq = BPMP_MRQ_CLK;
	world.model.fault_command = BPMP_CLK_ENABLE;
	world.model.fault_errno = EPERM;
	for (int i = 0; i < 3; i++)
		cr_assert_eq(ask(&world, bpmp_clk_request(BPMP_CLK_ENABLE, 91)), -BPMP_EACCES);
	line = strstr(fake_log_text(), "add 91 to allowed-clocks");
	cr_assert_not_null(line, "%s", fake_log_text());
	cr_assert_null(strstr(line + 1, "add 91 to allowed-clocks"));
	cr_assert_eq(bpmp_refusals_total(&world.server.policy.refusals), 3);

	world.model.fault_errno = 0;
	world.model.fault_firmware = -BPMP_EACCES;
	cr_assert_eq(ask(&world, bpmp_clk_request(BPMP_CLK_ENABLE, 155)), -BPMP_EACCES);
	world.model.fault_mrq = 0;
	fake_trace_clear();
	cr_assert_eq(bpmp_server_restore(&world.server), 0);
	cr_assert_str_eq(
		fake_trace_text(), "RESET MODULE of reset 100, 0\n", "no clock was enabled");
}

Test(bpmp_server, a_request_that_may_have_been_carried_out_is_undone)
{
	struct world world;

	setup_with(&world, 0);
	world.model.fault_mrq = BPMP_MRQ_CLK;
	world.model.fault_command = BPMP_CLK_ENABLE;
	world.model.fault_errno = ETIMEDOUT;
	cr_assert_eq(ask(&world, bpmp_clk_request(BPMP_CLK_ENABLE, 155)), -BPMP_ETIMEDOUT);
	world.model.fault_mrq = 0;
	model_clock(&world.model, 155)->enables = 1;
	fake_trace_clear();
	bpmp_server_restore(&world.server);
	cr_assert_not_null(strstr(fake_trace_text(), "CLK DISABLE of clock 155"));
	cr_assert_eq(model_clock(&world.model, 155)->enables, 0);
}

Test(bpmp_server, a_request_that_was_not_carried_out_takes_nothing_from_others)
{
	struct world world;

	setup_with(&world, 2);
	world.model.fault_mrq = BPMP_MRQ_CLK;
	world.model.fault_command = BPMP_CLK_ENABLE;
	world.model.fault_errno = ETIMEDOUT;
	cr_assert_eq(ask(&world, bpmp_clk_request(BPMP_CLK_ENABLE, 155)), -BPMP_ETIMEDOUT);
	world.model.fault_mrq = 0;
	bpmp_server_restore(&world.server);
	cr_assert_eq(model_clock(&world.model, 155)->enables, 2);
}

Test(bpmp_server, a_step_that_fails_is_tried_again)
{
	struct world world;

	setup(&world);
	use_the_uart(&world);
	world.model.fault_mrq = BPMP_MRQ_RESET;
	world.model.fault_command = BPMP_RESET_ASSERT;
	world.model.fault_firmware = -BPMP_EACCES;
	cr_assert_eq(bpmp_server_restore(&world.server), 1);
	cr_assert_eq(model_clock(&world.model, 155)->enables, 1, "the others were done");
	world.model.fault_mrq = 0;
	fake_trace_clear();
	cr_assert_eq(bpmp_server_restore(&world.server), 0);
	cr_assert_str_eq(fake_trace_text(), "RESET ASSERT of reset 100, 0\n");
}

Test(bpmp_server, a_host_that_hangs_is_asked_once)
{
	struct world world;

	setup(&world);
	use_the_uart(&world);
	world.model.fault_mrq = BPMP_MRQ_RESET;
	world.model.fault_command = BPMP_RESET_ASSERT;
	world.model.fault_errno = ETIMEDOUT;
	fake_trace_clear();
	cr_assert_eq(bpmp_server_restore(&world.server), 4, "reset, rate, disable, enable");
	cr_assert_str_eq(fake_trace_text(), "RESET ASSERT of reset 100, 0\n");
}

/* The machine gives up on a host that hangs; the worker's own restore at its end is the second. */
Test(bpmp_server, a_pulse_that_failed_is_tried_again)
{
	struct world world;

	setup(&world);
	world.model.fault_mrq = BPMP_MRQ_RESET;
	world.model.fault_command = BPMP_RESET_MODULE;
	world.model.fault_errno = ETIMEDOUT;
	cr_assert_eq(bpmp_server_restore(&world.server), 1);
	world.model.fault_mrq = 0;
	fake_trace_clear();
	cr_assert_eq(bpmp_server_restore(&world.server), 0);
	cr_assert_str_eq(fake_trace_text(), "RESET MODULE of reset 100, 0\n");
	fake_trace_clear();
	cr_assert_eq(bpmp_server_restore(&world.server), 0);
	cr_assert_str_empty(fake_trace_text(), "once is enough");
}

/* Clock 155 feeds 319, an ancestor, which feeds 100. */
Test(bpmp_server, clocks_are_set_from_the_root_down_and_let_go_from_the_leaves_up)
{
	const struct bpmp_ids ids = { .clocks = { 2, { 100, 155 } } };
	struct world world;

	fake_log_capture();
	model_init(&world.model);
	model_clock(&world.model, 319)->parents[0] = 155;
	model_clock(&world.model, 100)->parents[0] = 319;
	cr_assert_eq(bpmp_server_start(&world.server, &world.model.host, &ids), 0);
	cr_assert_eq(ask(&world, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1843200)), 0);
	cr_assert_eq(ask(&world, bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 100, 9600)), 0);
	cr_assert_eq(ask(&world, bpmp_clk_request(BPMP_CLK_ENABLE, 155)), 0);
	cr_assert_eq(ask(&world, bpmp_clk_request(BPMP_CLK_ENABLE, 100)), 0);
	fake_trace_clear();
	cr_assert_eq(bpmp_server_restore(&world.server), 0);
	cr_assert_str_eq(fake_trace_text(),
		"CLK SET_RATE of clock 155, 408000000\n"
		"CLK SET_RATE of clock 100, 1000000\n"
		"CLK DISABLE of clock 100, 0\n"
		"CLK DISABLE of clock 155, 0\n");
}

/* The mailbox around it. */
struct mailbox {
	struct world world;
	struct bpmp_ivc ivc;
	struct ivc_guest guest;
	_Alignas(64) unsigned char areas[2][BPMP_IVC_AREA_SIZE];
};

static void setup_mailbox(struct mailbox *mailbox)
{
	memset(mailbox->areas, 0, sizeof(mailbox->areas));
	setup(&mailbox->world);
	bpmp_ivc_init(&mailbox->ivc, mailbox->areas[0], mailbox->areas[1]);
	mailbox->guest = (struct ivc_guest){ mailbox->areas[0], mailbox->areas[1] };
}

Test(bpmp_server, a_ring_with_nothing_to_do)
{
	static struct mailbox mailbox;

	setup_mailbox(&mailbox);
	cr_assert_not(bpmp_mailbox_scan(&mailbox.ivc, &mailbox.world.server));
}

Test(bpmp_server, frames_carry_no_length_and_get_zeroes_back)
{
	static struct mailbox mailbox;
	uint8_t answer[120], zero[116] = { 0 };
	const uint32_t challenge = 5;
	uint32_t reply = 0;
	int32_t code = 1;

	setup_mailbox(&mailbox);
	/* The rest of the frame is what an earlier message left there. */
	cr_assert(guest_post(&mailbox.guest, GUEST_ATOMIC, BPMP_MRQ_PING, 1, &challenge, 4));
	cr_assert_not(bpmp_mailbox_scan(&mailbox.ivc, &mailbox.world.server), "it polls");
	cr_assert(guest_read(&mailbox.guest, GUEST_ATOMIC, &code, answer, sizeof(answer)));
	memcpy(&reply, answer, 4);
	cr_assert_eq(code, 0);
	cr_assert_eq(reply, 10);
	cr_assert_eq(memcmp(answer + 4, zero, sizeof(zero)), 0);
}

Test(bpmp_server, every_channel_in_one_scan)
{
	static struct mailbox mailbox;
	const uint32_t challenge = 5;
	int32_t code;

	setup_mailbox(&mailbox);
	for (unsigned int channel = 0; channel < 4; channel++)
		cr_assert(guest_post(
			&mailbox.guest, channel, BPMP_MRQ_THREADED_PING, 3, &challenge, 4));
	cr_assert(bpmp_mailbox_scan(&mailbox.ivc, &mailbox.world.server));
	for (unsigned int channel = 0; channel < 4; channel++)
		cr_assert(guest_read(&mailbox.guest, channel, &code, NULL, 0));
}

Test(bpmp_server, flags_of_a_frame)
{
	static struct mailbox mailbox;
	const uint32_t challenge = 5;
	int32_t code = 0;

	setup_mailbox(&mailbox);
	cr_assert(guest_post(&mailbox.guest, 0, BPMP_MRQ_PING, 0, &challenge, 4));
	cr_assert_not(bpmp_mailbox_scan(&mailbox.ivc, &mailbox.world.server));
	cr_assert_not(guest_read(&mailbox.guest, 0, &code, NULL, 0), "no answer was wanted");
	cr_assert(guest_post(&mailbox.guest, 0, BPMP_MRQ_PING, 7, &challenge, 4));
	cr_assert(bpmp_mailbox_scan(&mailbox.ivc, &mailbox.world.server));
	cr_assert(guest_read(&mailbox.guest, 0, &code, NULL, 0));
	cr_assert_eq(code, -BPMP_EBADMSG, "a checksum that nobody checks");
}
