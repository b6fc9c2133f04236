/* SPDX-License-Identifier: Apache-2.0 */
/* The firmware behind the proxy, and what debugfs shows of both. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpmp_call.h"
#include "selftest.h"

static int64_t answer_64(const struct call *call)
{
	int64_t value;

	memcpy(&value, call->rx, sizeof(value));
	return value;
}

/* True if a file of debugfs has this very line. */
static int has_line(const char *file, const char *line)
{
	static char text[1 << 19];
	const char *at = text;

	read_file(file, text, sizeof(text));
	while ((at = strstr(at, line))) {
		if ((at == text || at[-1] == '\n') && at[strlen(line)] == '\n')
			return 1;
		at++;
	}
	return 0;
}

static int state_has(const char *line)
{
	return has_line(DEBUGFS "state", line);
}

static void test_queries(struct results *r, struct call *call)
{
	CHECK(r, request(call, QUERY_ABI, QUERY_FW_TAG, 0, 0) == 0 && call->rx[0] == 0);
	CHECK(r, request(call, QUERY_ABI, DEBUG, 0, 0) == 0 && call->rx[0] == (uint32_t)-19);
	CHECK(r, call->wire.ret == 0);
	CHECK(r, request(call, QUERY_FW_TAG, 0, 0, 0) == 0);
	CHECK(r, !strncmp((char *)call->rx, "bpmp-vmm rig", 12));
	CHECK(r, request(call, PG, 4, 0, 0) == 0 && call->rx[0] == 35);
	CHECK(r, request(call, PG, 3, 18, 0) == 0 && !strcmp((char *)call->rx, "mgbeb"));
	CHECK(r, request(call, PG, 3, 4, 0) == 0 && call->wire.ret == -22);
}

static void test_clock_tree(struct results *r, struct call *call)
{
	const unsigned char *info = (const unsigned char *)call->rx;
	uint32_t max, id, known = 0;

	CHECK(r, clock_request(call, GET_MAX_CLK_ID, 0, 0) == 0);
	max = call->rx[0];
	/* What a guest asks of the tree: each parent known, no rate of 0, a mux where it must be.
	 */
	for (id = 0; id <= max; id++) {
		uint32_t parents[16], flags, i;
		unsigned int count;

		CHECK(r, clock_request(call, GET_ALL_INFO, id, 0) == 0);
		if (call->wire.ret)
			continue;
		known++;
		flags = call->rx[0];
		memcpy(parents, &call->rx[2], sizeof(parents));
		count = info[72];
		CHECK(r, count <= 16 && (count < 2 || flags & 1) && info[73]);
		CHECK(r, !count == !!(flags & 4));
		for (i = 0; i < count && i < 16; i++)
			CHECK(r,
				clock_request(call, GET_ALL_INFO, parents[i], 0) == 0 &&
					call->wire.ret == 0);
		CHECK(r, clock_request(call, GET_RATE, id, 0) == 0 && answer_64(call) > 0);
	}
	CHECK(r, known == 18);
}

static void test_clock(struct results *r, struct call *call)
{
	CHECK(r, state_has("clock 155 uarta count=0 host=0 rate=408000000 parent=102"));
	CHECK(r, clock_request(call, ROUND_RATE, 155, 1843200) == 0 && answer_64(call) == 1841986);
	CHECK(r, state_has("clock 155 uarta count=0 host=0 rate=408000000 parent=102"));
	CHECK(r, clock_request(call, SET_RATE, 155, 1843200) == 0 && answer_64(call) == 1841986);
	CHECK(r, clock_request(call, GET_RATE, 155, 0) == 0 && answer_64(call) == 1841986);
	CHECK(r, clock_request(call, ENABLE, 155, 0) == 0);
	CHECK(r, clock_request(call, IS_ENABLED, 155, 0) == 0 && call->rx[0] == 1);
	CHECK(r, state_has("clock 155 uarta count=1 host=0 rate=1841986 parent=102"));
	CHECK(r,
		clock_request(call, SET_RATE, 155, INT64_MAX) == 0 && answer_64(call) == 408000000);
	CHECK(r, clock_request(call, SET_RATE, 155, 1) == 0 && answer_64(call) == 12450);
	CHECK(r, clock_request(call, SET_RATE, 155, -1) == 0 && call->wire.ret == -22);
	CHECK(r, clock_request(call, SET_PARENT, 155, 14) == 0 && call->rx[0] == 14);
	CHECK(r, clock_request(call, SET_RATE, 155, 19200000) == 0 && answer_64(call) == 19200000);
	CHECK(r, clock_request(call, SET_PARENT, 155, 31) == 0 && call->wire.ret == -22);
	CHECK(r, clock_request(call, GET_PARENT, 155, 0) == 0 && call->rx[0] == 14);
	CHECK(r, clock_request(call, DISABLE, 155, 0) == 0 && call->wire.ret == 0);
	CHECK(r, clock_request(call, DISABLE, 155, 0) == 0 && call->wire.ret == 0);
	CHECK(r, state_has("clock 155 uarta count=0 host=0 rate=19200000 parent=14"));
	CHECK(r, clock_request(call, GET_RATE, 7, 0) == 0 && call->wire.ret == -22);
}

static void test_host_side(struct results *r, struct call *call)
{
	write_file(DEBUGFS "host_enable", "156");
	CHECK(r, clock_request(call, ENABLE, 156, 0) == 0);
	CHECK(r, state_has("clock 156 uartb count=2 host=1 rate=408000000 parent=102"));
	CHECK(r, clock_request(call, DISABLE, 156, 0) == 0);
	write_file(DEBUGFS "host_disable", "156");
	CHECK(r, state_has("clock 156 uartb count=0 host=0 rate=408000000 parent=102"));
}

static void test_resets_and_domains(struct results *r, struct call *call)
{
	CHECK(r, state_has("reset 100 uarta asserted=1"));
	CHECK(r, request(call, RESET, 2, 100, 0) == 0 && state_has("reset 100 uarta asserted=0"));
	CHECK(r, request(call, RESET, 1, 100, 0) == 0 && state_has("reset 100 uarta asserted=1"));
	CHECK(r, request(call, RESET, 3, 100, 0) == 0 && state_has("reset 100 uarta asserted=0"));
	CHECK(r, request(call, RESET, 9, 100, 0) == 0 && call->wire.ret == -6);
	CHECK(r, request(call, PG, 1, 18, 1) == 0 && state_has("power-domain 18 mgbeb state=1"));
	CHECK(r, request(call, PG, 2, 18, 0) == 0 && call->rx[0] == 1);
	CHECK(r, request(call, PG, 1, 18, 7) == 0 && call->wire.ret == -22);
	CHECK(r, request(call, PG, 1, 18, 0) == 0 && state_has("power-domain 18 mgbeb state=0"));
}

/* Lines without their number, which counts on from boot. */
static int log_has(const char *line)
{
	static char text[1 << 16];
	char *at = text, *end;

	read_file(DEBUGFS "log", text, sizeof(text));
	for (; (end = strchr(at, '\n')); at = end + 1) {
		*end = '\0';
		if (strchr(at, ' ') && !strcmp(strchr(at, ' ') + 1, line))
			return 1;
	}
	return 0;
}

static void test_log(struct results *r, struct call *call)
{
	char text[4096];

	write_file(DEBUGFS "log_clear", "1");
	read_file(DEBUGFS "log", text, sizeof(text));
	CHECK(r, text[0] == '\0');
	clock_request(call, SET_RATE, 155, 1843200);
	clock_request(call, ENABLE, 157, 0);
	request(call, PING, 21, 0, 0);
	request(call, RESET, 2, 100, 0);
	write_file(DEBUGFS "fault", "next errno=110 done");
	CHECK(r, clock_request(call, ENABLE, 155, 0) == ETIMEDOUT);
	CHECK(r, state_has("clock 155 uarta count=1 host=0 rate=1828571 parent=14"));
	write_file(DEBUGFS "host_enable", "31");
	CHECK(r,
		log_has("bpmp-host mrq=22 cmd=2 id=155 arg=1843200 result=0 out=1828571"
			" clk.set_rate"));
	CHECK(r, log_has("bpmp-host mrq=22 cmd=7 id=157 arg=0 errno=1 clk.enable"));
	CHECK(r, log_has("bpmp-host mrq=0 cmd=0 id=-1 arg=21 result=0 out=42 ping"));
	CHECK(r, log_has("bpmp-host mrq=20 cmd=2 id=100 arg=0 result=0 out=0 reset.deassert"));
	CHECK(r, log_has("bpmp-host mrq=22 cmd=7 id=155 arg=0 errno=110 clk.enable"));
	CHECK(r, log_has("host mrq=22 cmd=7 id=31 arg=0 result=0 out=0 clk.enable"));
}

void test_bpmp_firmware(struct results *r)
{
	struct call call = { .fd = open("/dev/bpmp-host", O_RDWR | O_CLOEXEC) };

	test_queries(r, &call);
	test_clock_tree(r, &call);
	test_clock(r, &call);
	test_host_side(r, &call);
	test_resets_and_domains(r, &call);
	test_log(r, &call);
	write_file(DEBUGFS "state_reset", "1");
	write_file(DEBUGFS "log_clear", "1");
	close(call.fd);
}
