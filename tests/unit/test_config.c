/* SPDX-License-Identifier: Apache-2.0 */
/* A file of options: JSON to the command line's words, and errors that name line and key. */
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"
#include "vmm/config.h"
#include "vmm/options.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int note(void *context, const struct config_value *value, char *problem, size_t size)
{
	cr_assert_eq(context, note);
	if (strcmp(value->name, "bad") == 0) {
		snprintf(problem, size, "it is bad");
		return -EINVAL;
	}
	fake_trace("%s%s=%s", value->name, value->in_array ? "[]" : "",
		value->text	    ? value->text
			: value->on ? "(true)"
				    : "(false)");
	return 0;
}

static int parse(const char *text)
{
	return config_parse("file", text, strlen(text), note, (void *)note);
}

TestSuite(config, .init = fake_log_capture, .timeout = 20);

Test(config, every_kind_of_value)
{
	cr_assert_eq(parse("{ \"kernel\": \"a,b=c\",\n"
			   "  \"cpus\": 2, \"no-reboot\": true, \"rng\": false,\n"
			   "  \"memory\": { \"size\": \"1G\", \"base\": 1073741824 },\n"
			   "  \"passthrough\": [ \"a.serial\", { \"device\": \"b\",\n"
			   "     \"compatible\": \"arm,pl011\", \"address\": [ 1, \"0x20\" ],\n"
			   "     \"unsafe-noiommu\": true, \"map-early\": false } ] }\n"),
		0, "%s", fake_log_text());
	cr_assert_str_eq(fake_trace_text(),
		"kernel=a,b=c\n"
		"cpus=2\n"
		"no-reboot=(true)\n"
		"rng=(false)\n"
		"memory=,size=1G,base=1073741824\n"
		"passthrough[]=a.serial\n"
		"passthrough[]=,device=b,compatible=arm,,pl011,address=1:0x20,unsafe-noiommu=on,"
		"map-early=off\n");
}

Test(config, errors_name_line_and_key)
{
	static const char *const texts[][2] = {
		{ "", "line 1: the JSON ends too early" },
		{ "{ \"a\": 1,\n\n \"b\": ", "line 3: the JSON ends too early" },
		{ "{\n\"a\" 1 }", "line 2: not JSON" },
		{ "{ \"a\": \"\xff\" }", "line 1: not JSON" },
		{ "{}\n\n{}", "line 3" },
		{ "[]", "not an object" },
		{ "3 ", "not an object" },
		{ "{ \"a\": \"bad\",\n \"c\": { \"bad\": \"\\\"\" },\n\n \"bad\" : 1 }",
			"line 4: \"bad\": it is bad" },
		{ "{ \"a\": [],\n\"bad\": [ 1 ] }", "line 2: \"bad\"[0]: it is bad" },
		{ "{ \"bad\":\n[\n1 ] }", "line 3: \"bad\"[0]: it is bad" },
		{ "{ \"a\": [ \"x,[\", { \"b\": [ 1,\n2 ] },\n\n{\n} ] }",
			"line 4: \"a\"[2]: an object has" },
		{ "{ \"\\u0062ad\":\n[ 1 ] }", "line 1: \"bad\"[0]: it is bad" },
		{ "{ \"a\": 1,\n\"a\": 2 }", "line 2: \"a\": given more than once" },
		{ "{\n\"a\": null }", "line 2: \"a\": a value is" },
		{ "{\n\"a\": 1.5 }", "line 2: \"a\": a value is" },
		{ "{\n\"a\": [ [ 1 ] ] }", "line 2: \"a\"[0]: a value is" },
		{ "{\n\"a\": \"x\\u0000y\" }", "line 2: \"a\": a value is" },
		{ "{\n\"a\": {} }", "line 2: \"a\": an object has" },
		{ "{\n\"a\": { \"b\": null } }", "line 2: \"a\": an object has" },
		{ "{\n\"a\": { \"b\": [] } }", "line 2: \"a\": an object has" },
		{ "{\n\"a\": { \"b=1,c\": 2 } }", "line 2: \"a\": an object has" },
		{ "{\n\"a\": { \"b\": { \"c\": 1 } } }", "line 2: \"a\": an object has" },
		{ "{\"a\":[[[[[[1]]]]]]}", "nesting too deep" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t before = strlen(fake_log_text());

		cr_assert_eq(parse(texts[i][0]), -EINVAL, "%s", texts[i][0]);
		cr_assert(strstr(fake_log_text() + before, texts[i][1]), "%s: %s", texts[i][0],
			fake_log_text() + before);
	}
}

Test(config, values_have_an_end)
{
	static char text[20000];
	int used = snprintf(text, sizeof(text), "{ \"a\": \"");

	memset(text + used, 'x', 10000);
	snprintf(text + used + 10000, 100, "\" }");
	cr_assert_eq(parse(text), -EINVAL);
	cr_assert(strstr(fake_log_text(), "too long"), "%s", fake_log_text());
	cr_assert_str_eq(fake_trace_text(), "");
}

static struct options options;

/* Options from a file of this text, and from the words behind it. */
static enum options_result parse_with(const char *text, const char *word, const char *value)
{
	char path[256];
	char *argv[] = { (char[]){ "bpmp-vmm" }, (char[]){ "--config" }, path, (char *)(size_t)word,
		(char *)(size_t)value };

	fixture_text("vm.json", text);
	snprintf(path, sizeof(path), "%s", fixture_path("vm.json"));
	return options_parse(&options, word ? 5 : 3, argv);
}

TestSuite(config_options, .init = fixture_create, .fini = fixture_remove, .timeout = 20);

Test(config_options, are_the_command_lines)
{
	cr_assert_eq(parse_with("{ \"kernel\": \"Image\", \"cpus\": 2, \"no-reboot\": true,\n"
				"  \"console\": { \"unix\": \"/run/a,b\" }, \"sandbox\": false,\n"
				"  \"memory\": { \"size\": 1073741824 },\n"
				"  \"bpmp\": { \"mode\": \"mailbox\", \"clocks\": [ 155, 102 ] },\n"
				"  \"passthrough\": [ \"a.serial,address=host\",\n"
				"    { \"device\": \"b\", \"compatible\": \"arm,pl011\" } ] }",
			     NULL, NULL),
		OPTIONS_RUN);
	cr_assert_str_eq(options.kernel, "Image");
	cr_assert_eq(options.cpus.count, 2);
	cr_assert_eq(options.on_reset, ON_EVENT_EXIT);
	cr_assert_eq(options.console.kind, CONSOLE_UNIX);
	cr_assert_str_eq(options.console.path, "/run/a,b");
	cr_assert_not(options.sandbox);
	cr_assert_eq(options.memory.size, 1u << 30);
	cr_assert_eq(options.bpmp.clocks.count, 2);
	cr_assert_eq(options.bpmp.clocks.items[1], 102);
	cr_assert_eq(options.passthrough_count, 2);
	cr_assert(options.passthrough[0].address_host);
	cr_assert_str_eq(options.passthrough[1].compatible, "arm,pl011");
}

Test(config_options, command_line_wins_wherever_it_stands)
{
	cr_assert_eq(
		parse_with("{ \"kernel\": \"a\", \"cpus\": 2 }", "--kernel", "b"), OPTIONS_RUN);
	cr_assert_str_eq(options.kernel, "b");
	cr_assert_eq(options.cpus.count, 2);
}

Test(config_options, refusals)
{
	static const char *const texts[][2] = {
		{ "{ \"kernel\": \"a\",\n\"kernl\": 1 }",
			"line 2: \"kernl\": unknown option; did you mean \"kernel\"?" },
		{ "{\n\"cpus\": [ 1, 2 ] }",
			"line 2: \"cpus\"[0]: cannot be given more than once" },
		{ "{\n\"memory\": { \"sise\": 1 } }", "did you mean 'size'?" },
		{ "{\n\"config\": \"b\" }", "line 2: \"config\": not in a file" },
		{ "{\n\"help\": true }", "line 2: \"help\": not in a file" },
		{ "{\n\"no-reboot\": 1 }", "line 2: \"no-reboot\": it is true or false" },
		{ "{\n\"kernel\": true }", "line 2: \"kernel\": it needs a value" },
		{ "{\n\"kernel\": \"\" }", "line 2: \"kernel\": it is empty" },
		{ "{\n\"kernel\": { \"file\": \"x\" } }", "line 2: \"kernel\": it is a string" },
	};

	fake_log_capture();
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t before = strlen(fake_log_text());

		cr_assert_eq(parse_with(texts[i][0], NULL, NULL), OPTIONS_BAD, "%s", texts[i][0]);
		cr_assert(strstr(fake_log_text() + before, texts[i][1]), "%s: %s", texts[i][0],
			fake_log_text() + before);
	}
}

/* What options say together has no line of its own. */
Test(config_options, file_is_named_where_its_options_do_not_go_together)
{
	fake_log_capture();
	cr_assert_eq(parse_with("{ \"kernel\": \"a\",\n\"cpus\": 0 }", NULL, NULL), OPTIONS_BAD);
	cr_assert(strstr(fake_log_text(), "--cpus"), "%s", fake_log_text());
	cr_assert(strstr(fake_log_text(), "vm.json: "), "%s", fake_log_text());
}

Test(config_options, file_that_is_not_there)
{
	char *argv[] = { (char[]){ "bpmp-vmm" }, (char[]){ "--config=/none/x" } };

	fake_log_capture();
	cr_assert_eq(options_parse(&options, 2, argv), OPTIONS_BAD);
	cr_assert(strstr(fake_log_text(), "--config /none/x: No such file or directory"));
}
