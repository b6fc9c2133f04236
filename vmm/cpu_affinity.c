/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cpu_affinity.h"

#include "vmm/base/log.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

_Static_assert(CPU_AFFINITY_LIMIT == CPU_SETSIZE, "as many as a cpu_set_t has");

/* Decimal digits at *text, which is moved behind them. */
static bool take_number(const char **text, uint32_t *number)
{
	const char *at = *text;

	for (*number = 0; *at >= '0' && *at <= '9'; at++) {
		*number = *number * 10 + (uint32_t)(*at - '0');
		if (*number >= CPU_AFFINITY_LIMIT)
			return false;
	}
	if (at == *text)
		return false;
	*text = at;
	return true;
}

int cpu_affinity_parse(const char *text, uint16_t *cpus, size_t max)
{
	size_t count = 0;

	for (;;) {
		uint32_t first, last;

		if (!take_number(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (!take_number(&text, &last) || last < first)
				return -EINVAL;
		}
		for (uint32_t cpu = first; cpu <= last; cpu++) {
			if (count == max)
				return -E2BIG;
			cpus[count++] = (uint16_t)cpu;
		}
		if (*text == '\0')
			return (int)count;
		if (*text++ != ':')
			return -EINVAL;
	}
}

int cpu_affinity_check(const uint16_t *cpus, size_t count)
{
	cpu_set_t before, one;
	int error = 0;

	if (count == 0)
		return 0;
	if (sched_getaffinity(0, sizeof(before), &before) != 0) {
		error = -errno;
		log_error("--cpus affinity: cannot tell on which CPUs this process may run: %s",
			strerror(-error));
		return error;
	}
	for (size_t i = 0; i < count && !error; i++) {
		CPU_ZERO(&one);
		CPU_SET(cpus[i], &one);
		error = sched_setaffinity(0, sizeof(one), &one) == 0 ? 0 : -errno;
		if (error)
			log_error("--cpus affinity: vCPU %zu cannot run on the host's CPU %u: %s; "
				  "give CPUs of /sys/devices/system/cpu/online that this process "
				  "is allowed (taskset -p, a service's AllowedCPUs=)",
				i, cpus[i], strerror(-error));
	}
	sched_setaffinity(0, sizeof(before), &before);
	return error;
}

int cpu_affinity_set(pthread_attr_t *attributes, uint16_t cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	return -pthread_attr_setaffinity_np(attributes, sizeof(one), &one);
}
