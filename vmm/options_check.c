/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options_check.h"

#include "vmm/base/log.h"
#include "vmm/base/worker.h"
#include "vmm/machine.h"
#include "vmm/options_cpus.h"
#include "vmm/options_memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME 64 /* as long as a host's; a journal has room for it */

bool options_name_fits(const char *name)
{
	size_t length = strlen(name);

	for (const char *at = name; *at; at++)
		if (*at == '/' || (unsigned char)*at < ' ' || *at == 0x7f)
			return false;
	return length > 0 && length <= MAX_NAME && name[0] != '.';
}

const char *options_name(const struct options *options)
{
	if (options->name)
		return options->name;
	if (options->passthrough_count && options_name_fits(options->passthrough[0].device))
		return options->passthrough[0].device;
	return "vm";
}

int options_exit_status(enum options_result result)
{
	return result == OPTIONS_BAD ? EXIT_USAGE : EXIT_POWERED_OFF;
}

void options_take_effect(const struct options *options)
{
	log_set_level((enum log_level)options->log_level);
	log_set_format((enum log_format)options->log_format);
	log_set_process(options->name);
	if (options->sandbox)
		unsetenv(WORKER_UNJAILED_VARIABLE);
	else
		setenv(WORKER_UNJAILED_VARIABLE, "1", 1);
}

/* What most command lines that were QEMU's have: the guest would run, and nobody see it. */
static void warn_of_console(const char *cmdline)
{
	const char *word = cmdline ? strstr(cmdline, "console=ttyAMA") : NULL;

	if (word && (word == cmdline || word[-1] == ' '))
		log_warning("--cmdline %.*s: there is no PL011 here; the console is hvc0, or with "
			    "--serial ttyS0",
			(int)strcspn(word, " "), word);
}

enum options_result options_check(const struct options *options)
{
	warn_of_console(options->cmdline);
	if (!options->kernel) {
		log_error("no kernel; give --kernel FILE, an arm64 Image");
		return OPTIONS_BAD;
	}
	if (options->name && !options_name_fits(options->name)) {
		log_error("--name: a name is 1 to %d bytes without '/' and control characters, and "
			  "does not begin with '.'",
			MAX_NAME);
		return OPTIONS_BAD;
	}
	if (!options_check_memory(options))
		return OPTIONS_BAD;
	if (!options_check_cpus(options))
		return OPTIONS_BAD;
	if (options->bpmp.base && options->bpmp.mode != BPMP_PROXY) {
		log_error("--bpmp: base places the proxy's window; give it with --bpmp proxy");
		return OPTIONS_BAD;
	}
	if (options->bpmp.base % BPMP_WINDOW_ALIGNMENT != 0) {
		log_error("--bpmp: base 0x%llx is not a multiple of 64K; guests in use have "
			  "0x090d0000 "
			  "or 0x090c0000",
			(unsigned long long)options->bpmp.base);
		return OPTIONS_BAD;
	}
	if (!options->platform.base != !options->platform.size) {
		log_error("--platform: give base and size together");
		return OPTIONS_BAD;
	}
	if (options->platform.first_spi > UINT16_MAX) {
		log_error("--platform: first-spi %llu is beyond what a GIC has",
			(unsigned long long)options->platform.first_spi);
		return OPTIONS_BAD;
	}
	if (options->console.kind == CONSOLE_STDIO && options->serial.kind == CONSOLE_STDIO) {
		log_error("--serial stdio: standard input and output are the console's; give it "
			  "another end, for example --console none");
		return OPTIONS_BAD;
	}
	if (options->grace > MAX_GRACE) {
		log_error("--grace: %llu seconds are more than a day; give at most %d",
			(unsigned long long)options->grace, MAX_GRACE);
		return OPTIONS_BAD;
	}
	if (options->cmdline && strlen(options->cmdline) >= KERNEL_COMMAND_LINE_SIZE) {
		log_error("--cmdline: longer than the %d bytes that an arm64 kernel takes",
			KERNEL_COMMAND_LINE_SIZE - 1);
		return OPTIONS_BAD;
	}
	return OPTIONS_RUN;
}
