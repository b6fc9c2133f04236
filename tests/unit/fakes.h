/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stand-ins for what unit tests cannot have: KVM and the machine's end. Every call leaves a line
 * in the trace. Each Criterion test is a process of its own, so nothing need be reset.
 */
#ifndef TESTS_UNIT_FAKES_H
#define TESTS_UNIT_FAKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Adds a line to the trace; tests' own fakes may, too. */
void fake_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* All lines so far, each with its newline, until the next call; fake_trace_clear() forgets them. */
const char *fake_trace_text(void);
void fake_trace_clear(void);

/* What the next calls of the KVM functions of this name return; 0 at start. */
struct fake_kvm_results {
	int map, irqfd, set_spi_trigger, coalesce, ioeventfd;
};
extern struct fake_kvm_results fake_kvm_results;

/* Called for each cache maintenance, with what it asks for; NULL at start: nothing happens. */
typedef void fake_cache_fn(uintptr_t at, size_t size, bool invalidate);
extern fake_cache_fn *fake_cache;

/* From now on standard error goes into a buffer; fake_log_text() is what it holds. */
void fake_log_capture(void);
const char *fake_log_text(void);

#endif
