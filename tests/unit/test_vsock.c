/* SPDX-License-Identifier: Apache-2.0 */
/* vsock by the kernel's vhost: what the kernel is told, in which order, and when it refuses. */
#include "devices/virtio/vhost_kernel.h"
#include "devices/virtio/virtio_device.h"
#include "devices/virtio/vsock.h"
#include "tests/unit/fakes.h"
#include "tests/unit/machine_parts.h"
#include "tests/unit/vhost_fake.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <linux/vhost.h>

#define QUEUES	  3
#define SEQPACKET (UINT64_C(1) << 1)
/* Bits of vhost's own, which no driver may see: notify on empty, log all. */
#define VHOST_OWN (UINT64_C(1) << 24 | UINT64_C(1) << 26)

static struct machine_parts parts;
static struct device *device;

static void begin(void)
{
	machine_parts_open(&parts, 0x100000);
	parts.machine.memory_fd = -1; /* the kernel needs none */
	vhost_fake.features = TEST_VERSION_1 | SEQPACKET | VHOST_OWN;
}

static void end(void)
{
	if (device != NULL)
		device->ops->destroy(device);
	machine_parts_close(&parts);
}

TestSuite(vsock, .init = begin, .fini = end, .timeout = 30);

static struct virtio_mmio *registers(void)
{
	return &container_of(device, struct virtio_device, device)->mmio;
}

static void create(void)
{
	cr_assert_eq(vsock_create(&parts.machine, 42, &device), 0);
	cr_assert_eq(device->ops->attach(device), 0);
	fake_trace_clear();
}

static void start_driver(uint64_t features)
{
	struct test_ring rings[QUEUES];

	for (uint32_t i = 0; i < QUEUES; i++)
		test_ring_open(&rings[i], &parts.ram, TEST_RAM_BASE + i * TEST_RING_BYTES, 16);
	test_driver_start(registers(), features, rings, QUEUES);
}

Test(vsock, is_a_device_of_type_19_with_the_cid_in_its_configuration)
{
	create();
	cr_assert_eq(test_register_read(registers(), VIRTIO_MMIO_DEVICE_ID), 19);
	/* 5.10.4: guest_cid, 64 bits, the upper 32 are reserved and zero. */
	cr_assert_eq(test_register_read(registers(), VIRTIO_MMIO_CONFIG), 42);
	cr_assert_eq(test_register_read(registers(), VIRTIO_MMIO_CONFIG + 4), 0);
	/* ... and read-only. */
	test_register_write(registers(), VIRTIO_MMIO_CONFIG, 7);
	cr_assert_eq(test_register_read(registers(), VIRTIO_MMIO_CONFIG), 42);
}

Test(vsock, node_is_owned_and_the_cid_taken_before_any_guest)
{
	cr_assert_eq(vsock_create(&parts.machine, 42, &device), 0);
	cr_assert_str_eq(fake_trace_text(), "open /dev/vhost-vsock\nowner\ncid 42\n");
}

Test(vsock, offers_the_kernel_s_features_without_those_of_vhost_itself)
{
	create();
	cr_assert_eq(registers()->features, TEST_VERSION_1 | SEQPACKET);
}

/* 5.10.2: receive and transmit are the kernel's; it runs when both are set up, and not before. */
Test(vsock, driver_s_start_sets_up_both_queues_and_then_runs)
{
	create();
	start_driver(TEST_VERSION_1 | SEQPACKET);
	cr_assert_str_eq(fake_trace_text(),
		"features 0x100000002\nmemory 0x40000000 0x100000\n"
		"size 0 16\nbase 0 0\naddress 0\nerror 0 fd\ncall 0 fd\nkick 0 fd\n"
		"size 1 16\nbase 1 0\naddress 1\nerror 1 fd\ncall 1 fd\nkick 1 fd\n"
		"running 1\n");
}

Test(vsock, reset_stops_the_kernel_first_and_the_next_driver_starts_it_anew)
{
	create();
	for (int life = 0; life < 2; life++) {
		start_driver(TEST_VERSION_1);
		cr_assert_not_null(strstr(fake_trace_text(), "running 1\n"));
		fake_trace_clear();
		if (life == 0)
			test_register_write(registers(), VIRTIO_MMIO_STATUS, 0);
		else
			virtio_mmio_reset(registers(), INT64_MAX);
		cr_assert_str_eq(fake_trace_text(), "running 0\nkick 0 none\nkick 1 none\n");
		cr_assert_eq(test_register_read(registers(), VIRTIO_MMIO_STATUS), 0);
		fake_trace_clear();
	}
	/* A device that is not running is not stopped. */
	virtio_mmio_reset(registers(), INT64_MAX);
	cr_assert_str_empty(fake_trace_text());
}

Test(vsock, one_queue_withdrawn_stops_both)
{
	create();
	start_driver(TEST_VERSION_1);
	fake_trace_clear();
	test_register_write(registers(), VIRTIO_MMIO_QUEUE_SEL, 1);
	test_register_write(registers(), VIRTIO_MMIO_QUEUE_READY, 0);
	cr_assert_str_eq(fake_trace_text(), "running 0\nkick 1 none\n");
	fake_trace_clear();
	test_register_write(registers(), VIRTIO_MMIO_STATUS, 0);
	cr_assert_str_eq(fake_trace_text(), "kick 0 none\n");
}

Test(vsock, event_queue_is_nobody_s)
{
	struct test_ring ring;

	create();
	test_ring_open(&ring, &parts.ram, TEST_RAM_BASE, 16);
	test_driver_start(registers(), TEST_VERSION_1, &ring, 1);
	cr_assert_null(strstr(fake_trace_text(), "running"));
}

Test(vsock, kernel_that_refuses_while_it_runs_fails_the_device)
{
	create();
	vhost_fake.refused = VHOST_VSOCK_SET_RUNNING;
	vhost_fake.refusal = -EFAULT;
	start_driver(TEST_VERSION_1);
	cr_assert_not_null(strstr(fake_trace_text(), "machine ends 3: vsock"));
	cr_assert_not_null(strstr(fake_log_text(), "VHOST_VSOCK_SET_RUNNING: Bad address"));
}

static void refused(int expected, const char *says)
{
	cr_assert_eq(vsock_create(&parts.machine, 42, &device), expected);
	cr_assert_null(device);
	cr_assert_not_null(strstr(fake_log_text(), says), "%s", fake_log_text());
	cr_assert_eq(parts.bus.count, 0);
}

Test(vsock, cid_of_another_vm)
{
	vhost_fake.refused = VHOST_VSOCK_SET_GUEST_CID;
	vhost_fake.refusal = -EADDRINUSE;
	refused(-EADDRINUSE, "--vsock 42: another VM of this host has this CID; give another");
}

Test(vsock, module_that_is_not_there)
{
	vhost_fake.open_error = -ENOENT;
	refused(-ENOENT, "modprobe vhost_vsock");
}

Test(vsock, node_that_this_user_may_not_open)
{
	vhost_fake.open_error = -EACCES;
	refused(-EACCES, "group");
}

Test(vsock, kernel_without_version_1)
{
	vhost_fake.features = SEQPACKET;
	refused(-ENOTSUP, "VIRTIO_F_VERSION_1");
}
