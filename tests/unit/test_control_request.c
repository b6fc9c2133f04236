/* SPDX-License-Identifier: Apache-2.0 */
/* A line of the control socket, and a status as people see it. */
#include "devices/bpmp/statistics.h"
#include "tests/unit/fakes.h"
#include "vmm/control_request.h"
#include "vmm/status_bpmp.h"
#include "vmm/status_text.h"

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char problem[160];

static int parse(const char *line, struct control_request *request)
{
	problem[0] = '\0';
	return control_request_parse(request, line, strlen(line), problem, sizeof(problem));
}

Test(control_request, commands)
{
	static const struct {
		const char *line;
		enum control_command command;
	} lines[] = {
		{ "{\"command\":\"status\"}", CONTROL_STATUS },
		{ " { \"command\" : \"pause\" } ", CONTROL_PAUSE },
		{ "{\"command\":\"resume\"}\r", CONTROL_RESUME },
		{ "{\"command\":\"powerdown\"}", CONTROL_POWERDOWN },
		{ "{\"command\":\"\\u0073top\"}", CONTROL_STOP },
		{ "{\"size\":1,\"command\":\"balloon\"}", CONTROL_BALLOON },
	};
	struct control_request request;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		cr_assert_eq(parse(lines[i].line, &request), 0, "%s: %s", lines[i].line, problem);
		cr_assert_eq(request.command, lines[i].command);
	}
}

Test(control_request, size_of_a_balloon)
{
	struct control_request request;

	cr_assert_eq(parse("{\"command\":\"balloon\",\"size\":274877906944}", &request), 0);
	cr_assert_eq(request.size, UINT64_C(256) << 30);
	cr_assert_str_empty(request.disk);
}

Test(control_request, refusals)
{
	static const char *const lines[][2] = {
		{ "", "ends too early" },
		{ "{\"command\":\"status\"", "ends too early" },
		{ "status", "not JSON" },
		{ "[\"status\"]", "an object" },
		{ "\"status\"", "an object" },
		{ "null ", "an object" },
		{ "{}", "missing" },
		{ "{\"command\":1}", "no string" },
		{ "{\"command\":null}", "no string" },
		{ "{\"command\":\"Status\"}", "unknown command" },
		{ "{\"command\":\"stop\\u0000ped\"}", "unknown command" },
		{ "{\"command\":\"stop\",\"when\":1}", "unknown key 'when'" },
		{ "{\"command\":\"stop\",\"size\":1}", "unknown key 'size'" },
		{ "{\"command\":\"balloon\",\"disk\":\"a\",\"size\":1}", "unknown key 'disk'" },
		{ "{\"command\":\"balloon\",\"memory\":1}", "unknown key 'memory'" },
		{ "{\"command\":\"balloon\"}", "'size' is missing" },
		{ "{\"command\":\"balloon\",\"size\":0}", "no number" },
		{ "{\"command\":\"balloon\",\"size\":-1}", "no number" },
		{ "{\"command\":\"balloon\",\"size\":1.5}", "no number" },
		{ "{\"command\":\"balloon\",\"size\":\"1\"}", "no number" },
		{ "{\"command\":\"stop\"}{\"command\":\"stop\"}", "JSON|follows" },
		{ "{\"command\":\"st\xff\"}", "not JSON" },
		{ "{'command':'stop'}", "not JSON" },
		{ "{\"command\":{\"a\":{\"b\":1}}}", "not JSON: nesting too deep" },
	};
	struct control_request request;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *wanted = lines[i][1];

		cr_assert_eq(parse(lines[i][0], &request), -EINVAL, "%s", lines[i][0]);
		cr_assert(strcmp(wanted, "JSON|follows") == 0
				? strstr(problem, "JSON") || strstr(problem, "follows")
				: strstr(problem, wanted) != NULL,
			"%s: %s", lines[i][0], problem);
	}
}

Test(control_request, resize)
{
	struct control_request request = { .size = 1 };

	cr_assert_eq(
		parse("{\"command\":\"resize\",\"disk\":\"a b.img\"}", &request), 0, "%s", problem);
	cr_assert_eq(request.command, CONTROL_RESIZE);
	cr_assert_str_eq(request.disk, "a b.img");
	cr_assert_eq(request.size, 0);
	cr_assert_eq(
		parse("{\"size\":1099511627776,\"disk\":\"/d\",\"command\":\"resize\"}", &request),
		0);
	cr_assert_eq(request.size, UINT64_C(1) << 40);
	cr_assert_str_eq(request.disk, "/d");
}

Test(control_request, resize_refusals)
{
	static const char *const lines[][2] = {
		{ "", "'disk' is missing" },
		{ ",\"disk\":\"\"", "'disk' is missing" },
		{ ",\"disk\":1", "'disk' is missing" },
		{ ",\"disk\":\"a\\u0000b\"", "'disk' is missing" },
		{ ",\"disk\":\"a\",\"size\":0", "no number" },
		{ ",\"disk\":\"a\",\"size\":-512", "no number" },
		{ ",\"disk\":\"a\",\"size\":1.5", "no number" },
		{ ",\"disk\":\"a\",\"size\":\"1G\"", "no number" },
		{ ",\"disk\":\"a\",\"size\":99999999999999999999", "no number" },
		{ ",\"disk\":\"a\",\"bytes\":512", "unknown key 'bytes'" },
	};
	struct control_request request;
	char line[128];

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(line, sizeof(line), "{\"command\":\"resize\"%s}", lines[i][0]);
		cr_assert_eq(parse(line, &request), -EINVAL, "%s", line);
		cr_assert_not_null(strstr(problem, lines[i][1]), "%s: %s", line, problem);
	}
	cr_assert_eq(parse("{\"command\":\"stop\",\"disk\":\"a\"}", &request), -EINVAL);
}

Test(control_request, bytes_that_are_no_text)
{
	static const char line[] = "{\"command\":\"stop\"}\0\0";
	struct control_request request;

	cr_assert_eq(
		control_request_parse(&request, line, sizeof(line) - 1, problem, sizeof(problem)),
		-EINVAL);
}

static char *print(const char *text)
{
	struct json_object *status = json_tokener_parse(text);
	char *printed = NULL;
	size_t size;
	FILE *to = open_memstream(&printed, &size);

	status_text_print(to, status);
	fclose(to);
	json_object_put(status);
	return printed;
}

Test(status_text, all_of_it)
{
	char *text = print("{\"name\":\"one\",\"state\":\"paused\",\"vcpus\":2,"
			   "\"memory_bytes\":268435456,\"uptime_seconds\":3723,\"restarts\":4,"
			   "\"devices\":[\"a.serial\",\"console\"],"
			   "\"bpmp\":{\"error\":\"its worker does not answer\"}}");

	cr_assert_str_eq(text,
		"name      one\n"
		"state     paused\n"
		"vCPUs     2\n"
		"memory    256 MiB\n"
		"uptime    1:02:03, restarted 4 times\n"
		"devices   a.serial, console\n"
		"bpmp      its worker does not answer\n");
	free(text);
}

Test(status_text, balloon)
{
	char *text = print("{\"memory_bytes\":536870912,"
			   "\"balloon\":{\"target_bytes\":134217728,\"actual_bytes\":268435456}}");

	cr_assert_not_null(
		strstr(text, "\nballoon   256 MiB are left to the guest, asked for 128 MiB\n"));
	free(text);
}

Test(status_text, counts_of_the_bpmp)
{
	struct bpmp_statistics statistics = {
		.row_count = 3,
		.clock_count = 2,
		.rows = {
			{ 22, 155, 10, 1, 2, 5000000, 900000, "uarta" },
			{ 0, BPMP_STATISTICS_OTHER, 1, 0, 0, 1000, 1000, "" },
			{ BPMP_STATISTICS_OTHER, BPMP_STATISTICS_OTHER, 3, 3, 0, 0, 0, "" },
		},
	};
	struct json_object *status = json_object_new_object();
	char *text;

	memset(statistics.rows[2].name, 0x9b, sizeof(statistics.rows[2].name));
	json_object_object_add(status, "bpmp", status_describe_counts(&statistics));
	text = print(json_object_to_json_string(status));
	cr_assert(
		strstr(text, "bpmp      2 clocks, 14 requests, 4 refused, 2 failed at the host\n"));
	cr_assert(strstr(text,
			  "clock            155  uarta                              10        1  "
			  "      2      500      900\n"),
		"%s", text);
	cr_assert(strstr(text, "MRQ 0              -  "), "%s", text);
	cr_assert(strstr(text, "????????"), "%s", text);
	free(text);
	json_object_put(status);
}

/* From a VM that its guest has taken over. */
Test(status_text, nonsense_reaches_no_terminal)
{
	static const char *const texts[] = {
		"{\"name\":\"\\u001b[2J\\u009b\",\"devices\":[\"\\u0007\",1,null,[],{}]}",
		"{\"bpmp\":{\"counts\":[1,[],{\"kind\":\"\\u001b\",\"id\":\"\"}]}}",
		"{\"bpmp\":[]}",
		"{\"name\":[],\"state\":1,\"vcpus\":\"x\",\"devices\":{}}",
		"[]",
		"null",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *text = print(texts[i]);

		for (const char *at = text; *at; at++)
			cr_assert(*at == '\n' || (*at >= ' ' && *at <= '~'), "%s", text);
		free(text);
	}
}
