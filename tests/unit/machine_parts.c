/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/machine_parts.h"

#include "tests/unit/fakes.h"

#include <criterion/criterion.h>

void machine_parts_open(struct machine_parts *parts, uint64_t ram)
{
	fake_log_capture();
	*parts = (struct machine_parts){ .kvm.fd = -1 };
	test_ram_open(&parts->ram, ram);
	layout_init(&parts->layout);
	cr_assert_eq(event_loop_open(&parts->loop), 0);
	parts->machine = (struct machine){
		.layout = &parts->layout,
		.bus = &parts->bus,
		.loop = &parts->loop,
		.memory = &parts->ram.memory,
		.memory_fd = parts->ram.fd,
		.kvm = &parts->kvm,
	};
}

void machine_parts_close(struct machine_parts *parts)
{
	event_loop_close(&parts->loop);
	test_ram_close(&parts->ram);
}
