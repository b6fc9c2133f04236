/* SPDX-License-Identifier: Apache-2.0 */
/* A machine for tests of one device: RAM, layout, bus and event loop are real, KVM is the fakes'.
 */
#ifndef TESTS_UNIT_MACHINE_PARTS_H
#define TESTS_UNIT_MACHINE_PARTS_H

#include "devices/device.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"

struct machine_parts {
	struct test_ram ram;
	struct layout layout;
	struct mmio_bus bus;
	struct event_loop loop;
	struct kvm_vm kvm;
	struct machine machine; /* of these; with_vcpus_out is the test's to set */
};

/* Makes all of it, with `ram` bytes of memory, and captures the log. */
void machine_parts_open(struct machine_parts *parts, uint64_t ram);
void machine_parts_close(struct machine_parts *parts);

#endif
