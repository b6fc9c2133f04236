/* SPDX-License-Identifier: Apache-2.0 */
/* `--cpus N,affinity=LIST`: which of the host's CPUs each vCPU runs on. */
#ifndef VMM_CPU_AFFINITY_H
#define VMM_CPU_AFFINITY_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* The host's CPUs that can be named, as many as a cpu_set_t has. */
#define CPU_AFFINITY_LIMIT 1024

/*
 * Reads numbers and ranges with colons, "0-3:6", in their order. Returns how many, at most `max`,
 * or -EINVAL (no such list, a number from CPU_AFFINITY_LIMIT on) or -E2BIG. Not logged.
 */
int cpu_affinity_parse(const char *text, uint16_t *cpus, size_t max);

/*
 * Whether this process may run on each of the CPUs: tries it, on the calling thread. Returns 0 or
 * -errno, logged with the CPU's number.
 */
int cpu_affinity_check(const uint16_t *cpus, size_t count);

/* A thread that is created with `attributes` runs on this CPU alone. Returns 0 or -errno. */
int cpu_affinity_set(pthread_attr_t *attributes, uint16_t cpu);

#endif
