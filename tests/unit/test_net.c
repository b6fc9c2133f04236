/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces by the kernel's vhost: what tap and kernel are told, and what is refused. */
#include "devices/virtio/net.h"
#include "devices/virtio/virtio_device.h"
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
#include <unistd.h>

#include <net/if.h>

#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <linux/virtio_net.h>

#define QUEUES 2
#define MRG    BIT(VIRTIO_NET_F_MRG_RXBUF)
#define MAC    BIT(VIRTIO_NET_F_MAC)
#define OFFLOADS                                                                                   \
	(BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4) |    \
		BIT(VIRTIO_NET_F_GUEST_TSO6) | BIT(VIRTIO_NET_F_GUEST_ECN) |                       \
		BIT(VIRTIO_NET_F_HOST_TSO4) | BIT(VIRTIO_NET_F_HOST_TSO6) |                        \
		BIT(VIRTIO_NET_F_HOST_ECN))
/* Of the kernel: its own header (27), which no driver may see. */
#define VHOST_OWN BIT(27)

static struct machine_parts parts;
static struct device *device;
static struct net_options options = { .tap = "tap7", .fd = -1, .vhost = true };

static void begin(void)
{
	machine_parts_open(&parts, 0x100000);
	parts.machine.memory_fd = -1; /* the kernel needs none */
	vhost_fake.features = TEST_VERSION_1 | MRG | VHOST_OWN;
	vhost_fake.tap_name = "tap7";
	vhost_fake.tap_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	vhost_fake.is_tun = true;
}

static void end(void)
{
	if (device != NULL)
		device->ops->destroy(device);
	machine_parts_close(&parts);
}

TestSuite(net, .init = begin, .fini = end, .timeout = 30);

static int create(void)
{
	return net_create(&parts.machine, &options, "vm", 0, &device);
}

static struct virtio_mmio *registers(void)
{
	return &container_of(device, struct virtio_device, device)->mmio;
}

static void start_driver(uint64_t features)
{
	struct test_ring rings[QUEUES];

	for (uint32_t i = 0; i < QUEUES; i++)
		test_ring_open(&rings[i], &parts.ram, TEST_RAM_BASE + i * TEST_RING_BYTES, 16);
	fake_trace_clear();
	test_driver_start(registers(), features, rings, QUEUES);
}

/* A header in front of each frame: with version 1 it is 12 bytes whatever is negotiated (5.1.6.1).
 */
Test(net, tap_is_taken_with_headers_and_its_offloads_are_tried)
{
	cr_assert_eq(create(), 0, "%s", fake_log_text());
	cr_assert_str_eq(fake_trace_text(),
		"open /dev/net/tun\nopen /dev/net/tun\ntap tap7 flags 0x5002\nheader 12\n"
		"offload 0xf\noffload 0x0\n"
		"open /dev/vhost-net\nowner\n");
}

/* 5.1.3: what tap and kernel have, and the address; neither more queues nor a control queue. */
Test(net, offers_what_tap_and_kernel_can)
{
	cr_assert_eq(create(), 0);
	cr_assert_eq(registers()->features, TEST_VERSION_1 | MRG | MAC | OFFLOADS);
	cr_assert_eq(registers()->device_id, 1);
}

Test(net, tap_without_offloads_has_none_offered)
{
	vhost_fake.refused = TUNSETOFFLOAD;
	vhost_fake.refusal = -EINVAL;
	cr_assert_eq(create(), 0);
	cr_assert_eq(registers()->features, TEST_VERSION_1 | MRG | MAC);
	vhost_fake.refused = 0;
	start_driver(TEST_VERSION_1);
	cr_assert_null(strstr(fake_trace_text(), "offload"));
}

/* 5.1.3.1: the device may leave to the driver what the driver said that it takes, and no more. */
Test(net, tap_leaves_to_the_guest_what_its_driver_takes)
{
	static const struct {
		uint64_t features;
		const char *offload;
	} drivers[] = {
		{ 0, "offload 0x0\n" },
		{ BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_HOST_TSO4), "offload 0x0\n" },
		{ BIT(VIRTIO_NET_F_GUEST_CSUM), "offload 0x1\n" },
		{ BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_TSO4), "offload 0x3\n" },
		{ BIT(VIRTIO_NET_F_GUEST_TSO4), "offload 0x0\n" }, /* without its checksum */
		/* ECN without the segments that it is of: the kernel would refuse it. */
		{ BIT(VIRTIO_NET_F_GUEST_CSUM) | BIT(VIRTIO_NET_F_GUEST_ECN), "offload 0x1\n" },
		{ OFFLOADS, "offload 0xf\n" },
	};

	cr_assert_eq(create(), 0);
	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		start_driver(TEST_VERSION_1 | drivers[i].features);
		cr_assert_eq(
			strncmp(fake_trace_text(), drivers[i].offload, strlen(drivers[i].offload)),
			0, "%zu: %s", i, fake_trace_text());
		virtio_mmio_reset(registers(), INT64_MAX);
	}
}

/* The kernel is told of its own features only; each queue gets the tap, and loses it at a reset. */
Test(net, queues_get_the_tap_and_lose_it)
{
	cr_assert_eq(create(), 0);
	start_driver(TEST_VERSION_1 | MRG | MAC | OFFLOADS);
	cr_assert_str_eq(fake_trace_text(),
		"offload 0xf\nfeatures 0x100008000\nmemory 0x40000000 0x100000\n"
		"size 0 16\nbase 0 0\naddress 0\nerror 0 fd\ncall 0 fd\nkick 0 fd\nback end 0 fd\n"
		"size 1 16\nbase 1 0\naddress 1\nerror 1 fd\ncall 1 fd\nkick 1 fd\nback end 1 "
		"fd\n");
	fake_trace_clear();
	test_register_write(registers(), VIRTIO_MMIO_STATUS, 0);
	cr_assert_str_eq(
		fake_trace_text(), "back end 0 none\nkick 0 none\nback end 1 none\nkick 1 none\n");
}

static void assert_mac(const uint8_t mac[NET_MAC_SIZE])
{
	/* 5.1.4: mac is the first field, and the driver may read it by bytes. */
	for (uint32_t i = 0; i < NET_MAC_SIZE; i++) {
		uint8_t data[8] = { 0 };

		cr_assert(mmio_bus_access(&parts.bus,
			registers()->region.base + VIRTIO_MMIO_CONFIG + i, data, 1, false));
		cr_assert_eq(data[0], mac[i]);
	}
}

Test(net, given_address)
{
	options.mac_given = true;
	memcpy(options.mac, (uint8_t[]){ 0x52, 0x54, 0, 0x12, 0x34, 0x56 }, NET_MAC_SIZE);
	cr_assert_eq(create(), 0);
	assert_mac(options.mac);
}

Test(net, own_address_is_stable_local_and_not_another_s)
{
	static const struct {
		const char *name, *interface;
		size_t position;
	} others[] = { { "vm2", "tap7", 0 }, { NULL, "tap7", 0 }, { "vm", "tap8", 0 },
		{ "vm", "tap7", 1 }, { "vmt", "ap7", 0 } };
	uint8_t mac[NET_MAC_SIZE], other[NET_MAC_SIZE];

	cr_assert_eq(create(), 0);
	net_default_mac("vm", "tap7", 0, mac);
	assert_mac(mac);
	cr_assert_eq(mac[0] & 3, 2);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		net_default_mac(others[i].name, others[i].interface, others[i].position, other);
		cr_assert_neq(memcmp(mac, other, NET_MAC_SIZE), 0, "%zu", i);
	}
}

/* A macvtap passes on frames for its own address, so the guest has that one. */
Test(net, macvtap_s_address_is_the_guest_s)
{
	options = (struct net_options){ .fd = dup(STDOUT_FILENO), .vhost = true };
	vhost_fake.is_tun = false;
	vhost_fake.tap_flags = IFF_TAP;
	memcpy(vhost_fake.mac, (uint8_t[]){ 2, 1, 2, 3, 4, 5 }, NET_MAC_SIZE);
	cr_assert_eq(create(), 0, "%s", fake_log_text());
	assert_mac(vhost_fake.mac);
	cr_assert_not_null(strstr(fake_trace_text(), "tap tap7 flags 0x5002\n"));
}

static void refused(int expected, const char *says)
{
	cr_assert_eq(create(), expected, "%s", fake_log_text());
	cr_assert_null(device);
	cr_assert_not_null(strstr(fake_log_text(), says), "%s", fake_log_text());
	cr_assert_eq(parts.bus.count, 0);
}

Test(net, tap_that_is_not_there)
{
	vhost_fake.tap_name = "tap8";
	refused(-ENODEV, "ip tuntap add dev tap7 mode tap");
}

Test(net, tap_of_another_program)
{
	vhost_fake.refused = TUNSETIFF;
	vhost_fake.refusal = -EBUSY;
	refused(-EBUSY, "another program");
}

Test(net, tap_of_another_user)
{
	vhost_fake.refused = TUNSETIFF;
	vhost_fake.refusal = -EPERM;
	refused(-EPERM, "not this user's");
}

Test(net, interface_that_is_no_tap)
{
	vhost_fake.refused = TUNSETIFF;
	vhost_fake.refusal = -EINVAL;
	refused(-EINVAL, "it is no tap");
}

Test(net, descriptor_that_is_no_tap)
{
	options = (struct net_options){ .fd = 1000, .vhost = true };
	refused(-EBADF, "no descriptor of a tap");
}

Test(net, descriptor_of_a_tap_without_headers)
{
	options = (struct net_options){ .fd = dup(STDOUT_FILENO), .vhost = true };
	vhost_fake.tap_flags = IFF_TAP | IFF_NO_PI;
	refused(-EINVAL, "IFF_VNET_HDR");
}

Test(net, kernel_without_vhost_net)
{
	vhost_fake.open_vhost_error = -ENOENT;
	refused(-ENOENT, "modprobe vhost_net");
}

Test(net, tap_that_refuses_offloads_later_fails_the_device)
{
	cr_assert_eq(create(), 0);
	vhost_fake.refused = TUNSETOFFLOAD;
	vhost_fake.refusal = -EIO;
	start_driver(TEST_VERSION_1);
	cr_assert_not_null(strstr(fake_trace_text(), "machine ends 3: net0"));
}
