/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options.h"

#include "vmm/base/layout.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/config.h"
#include "vmm/options_check.h"
#include "vmm/options_console.h"
#include "vmm/options_cpus.h"
#include "vmm/options_disk.h"
#include "vmm/options_memory.h"
#include "vmm/options_net.h"
#include "vmm/options_passthrough.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef BPMP_VMM_VERSION
#define BPMP_VMM_VERSION "unknown"
#endif

static const char *const irqchip_choices[] = { "auto", "gicv3", "gicv2", NULL };
static const char *const bpmp_choices[] = { "auto", "mailbox", "proxy", "off", NULL };
static const char *const restart_choices[] = { "restart", "exit", NULL };
static const char *const level_choices[] = { "error", "warning", "info", "debug", NULL };
static const char *const format_choices[] = { "text", "json", "journal", NULL };
static const char *const notify_choices[] = { "off", "started", NULL };

#define FIELD(key, type, structure, member) key, type, offsetof(structure, member), NULL
#define CHOICE(key, structure, member, choices)                                                    \
	key, VALUE_CHOICE, offsetof(structure, member), choices

static const char *const bare_hugepages[] = { "2M", NULL };
static const struct value_field memory_fields[] = {
	{ FIELD("size", VALUE_SIZE, struct options, memory.size) },
	{ FIELD("base", VALUE_NUMBER, struct options, memory.base) },
	{ "hugepages", VALUE_SIZE, offsetof(struct options, memory.huge_page), bare_hugepages },
};
static const struct value_field irqchip_fields[] = {
	{ CHOICE("version", struct options, irqchip, irqchip_choices) },
};
static const struct value_field bpmp_fields[] = {
	{ CHOICE("mode", struct options, bpmp.mode, bpmp_choices) },
	{ FIELD("host", VALUE_STRING, struct options, bpmp.host) },
	{ FIELD("base", VALUE_NUMBER, struct options, bpmp.base) },
	{ FIELD("clocks", VALUE_LIST, struct options, bpmp.clocks) },
	{ FIELD("resets", VALUE_LIST, struct options, bpmp.resets) },
	{ FIELD("power-domains", VALUE_LIST, struct options, bpmp.power_domains) },
	{ FIELD("mrqs", VALUE_STRING, struct options, bpmp.mrqs) },
	{ FIELD("audit", VALUE_STRING, struct options, bpmp.audit) },
	{ FIELD("trap", VALUE_BOOL, struct options, bpmp.trap) },
	{ FIELD("ignore-unused", VALUE_BOOL, struct options, bpmp.ignore_unused) },
};
static const struct value_field platform_fields[] = {
	{ FIELD("base", VALUE_NUMBER, struct options, platform.base) },
	{ FIELD("size", VALUE_SIZE, struct options, platform.size) },
	{ FIELD("first-spi", VALUE_NUMBER, struct options, platform.first_spi) },
};
static const struct value_field on_reset_fields[] = {
	{ CHOICE("action", struct options, on_reset, restart_choices) },
};
static const struct value_field on_panic_fields[] = {
	{ CHOICE("action", struct options, on_panic, restart_choices) },
};
static const struct value_field fast_path_fields[] = {
	{ FIELD("fast-path", VALUE_BOOL, struct options, fast_path) },
};
static const struct value_field grace_fields[] = {
	{ FIELD("seconds", VALUE_NUMBER, struct options, grace) },
};
static const struct value_field rng_fields[] = {
	{ FIELD("rng", VALUE_BOOL, struct options, rng) },
};
static const struct value_field sandbox_fields[] = {
	{ FIELD("sandbox", VALUE_BOOL, struct options, sandbox) },
};
static const struct value_field log_level_fields[] = {
	{ CHOICE("level", struct options, log_level, level_choices) },
};
static const struct value_field log_format_fields[] = {
	{ CHOICE("format", struct options, log_format, format_choices) },
};
static const struct value_field notify_fields[] = {
	{ CHOICE("when", struct options, notify, notify_choices) },
};

/* Returned by a parse_fn after which nothing is to be run. */
#define OPTION_LAST 1

typedef int parse_fn(struct options *options, const char *text, char *problem, size_t size);

/* FILE[,raw]: a path may hold any other comma, and '='. */
static int parse_kernel(struct options *options, const char *text, char *problem, size_t size)
{
	static const char raw[] = ",raw";
	size_t length = strlen(text), tail = sizeof(raw) - 1;

	options->kernel_raw = length > tail && strcmp(text + length - tail, raw) == 0;
	if (!*text) {
		snprintf(problem, size, "it is empty");
		return -EINVAL;
	}
	/* Kept, as all strings of options are. */
	options->kernel = options->kernel_raw ? strndup(text, length - tail) : text;
	if (options->kernel)
		return 0;
	snprintf(problem, size, "no memory");
	return -ENOMEM;
}

static int parse_no_reboot(struct options *options, const char *text, char *problem, size_t size)
{
	(void)text, (void)problem, (void)size;
	options->on_reset = options->on_panic = ON_EVENT_EXIT;
	return 0;
}

static int parse_json(struct options *options, const char *text, char *problem, size_t size)
{
	(void)text, (void)problem, (void)size;
	options->json = true;
	return 0;
}

static int parse_notify(struct options *options, const char *text, char *problem, size_t size)
{
	if (strcmp(text, "guest") == 0) {
		snprintf(problem, size,
			"a guest has no sound way to say that it is up; use started, and let what "
			"depends on the guest ask the guest");
		return -EINVAL;
	}
	return value_parse(text, notify_fields, ARRAY_SIZE(notify_fields), options, problem, size);
}

static int parse_version(struct options *options, const char *text, char *problem, size_t size)
{
	(void)options, (void)text, (void)problem, (void)size;
	printf("bpmp-vmm %s\n", BPMP_VMM_VERSION);
	return OPTION_LAST;
}

/* --config: done before all others, which win. */
static int parse_config(struct options *options, const char *text, char *problem, size_t size)
{
	(void)options, (void)text, (void)problem, (void)size;
	return 0;
}

/* Prints the table below. */
static parse_fn parse_help;

/* One option: a whole string, a value list by fields, or a function of its own. */
struct option {
	const char *name;
	const char *argument; /* as --help shows it; NULL: takes none */
	const char *help;
	size_t string_offset; /* of a whole-string option, plus 1 */
	const struct value_field *fields;
	size_t field_count;
	parse_fn *parse;
	bool repeats; /* each adds one */
};

#define STRING(member) .string_offset = offsetof(struct options, member) + 1
#define FIELDS(array)  .fields = (array), .field_count = ARRAY_SIZE(array)

static const struct option option_table[] = {
	{ "kernel", "FILE[,raw]",
		"arm64 kernel: Image, gzip, zstd, EFI zboot; raw: without a header (required)",
		STRING(kernel), .parse = parse_kernel },
	{ "initrd", "FILE", "initial RAM disk", STRING(initrd) },
	{ "cmdline", "STRING", "kernel command line (console=hvc0, and root=/dev/vda with a disk)",
		STRING(cmdline) },
	{ "memory", "SIZE[,base=ADDR][,hugepages[=2M]]", "guest RAM (512M at 0x40000000)",
		FIELDS(memory_fields) },
	{ "cpus", "N[,affinity=LIST]", "vCPUs, 1 to 123 (1), and the host's CPU of each: 0-3:6",
		.parse = options_parse_cpus },
	{ "pmu", NULL, "performance counters for the guest", .parse = options_parse_pmu },
	{ "irqchip", "auto|gicv3|gicv2", "interrupt controller (auto)", FIELDS(irqchip_fields) },
	{ "console", "stdio|pty|unix=PATH|file=PATH|none", "the guest's hvc0 (stdio)",
		.parse = options_parse_console },
	{ "disk", "PATH[,ro][,direct][,serial=ID][,format=raw|qcow2]|vhost-user=SOCKET",
		"an image (raw) or block device as the guest's next disk; repeatable",
		.parse = options_parse_disk, .repeats = true },
	{ "fs", "vhost-user=SOCKET,tag=TAG",
		"a directory that a virtiofsd at SOCKET shares; repeatable",
		.parse = options_parse_fs, .repeats = true },
	{ "balloon", NULL, "memory that the guest gives back while it runs",
		.parse = options_parse_balloon },
	{ "rng", "on|off", "random numbers from the host (on)", FIELDS(rng_fields) },
	{ "net",
		"tap=NAME|fd=N|user|vhost-user=SOCKET[,mac=ADDR][,vhost=on|off]"
		"[,hostfwd=tcp::PORT-:PORT...]",
		"a network interface, on a tap of the host, by passt or by another; repeatable",
		.parse = options_parse_net, .repeats = true },
	{ "vsock", "CID", "sockets between host and guest, which has this address",
		.parse = options_parse_vsock },
	{ "serial", "stdio|pty|unix=PATH|file=PATH|none", "an early UART, ns16550a (none)",
		.parse = options_parse_serial },
	{ "passthrough",
		"DEVICE[,compatible=STRING][,address=host|ADDR[:ADDR...]][,unsafe-noiommu]",
		"give the guest a device that is bound to vfio-platform; repeatable",
		.parse = options_parse_passthrough, .repeats = true },
	{ "bpmp",
		"auto|mailbox|proxy|off[,host=PATH][,base=ADDR][,clocks=ID:ID...][,resets=ID...]"
		"[,power-domains=ID...][,mrqs=NAME:NAME...][,audit=FILE][,trap]"
		"[,ignore-unused=on|off]",
		"the guest's BPMP (auto: where an assigned device needs it)", FIELDS(bpmp_fields) },
	{ "platform", "base=ADDR,size=SIZE[,first-spi=N]", "window for assigned devices",
		FIELDS(platform_fields) },
	{ "dump-dtb", "FILE", "write the guest's device tree", STRING(dump_dtb) },
	{ "on-reset", "restart|exit", "what a guest reset does (restart)",
		FIELDS(on_reset_fields) },
	{ "on-panic", "restart|exit", "what a guest panic does (restart)",
		FIELDS(on_panic_fields) },
	{ "no-reboot", NULL, "the same as --on-reset exit --on-panic exit",
		.parse = parse_no_reboot },
	{ "fast-path", "on|off", "registers without exits, where the host can (on)",
		FIELDS(fast_path_fields) },
	{ "grace", "SECONDS", "time for the guest to power down after a signal (30)",
		FIELDS(grace_fields) },
	{ "sandbox", "on|off", "jail of every process (on)", FIELDS(sandbox_fields) },
	{ "log-level", "error|warning|info|debug", "(info)", FIELDS(log_level_fields) },
	{ "log-format", "text|json|journal", "(text)", FIELDS(log_format_fields) },
	{ "name", "NAME", "the VM's name, for its log lines", STRING(name) },
	{ "control", "SOCKET", "listen for status, powerdown and the other commands",
		STRING(control) },
	{ "json", NULL, "layout and status: for programs", .parse = parse_json },
	{ "notify", "started|off", "tell the service manager at $NOTIFY_SOCKET (off)",
		.parse = parse_notify },
	{ "config", "FILE", "these options as a JSON object; the command line wins",
		.parse = parse_config },
	{ "help", NULL, "this text", .parse = parse_help },
	{ "version", NULL, "print the version", .parse = parse_version },
};

static const struct option *find_option(const char *name, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(option_table); i++)
		if (strlen(option_table[i].name) == length &&
			strncmp(option_table[i].name, name, length) == 0)
			return &option_table[i];
	return NULL;
}

static int parse_help(struct options *options, const char *text, char *problem, size_t size)
{
	(void)options, (void)text, (void)problem, (void)size;
	printf("Usage: bpmp-vmm [run] --kernel FILE [--passthrough DEVICE] [options]\n"
	       "Runs one arm64 Linux guest on KVM and gives it platform devices of the host.\n\n"
	       "       bpmp-vmm check [options]\n"
	       "Says what would keep this VM from running here, all of it; starts nothing.\n\n"
	       "       bpmp-vmm layout [--json] [options]\n"
	       "Prints where the guest would find what, and the BPMP's ids; starts nothing.\n\n"
	       "       bpmp-vmm status [--json] --control SOCKET\n"
	       "       bpmp-vmm pause|resume|powerdown|stop --control SOCKET\n"
	       "       bpmp-vmm balloon SIZE --control SOCKET\n"
	       "       bpmp-vmm resize DISK [SIZE] --control SOCKET\n"
	       "Speaks to a VM that was started with --control SOCKET.\n\n"
	       "       bpmp-vmm restore NAME\n"
	       "Puts back at the host's BPMP what a VM that is gone left changed.\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(option_table); i++) {
		const struct option *option = &option_table[i];

		printf("  --%s%s%s\n        %s\n", option->name, option->argument ? " " : "",
			option->argument ? option->argument : "", option->help);
	}
	printf("\nExit status: 0 guest powered off, 2 wrong usage, 3 the host lacks something,\n"
	       "4 guest reset and 5 guest panic with exit, 6 a device failed, 7 stopped,\n"
	       "1 anything else. The console's escape is Ctrl-A x. See also bpmp-vmm(1).\n");
	return OPTION_LAST;
}

static int apply(struct options *options, const struct option *option, const char *text,
	char *problem, size_t size)
{
	if (option->parse)
		return option->parse(options, text, problem, size);
	if (option->fields)
		return value_parse(
			text, option->fields, option->field_count, options, problem, size);
	if (!*text) {
		snprintf(problem, size, "it is empty");
		return -EINVAL;
	}
	*(const char **)(void *)((char *)options + option->string_offset - 1) = text;
	return 0;
}

static void unknown_option(const char *word, size_t length)
{
	const char *names[ARRAY_SIZE(option_table)], *close;
	char name[48];

	snprintf(name, sizeof(name), "%.*s", (int)length, word);
	for (size_t i = 0; i < ARRAY_SIZE(option_table); i++)
		names[i] = option_table[i].name;
	close = value_suggest(name, names, ARRAY_SIZE(names));
	if (close)
		log_error("unknown option --%s; did you mean --%s?", name, close);
	else
		log_error("unknown option --%s; see bpmp-vmm --help", name);
}

/* Applies a text that does not last: fields copy what they keep, others may keep it. */
static int apply_copy(struct options *options, const struct option *option, const char *text,
	char *problem, size_t size)
{
	char *copy;
	int error;

	if (option->fields)
		return apply(options, option, text, problem, size);
	copy = strdup(text);
	error = copy ? apply(options, option, copy, problem, size) : -ENOMEM;
	if (error)
		free(copy);
	return error;
}

/* An option of a file of --config. */
static int apply_config(void *context, const struct config_value *value, char *problem, size_t size)
{
	const struct option *option = find_option(value->name, strlen(value->name));
	const char *names[ARRAY_SIZE(option_table)], *close, *text = value->text;

	if (!option) {
		for (size_t i = 0; i < ARRAY_SIZE(option_table); i++)
			names[i] = option_table[i].name;
		close = value_suggest(value->name, names, ARRAY_SIZE(names));
		snprintf(problem, size,
			close ? "unknown option; did you mean \"%s\"?" : "unknown option%s",
			close ? close : "");
		return -EINVAL;
	}
	if (option->parse == parse_config || option->parse == parse_help ||
		option->parse == parse_version || option->parse == parse_json)
		snprintf(problem, size, "not in a file; give it on the command line");
	else if (value->in_array && !option->repeats)
		snprintf(problem, size, "cannot be given more than once");
	else if (!option->argument && text)
		snprintf(problem, size, "it is true or false");
	else if (option->string_offset && value->object)
		snprintf(problem, size, "it is a string, no object");
	else if (option->string_offset && !text)
		snprintf(problem, size, "it needs a value: %s", option->argument);
	else if (!option->argument && !value->on)
		return 0;
	else
		return apply_copy(context, option,
			text		    ? text
				: value->on ? "on"
					    : "off",
			problem, size);
	return -EINVAL;
}

/* Applies the files of --config. What is wrong with other words is said when they are taken. */
static enum options_result take_files(struct options *options, int argc, char **argv, int i)
{
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		const char *word = argv[i] + 2, *text;
		size_t length = strcspn(word, "=");
		const struct option *option = find_option(word, length);

		if (!option || option->parse == parse_help || option->parse == parse_version)
			break;
		text = word + length + 1;
		if (option->argument && word[length] != '=') {
			if (++i == argc)
				break;
			text = argv[i];
		}
		if (option->parse != parse_config)
			continue;
		options->config = text;
		if (config_read(text, apply_config, options))
			return OPTIONS_BAD;
	}
	return OPTIONS_RUN;
}

/* Takes the option at argv[*i], and its value; OPTIONS_RUN to go on with the next. */
static enum options_result take(struct options *options, int argc, char **argv, int *i)
{
	const char *word = argv[*i], *text = "";
	const struct option *option;
	char problem[512];
	size_t length;
	int result;

	if (strncmp(word, "--", 2) != 0 || !word[2]) {
		log_error("'%.200s' is not an option; see bpmp-vmm --help", word);
		return OPTIONS_BAD;
	}
	word += 2;
	length = strcspn(word, "=");
	option = find_option(word, length);
	if (!option) {
		unknown_option(word, length);
		return OPTIONS_BAD;
	}
	if (word[length] == '=' && !option->argument) {
		log_error("--%s takes no value", option->name);
		return OPTIONS_BAD;
	}
	if (word[length] == '=') {
		text = word + length + 1;
	} else if (option->argument) {
		if (++*i == argc) {
			log_error("--%s needs a value: %s", option->name, option->argument);
			return OPTIONS_BAD;
		}
		text = argv[*i];
	}
	result = apply(options, option, text, problem, sizeof(problem));
	if (result < 0) {
		log_error("--%s %.200s: %s", option->name, text, problem);
		return OPTIONS_BAD;
	}
	return result == OPTION_LAST ? OPTIONS_DONE : OPTIONS_RUN;
}

enum options_result options_parse(struct options *options, int argc, char **argv)
{
	enum options_result result;
	int i = 1;

	*options = (struct options){
		.memory = { .size = 512ull << 20, .base = 0x40000000 },
		.cpus.count = 1,
		.platform.first_spi = LAYOUT_PLATFORM_FIRST_SPI,
		.console.kind = CONSOLE_STDIO,
		.rng = true,
		.bpmp = { .host = "/dev/bpmp-host", .ignore_unused = true },
		.fast_path = true,
		.grace = 30,
		.sandbox = true,
		.log_level = LOG_INFO,
	};
	if (i < argc && strcmp(argv[i], "run") == 0)
		i++;
	result = take_files(options, argc, argv, i);
	if (result != OPTIONS_RUN)
		return result;
	for (; i < argc; i++) {
		result = take(options, argc, argv, &i);
		if (result != OPTIONS_RUN)
			return result;
	}
	result = options_check(options);
	if (result == OPTIONS_BAD && options->config)
		log_error("--config %s: options come from there, too", options->config);
	return result;
}
