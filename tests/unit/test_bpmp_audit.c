/* SPDX-License-Identifier: Apache-2.0 */
/* The audit file: what is in it, what bounds it, and that replaying it notices a changed rule. */
#include "devices/bpmp/audit.h"
#include "devices/bpmp/message.h"
#include "devices/bpmp/server.h"
#include "tests/replay/audit_replay.h"
#include "tests/unit/bpmp_model.h"
#include "tests/unit/fakes.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(bpmp_audit, .init = fake_log_capture, .timeout = 30);

struct world {
	struct bpmp_model model;
	struct bpmp_server server;
	struct bpmp_audit audit;
	char path[64];
};

static struct world *recording(void)
{
	static struct world world;
	struct bpmp_ids ids = model_ids();

	snprintf(world.path, sizeof(world.path), "/tmp/bpmp-audit-%d", getpid());
	unlink(world.path);
	model_init(&world.model);
	world.audit.fd = bpmp_audit_open(world.path, &world.audit.left);
	cr_assert_geq(world.audit.fd, 0);
	cr_assert_eq(bpmp_server_start(&world.server, &world.model.host, &ids), 0);
	bpmp_server_record(&world.server, &world.audit);
	return &world;
}

static void ask(struct world *world, struct bpmp_request request)
{
	struct bpmp_response response;

	bpmp_server_serve(&world->server, &request, &response);
}

/* The file so far; one static buffer. */
static char *content(struct world *world)
{
	static char text[65536];
	int fd = open(world->path, O_RDONLY);
	ssize_t size = read(fd, text, sizeof(text) - 1);

	close(fd);
	cr_assert_geq(size, 0);
	text[size] = '\0';
	return text;
}

/* What a guest does with a UART, and some that it may not. */
static void live(struct world *world)
{
	const struct bpmp_request requests[] = {
		bpmp_clk_request(BPMP_CLK_GET_MAX_CLK_ID, 0),
		bpmp_clk_request(BPMP_CLK_GET_ALL_INFO, 100),
		bpmp_clk_request(BPMP_CLK_GET_ALL_INFO, 155),
		bpmp_clk_request(BPMP_CLK_ENABLE, 102),
		bpmp_clk_request(BPMP_CLK_ENABLE, 155),
		bpmp_clk_request(BPMP_CLK_ENABLE, 155),
		bpmp_clk_request(BPMP_CLK_DISABLE, 155),
		bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 155, 1843200),
		bpmp_clk_rate_request(BPMP_CLK_SET_RATE, 102, 1),
		bpmp_reset_request(BPMP_RESET_DEASSERT, 100),
		bpmp_pg_request(BPMP_PG_SET_STATE, 35, BPMP_PG_ON),
		bpmp_pg_request(BPMP_PG_GET_STATE, 35, 0),
		bpmp_clk_request(BPMP_CLK_IS_ENABLED, 155),
		model_request(BPMP_MRQ_QUERY_TAG, "1234", 4),
	};

	bpmp_server_guest_starts(&world->server);
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		ask(world, requests[i]);
	world->model.fault_mrq = BPMP_MRQ_RESET;
	world->model.fault_command = BPMP_RESET_ASSERT;
	world->model.fault_errno = ETIMEDOUT;
	ask(world, bpmp_reset_request(BPMP_RESET_ASSERT, 100));
	world->model.fault_mrq = 0;
	bpmp_server_restore(&world->server);
}

/* Replays `text`; returns what differs. `first`: what is said of the first that does. */
static struct audit_replay replay(char *text, char *first, size_t size)
{
	static struct audit_replay replayed;
	char *next, said[128];

	memset(&replayed, 0, sizeof(replayed));
	first[0] = '\0';
	for (char *line = text; *line; line = next + 1) {
		enum replayed now;

		next = strchr(line, '\n');
		cr_assert_not_null(next);
		*next = '\0';
		now = audit_replay_line(&replayed, line, said, sizeof(said));
		*next = '\n';
		cr_assert_neq(now, REPLAY_BAD, "%s: %.200s", said, line);
		if (now == REPLAY_DIFFERS && !first[0])
			snprintf(first, size, "%s", said);
	}
	return replayed;
}

Test(bpmp_audit, lines_are_as_documented)
{
	struct world *world = recording();
	char *text = content(world), *line;

	cr_assert_str_eq(text,
		"{\"event\":\"start\",\"clocks\":[155],\"ancestors\":[102,91],\"resets\":[100],"
		"\"power-domains\":[35],\"mrqs\":\"\"}\n");
	bpmp_server_guest_starts(&world->server);
	ask(world, bpmp_clk_request(BPMP_CLK_GET_RATE, 155));
	ask(world, bpmp_clk_request(BPMP_CLK_ENABLE, 100));
	bpmp_server_restore(&world->server);
	text = content(world);
	cr_assert_not_null(
		strstr(text, "\n{\"event\":\"guest\"}\n{\"event\":\"request\",\"time\":"));
	line = strstr(text, ",\"what\":\"CLK GET_RATE of clock 155 (uarta)\"");
	cr_assert_not_null(line, "%s", text);
	cr_assert_not_null(strstr(line,
		",\"mrq\":22,\"size\":16,\"request\":\"9b000001000000000000000000000000\","
		"\"verdict\":\"forward\",\"sent\":\"9b000001000000000000000000000000\","
		"\"host-errno\":0,\"host-result\":0,\"host-answer\":\"0096511800000000\","
		"\"result\":0,\"answer\":\"0096511800000000\"}\n{"));
	cr_assert_not_null(
		strstr(line, "\"verdict\":\"refused\",\"result\":-13,\"answer\":\"\"}\n"));
	cr_assert_not_null(strstr(line, "\n{\"event\":\"restore\"}\n"));
	unlink(world->path);
}

Test(bpmp_audit, a_replay_agrees_with_the_policy_that_wrote_it)
{
	struct world *world = recording();
	struct audit_replay replayed;
	char first[128];

	live(world);
	live(world); /* the next guest: an ancestor stays enabled, the rest starts anew */
	replayed = replay(content(world), first, sizeof(first));
	cr_assert_eq(replayed.requests, 2 * 15);
	cr_assert_eq(replayed.different, 0, "%s", first);
	unlink(world->path);
}

Test(bpmp_audit, a_replay_notices_what_changed)
{
	static const struct {
		const char *then, *now, *said;
	} changes[] = {
		{ "\"clocks\":[155]", "\"clocks\":[156]", "another answer" },
		{ "\"resets\":[100]", "\"resets\":[101]", "was forward, is refused" },
		{ "\"verdict\":\"refused\"", "\"verdict\":\"forward\"", "was forward, is refused" },
		{ "\"result\":-13", "\"result\":-22", "result was -22, is -13" },
		{ "\"sent\":\"9b", "\"sent\":\"66", "something else goes to the host" },
		{ "\"host-result\":0", "\"host-result\":9", "result was 0, is -5" },
		{ "\"answer\":\"9b000000\"", "\"answer\":\"9c000000\"", "another answer" },
	};
	struct world *world = recording();
	char first[128];

	live(world);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		char *text = content(world), *at = strstr(text, changes[i].then);

		cr_assert_not_null(at, "%s", changes[i].then);
		cr_assert_eq(strlen(changes[i].now), strlen(changes[i].then));
		memcpy(at, changes[i].now, strlen(changes[i].now));
		cr_assert_gt(replay(text, first, sizeof(first)).different, 0, "%s", changes[i].now);
		cr_assert_str_eq(first, changes[i].said);
	}
	unlink(world->path);
}

Test(bpmp_audit, lines_that_are_none)
{
	static const char *const bad[] = { "", "{}", "{\"event\":\"guest\"}", "{\"event\":\"x\"}",
		"{\"event\":\"request\"}", "{\"event\":\"start\"}",
		"{\"event\":\"start\",\"clocks\":[1,\"a\"]}" };
	char text[128];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct audit_replay replayed = { .lines = 0 };

		cr_assert_eq(audit_replay_line(&replayed, bad[i], text, sizeof(text)), REPLAY_BAD,
			"%s", bad[i]);
	}
}

Test(bpmp_audit, the_file_has_a_limit_and_the_guest_goes_on)
{
	struct world *world = recording();
	size_t before = strlen(content(world));
	struct bpmp_response response;
	struct bpmp_request request = bpmp_clk_request(BPMP_CLK_ENABLE, 155);

	world->audit.left = 1000;
	for (int i = 0; i < 20; i++) {
		bpmp_server_serve(&world->server, &request, &response);
		cr_assert_eq(response.error, 0);
	}
	cr_assert_leq(strlen(content(world)), before + 1000);
	cr_assert_gt(strlen(content(world)), before);
	cr_assert_not_null(strstr(fake_log_text(), "limit of 64 MiB"));
	cr_assert_null(strstr(strstr(fake_log_text(), "limit of 64 MiB") + 1, "limit of 64 MiB"));
	unlink(world->path);
}

Test(bpmp_audit, a_disk_that_is_full_and_the_guest_goes_on)
{
	struct world *world = recording();
	int full = open("/dev/full", O_WRONLY);

	cr_assert_geq(full, 0);
	world->audit.fd = full;
	ask(world, bpmp_clk_request(BPMP_CLK_ENABLE, 155));
	ask(world, bpmp_clk_request(BPMP_CLK_DISABLE, 155));
	cr_assert_eq(world->audit.fd, -1);
	cr_assert_not_null(strstr(fake_log_text(), "is the disk full?"));
	unlink(world->path);
}

Test(bpmp_audit, files_that_cannot_be_one)
{
	char path[64];
	uint64_t left;
	int fd;

	cr_assert_eq(bpmp_audit_open("/nowhere/audit", &left), -ENOENT);
	cr_assert_not_null(strstr(fake_log_text(), "--bpmp audit=/nowhere/audit: No such file"));
	cr_assert_eq(bpmp_audit_open("/dev/null", &left), -EINVAL);
	snprintf(path, sizeof(path), "/tmp/bpmp-audit-%d", getpid());
	unlink(path);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_lt(bpmp_audit_open(path, &left), 0, "and does not wait for a reader");
	unlink(path);
	cr_assert_eq(symlink("/tmp", path), 0);
	cr_assert_eq(bpmp_audit_open(path, &left), -ELOOP);
	unlink(path);

	/* What is there already is kept, and counts. */
	fd = bpmp_audit_open(path, &left);
	cr_assert_eq(left, BPMP_AUDIT_LIMIT);
	cr_assert_eq(write(fd, "12345", 5), 5);
	close(fd);
	fd = bpmp_audit_open(path, &left);
	cr_assert_geq(fd, 0);
	cr_assert_eq(left, BPMP_AUDIT_LIMIT - 5);
	cr_assert_eq(ftruncate(fd, (off_t)BPMP_AUDIT_LIMIT), 0);
	close(fd);
	cr_assert_eq(bpmp_audit_open(path, &left), -EFBIG);
	cr_assert_not_null(strstr(fake_log_text(), "move it away"));
	unlink(path);
}
