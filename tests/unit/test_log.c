/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: one each, whatever goes into them. */
#include "tests/unit/fakes.h"
#include "vmm/base/log.h"
#include "vmm/base/log_json.h"

#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONGEST 1024

TestSuite(log, .init = fake_log_capture, .timeout = 20);

Test(log, says_who_and_how_bad)
{
	log_error("%d", 1);
	log_warning("%d", 2);
	log_info("%d", 3);
	log_set_process("console");
	log_error("%s", "four");
	log_info("five");
	log_set_process(NULL);
	log_info("six");
	cr_assert_str_eq(fake_log_text(),
		"bpmp-vmm: error: 1\n"
		"bpmp-vmm: warning: 2\n"
		"bpmp-vmm: 3\n"
		"bpmp-vmm[console]: error: four\n"
		"bpmp-vmm[console]: five\n"
		"bpmp-vmm: six\n");
}

Test(log, drops_what_is_less_important)
{
	cr_assert_eq(log_get_level(), LOG_INFO);
	log_debug("no");
	log_set_level(LOG_ERROR);
	log_warning("no");
	log_info("no");
	log_error("yes");
	log_set_level(LOG_DEBUG);
	log_debug("yes");
	cr_assert_str_eq(fake_log_text(), "bpmp-vmm: error: yes\nbpmp-vmm: debug: yes\n");
}

Test(log, long_lines_are_cut_to_1024_bytes)
{
	static const char start[] = "bpmp-vmm: error: ";
	char text[2 * LONGEST];
	const char *line;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	log_error("%s", text);
	line = fake_log_text();
	cr_assert_eq(strlen(line), LONGEST);
	cr_assert_eq(strncmp(line, start, strlen(start)), 0);
	cr_assert_eq(strspn(line + strlen(start), "x"), LONGEST - strlen(start) - 1);
	cr_assert_eq(line[LONGEST - 1], '\n');
}

Test(log, line_of_exactly_1024_bytes_is_whole)
{
	char text[LONGEST + 1], expected[2 * LONGEST];

	/* With the newline. */
	memset(text, 'x', sizeof(text));
	text[LONGEST - strlen("bpmp-vmm: ") - 1] = '\0';
	text[LONGEST - strlen("bpmp-vmm: ") - 2] = 'e';
	log_info("%s", text);
	snprintf(expected, sizeof(expected), "bpmp-vmm: %s\n", text);
	cr_assert_str_eq(fake_log_text(), expected);
}

Test(log, long_process_name_is_cut_too)
{
	static char name[3000];

	memset(name, 'n', sizeof(name) - 1);
	log_set_process(name);
	log_error("text");
	cr_assert_eq(strlen(fake_log_text()), LONGEST);
	cr_assert_eq(strchr(fake_log_text(), '\n'), fake_log_text() + LONGEST - 1);
}

/* A device's name or a guest's text must neither fake a line nor reach the terminal. */
Test(log, control_characters_become_question_marks)
{
	log_error("a\nb\rc\x1b[31md\te\x7f"
		  "f\x80"
		  "\xc3\xa4");
	cr_assert_str_eq(fake_log_text(),
		"bpmp-vmm: error: a?b?c?[31md?e?f\x80"
		"\xc3\xa4\n");
	/* U+009B is an escape sequence's beginning as well, U+00A0 is a blank. */
	fake_log_capture();
	log_error("\xc2\x9b"
		  "2J\xc2\x80\xc2\x9f\xc2\xa0\xc2");
	cr_assert_not_null(
		strstr(fake_log_text(), "error: ??2J????\xc2\xa0\xc2\n"), "%s", fake_log_text());
}

Test(log, journal_has_priorities)
{
	log_set_format(LOG_JOURNAL);
	log_set_level(LOG_DEBUG);
	log_error("a");
	log_warning("b");
	log_set_process("console");
	log_info("c");
	log_debug("d\n<0>e");
	cr_assert_str_eq(fake_log_text(), "<3>a\n<4>b\n<6>console: c\n<7>console: d?<0>e\n");
}

Test(log, json_is_an_object_a_line)
{
	log_set_format(LOG_JSON);
	log_error("a \"b\" \\ c");
	log_set_process("console");
	log_warning("d\ne");
	log_info("f");
	cr_assert_str_eq(fake_log_text(),
		"{\"level\":\"error\",\"process\":\"bpmp-vmm\",\"message\":\"a \\\"b\\\" "
		"\\\\ c\"}\n"
		"{\"level\":\"warning\",\"process\":\"console\",\"message\":\"d?e\"}\n"
		"{\"level\":\"info\",\"process\":\"console\",\"message\":\"f\"}\n");
}

static void put_json(char *line, size_t size, const char *process, const char *message)
{
	size_t length = log_json(line, size - 1, "error", process, message);

	cr_assert_leq(length, size - 1);
	line[length] = '\0';
}

Test(log, json_has_nothing_but_utf8)
{
	/* Overlong forms, surrogates, beyond U+10FFFF, sequences cut short by text or the end. */
	static const struct {
		const char *text, *becomes;
	} cases[] = {
		{ "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
		{ "\x80", "?" },
		{ "\xff\xfe", "??" },
		{ "\xc0\x80", "??" },
		{ "\xc1\xbf", "??" },
		{ "\xe0\x9f\xbf", "???" },
		{ "\xed\xa0\x80", "???" },
		{ "\xf0\x8f\xbf\xbf", "????" },
		{ "\xf4\x90\x80\x80", "????" },
		{ "\xe2\x82", "??" },
		{ "\xe2\x82z", "??z" },
		{ "\xf0\x9f\x98", "???" },
		{ "\xc3", "?" },
		{ "\x7f\x01\t", "???" },
	};
	char line[256], expected[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_json(line, sizeof(line), "p", cases[i].text);
		snprintf(expected, sizeof(expected),
			"{\"level\":\"error\",\"process\":\"p\",\"message\":\"%s\"}\n",
			cases[i].becomes);
		cr_assert_str_eq(line, expected, "case %zu", i);
	}
}

/* Whatever the bytes and the room, it is one line that json-c takes, UTF-8 included. */
Test(log, json_is_valid_whatever_is_logged)
{
	struct json_tokener *tokener = json_tokener_new();
	char text[600], name[300], line[700];

	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	srand(1);
	for (int round = 0; round < 20000; round++) {
		size_t size = 129 + (size_t)rand() % (sizeof(line) - 129);
		struct json_object *object;

		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (char)(rand() % 3 ? rand() % 256
						    : "\"\\\xe2\x82\xac\xf0"[rand() % 6]);
		for (size_t i = 0; i < sizeof(name); i++)
			name[i] = (char)(rand() % 256);
		text[rand() % (int)sizeof(text)] = text[sizeof(text) - 1] = '\0';
		name[rand() % (int)sizeof(name)] = name[sizeof(name) - 1] = '\0';
		put_json(line, size, name, text);
		json_tokener_reset(tokener);
		object = json_tokener_parse_ex(tokener, line, (int)strlen(line));
		cr_assert_eq(json_tokener_get_error(tokener), json_tokener_success, "%s", line);
		cr_assert_eq(json_object_object_length(object), 3);
		cr_assert_eq(strchr(line, '\n'), line + strlen(line) - 1);
		json_object_put(object);
	}
	json_tokener_free(tokener);
}

Test(log, line_is_one_write)
{
	int pair[2];
	char line[64];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	dup2(pair[1], STDERR_FILENO);
	log_info("first");
	log_info("second");
	cr_assert_eq(read(pair[0], line, sizeof(line)), (ssize_t)strlen("bpmp-vmm: first\n"));
	cr_assert_eq(read(pair[0], line, sizeof(line)), (ssize_t)strlen("bpmp-vmm: second\n"));
}

Test(log, closed_standard_error_does_no_harm)
{
	close(STDERR_FILENO);
	log_error("nobody hears this");
}
