/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: one each, whatever goes into them. */
#include "tests/unit/fakes.h"
#include "vmm/base/log.h"

#include <criterion/criterion.h>
#include <stdio.h>
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
