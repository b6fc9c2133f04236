/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options_check.h"

#include "vmm/base/log.h"

#include <stdint.h>
#include <string.h>

enum options_result options_check(const struct options *options)
{
	if (!options->kernel) {
		log_error("no kernel; give --kernel FILE, an arm64 Image");
		return OPTIONS_BAD;
	}
	if (options->memory.size == 0 || options->memory.size % 0x10000 != 0) {
		log_error("--memory: %s; give a multiple of 64K, for example --memory 512M",
			options->memory.size ? "not a multiple of 64K" : "no memory at all");
		return OPTIONS_BAD;
	}
	if (options->memory.base % 0x200000 != 0) {
		log_error("--memory: base 0x%llx is not a multiple of 2M",
			(unsigned long long)options->memory.base);
		return OPTIONS_BAD;
	}
	if (options->cpus.count < 1 || options->cpus.count > MAX_CPUS) {
		log_error("--cpus: %llu is not between 1 and %d",
			(unsigned long long)options->cpus.count, MAX_CPUS);
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
	if (options->cmdline && strlen(options->cmdline) >= 2048) {
		log_error("--cmdline: longer than the 2048 bytes that an arm64 kernel takes");
		return OPTIONS_BAD;
	}
	return OPTIONS_RUN;
}
