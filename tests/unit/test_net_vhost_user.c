/* SPDX-License-Identifier: Apache-2.0 */
/* A network interface that another program serves over vhost-user. */
#include "devices/virtio/net.h"
#include "devices/virtio/virtio_device.h"
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"
#include "tests/unit/foreign_back_end.h"
#include "tests/unit/machine_parts.h"
#include "tests/unit/virtio_driver.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <linux/virtio_net.h>

#define QUEUES 2
#define MAC    BIT(VIRTIO_NET_F_MAC)
#define FRAMES (BIT(VIRTIO_NET_F_CSUM) | BIT(VIRTIO_NET_F_MRG_RXBUF))

static struct machine_parts parts;
static struct foreign_back_end back_end;
static struct device *device;

static void begin(void)
{
	fixture_create();
	machine_parts_open(&parts, 0x100000);
	parts.machine.memory_fd = parts.ram.fd;
}

static void end(void)
{
	if (device != NULL) {
		device->ops->destroy(device);
		foreign_back_end_join(&back_end);
	}
	machine_parts_close(&parts);
	fixture_remove();
}

TestSuite(net_vhost_user, .init = begin, .fini = end, .timeout = 30);

static struct net_options options(void)
{
	return (struct net_options){ .fd = -1, .vhost_user = fixture_path("socket") };
}

/* Of one that has `features`, and says that it has so many queues, or pairs of them. */
static struct virtio_mmio *create(uint64_t features, uint32_t said)
{
	static struct vhost_user_back_device server;
	const struct net_options net = options();

	server = (struct vhost_user_back_device){ .features = features, .queue_count = said };
	foreign_back_end_start(&back_end, net.vhost_user, &server);
	cr_assert_eq(net_create(&parts.machine, &net, "vm", 0, &device), 0, "%s", fake_log_text());
	return &container_of(device, struct virtio_device, device)->mmio;
}

/* 5.1.3: neither a control queue nor more of the configuration than the address. */
Test(net_vhost_user, offers_what_is_about_frames)
{
	const struct virtio_mmio *mmio = create(FRAMES | BIT(VIRTIO_NET_F_CTRL_VQ) |
			BIT(VIRTIO_NET_F_MQ) | BIT(VIRTIO_NET_F_MTU) | BIT(VIRTIO_NET_F_STATUS) |
			BIT(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS) | BIT(VIRTIO_NET_F_GUEST_ANNOUNCE),
		QUEUES);

	cr_assert_eq(mmio->features & (BIT(24) - 1), FRAMES | MAC);
	cr_assert_eq(mmio->device_id, 1);
	cr_assert_eq(mmio->config_size, NET_MAC_SIZE);
}

/* Back ends of networks count pairs, those of this project and of libvhost-user queues. */
Test(net_vhost_user, one_pair_whatever_the_back_end_counts)
{
	cr_assert_eq(create(FRAMES, 1)->queue_count, QUEUES);
}

Test(net_vhost_user, one_pair_of_many)
{
	cr_assert_eq(create(FRAMES, 4)->queue_count, QUEUES);
}

/* The address is the machine's: a back end may take a feature that it has not for an error. */
Test(net_vhost_user, back_end_hears_of_its_own_features_alone)
{
	struct virtio_mmio *mmio = create(FRAMES, QUEUES);
	struct test_ring rings[QUEUES];

	for (uint32_t i = 0; i < QUEUES; i++)
		test_ring_open(&rings[i], &parts.ram, TEST_RAM_BASE + i * TEST_RING_BYTES, 16);
	test_driver_start(mmio, TEST_VERSION_1 | FRAMES | MAC, rings, QUEUES);
	cr_assert_eq(mmio->driver_features & MAC, MAC);
	device->ops->destroy(device);
	device = NULL;
	foreign_back_end_join(&back_end);
	cr_assert_eq(back_end.back.features & (BIT(24) - 1), FRAMES);
}

/* The same at each start of the VM, and another one for another socket. */
Test(net_vhost_user, address_follows_name_and_socket)
{
	const struct virtio_mmio *mmio = create(FRAMES, QUEUES);
	uint8_t mac[NET_MAC_SIZE], other[NET_MAC_SIZE];

	net_default_mac("vm", options().vhost_user, 0, mac);
	net_default_mac("vm", "/run/other", 0, other);
	cr_assert_arr_eq(mmio->config, mac, NET_MAC_SIZE);
	cr_assert_arr_neq(mmio->config, other, NET_MAC_SIZE);
}

Test(net_vhost_user, nobody_at_the_socket)
{
	const struct net_options net = options();

	cr_assert_eq(net_create(&parts.machine, &net, "vm", 0, &device), -ENOENT);
	cr_assert_null(device);
	cr_assert_not_null(strstr(fake_log_text(), "start its back end first"));
	cr_assert_eq(net_check(&net), -ENOENT);
}
