/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options_memory.h"

#include "vmm/base/log.h"

int options_parse_balloon(struct options *options, const char *text, char *problem, size_t size)
{
	(void)text, (void)problem, (void)size;
	options->balloon = true;
	return 0;
}

static bool huge_page_fits(const struct options *options)
{
	uint64_t page = options->memory.huge_page;

	return page >= 0x10000 && (page & (page - 1)) == 0 && options->memory.size % page == 0;
}

/* What is given back must not be missed by anybody: DMA would go to the pages of before. */
static bool balloon_fits(const struct options *options)
{
	if (options->balloon && options->passthrough_count != 0) {
		log_error("--balloon: an assigned device does DMA to all of the guest's memory, so "
			  "none of it can be given back; leave --balloon or --passthrough away");
		return false;
	}
	if (options->balloon && options->memory.huge_page) {
		log_error("--balloon: huge pages are taken from the host once and kept, as a guest "
			  "that got none back would end; leave --balloon or hugepages away");
		return false;
	}
	return true;
}

bool options_check_memory(const struct options *options)
{
	if (options->memory.size == 0 || options->memory.size % 0x10000 != 0) {
		log_error("--memory: %s; give a multiple of 64K, for example --memory 512M",
			options->memory.size ? "not a multiple of 64K" : "no memory at all");
		return false;
	}
	if (options->memory.huge_page && !huge_page_fits(options)) {
		log_error("--memory: hugepages are of a power of two from 64K on that divides the "
			  "size, for example --memory 512M,hugepages=2M");
		return false;
	}
	if (options->memory.base % 0x200000 != 0) {
		log_error("--memory: base 0x%llx is not a multiple of 2M",
			(unsigned long long)options->memory.base);
		return false;
	}
	return balloon_fits(options);
}
