/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options_cpus.h"

#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/cpu_affinity.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

/* `--cpus` as it is written. */
struct cpus_text {
	uint64_t count;
	const char *affinity;
};

static const struct value_field cpus_fields[] = {
	{ "count", VALUE_NUMBER, offsetof(struct cpus_text, count), NULL },
	{ "affinity", VALUE_STRING, offsetof(struct cpus_text, affinity), NULL },
};

int options_parse_cpus(struct options *options, const char *text, char *problem, size_t size)
{
	struct cpus_text given = { .count = options->cpus.count };
	int count;

	if (value_parse(text, cpus_fields, ARRAY_SIZE(cpus_fields), &given, problem, size))
		return -EINVAL;
	options->cpus.count = given.count;
	if (!given.affinity)
		return 0;
	count = cpu_affinity_parse(given.affinity, options->cpus.affinity, MAX_CPUS);
	if (count < 0) {
		snprintf(problem, size,
			"affinity '%.60s' is no list of up to %d of the host's CPUs, such as 0-3:6",
			given.affinity, MAX_CPUS);
		return -EINVAL;
	}
	options->cpus.affinity_count = (size_t)count;
	return 0;
}

int options_parse_pmu(struct options *options, const char *text, char *problem, size_t size)
{
	(void)text, (void)problem, (void)size;
	options->pmu = true;
	return 0;
}

bool options_check_cpus(const struct options *options)
{
	uint64_t count = options->cpus.count;

	if (count < 1 || count > MAX_CPUS) {
		log_error("--cpus: %llu is not between 1 and %d, which is what the guest's "
			  "addresses have room for; with a GICv2 it is %d",
			(unsigned long long)count, MAX_CPUS, GIC_V2_MAX_CPUS);
		return false;
	}
	if (options->cpus.affinity_count && options->cpus.affinity_count != count) {
		log_error("--cpus: affinity names %zu of the host's CPUs for %llu vCPUs; name one "
			  "for each",
			options->cpus.affinity_count, (unsigned long long)count);
		return false;
	}
	return true;
}
