/* SPDX-License-Identifier: Apache-2.0 */
/* Regions of assigned devices: trapped where they cannot be mapped, and never beyond. */
#include "devices/bpmp/ids.h"
#include "devices/device.h"
#include "devices/vfio/container.h"
#include "devices/vfio/vfio.h"
#include "tests/unit/fakes.h"
#include "tests/unit/vfio_fake.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"

#include <criterion/criterion.h>
#include <endian.h>
#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <unistd.h>

#define RW (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE)

static struct layout layout;
static struct mmio_bus bus;
static struct kvm_vm kvm;
static struct guest_memory memory;
static struct machine machine;
static struct bpmp_ids ids;
static struct vfio_options options;
static struct vfio_container *container;
static struct device *device;

static void set_up(void)
{
	vfio_fake_create();
	fake_log_capture();
	layout_init(&layout);
	memory.count = 1;
	memory.regions[0] = (struct guest_memory_region){ .gpa = 0x40000000, .size = 0x8000000 };
	machine = (struct machine){
		.layout = &layout, .bus = &bus, .kvm = &kvm, .memory = &memory, .bpmp_phandle = 9
	};
	options = (struct vfio_options){ .device = "3100000.serial" };
	cr_assert_eq(vfio_container_create_on(&machine, &vfio_fake.host, &container), 0);
}

static void tear_down(void)
{
	vfio_container_destroy(container);
	vfio_fake_remove();
}

TestSuite(vfio_region, .init = set_up, .fini = tear_down);

static int create(void)
{
	return vfio_platform_create(&machine, container, &options, &ids, &device);
}

static void destroy(void)
{
	device->ops->destroy(device);
}

static bool logged(const char *text)
{
	return strstr(fake_log_text(), text) != NULL;
}

static void create_trapped(uint64_t size, uint32_t flags)
{
	vfio_fake.region_size[0] = size;
	vfio_fake.region_flags[0] = flags;
	cr_assert_eq(create(), 0);
	cr_assert_eq(bus.count, 1);
	cr_assert(logged("(trapped)"));
}

static uint64_t guest_read(uint64_t offset, unsigned int width)
{
	uint8_t data[8] = { 0 };
	uint64_t value;

	mmio_bus_access(&bus, 0xc000000 + offset, data, width, false);
	memcpy(&value, data, sizeof(value));
	return le64toh(value);
}

static void guest_write(uint64_t offset, unsigned int width, uint64_t value)
{
	uint8_t data[8];

	value = htole64(value);
	memcpy(data, &value, sizeof(data));
	mmio_bus_access(&bus, 0xc000000 + offset, data, width, true);
}

Test(vfio_region, a_region_that_cannot_be_mapped_is_trapped)
{
	static const unsigned char registers[16] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	unsigned char written[16];

	create_trapped(0x40, RW);
	cr_assert_eq(device->ops->attach(device), 0);
	cr_assert_null(strstr(fake_trace_text(), "kvm map"));
	cr_assert_eq(pwrite(vfio_fake.device_fd, registers, 16, 0), 16);
	cr_assert_eq(guest_read(0, 1), 1);
	cr_assert_eq(guest_read(2, 2), 0x0403);
	cr_assert_eq(guest_read(4, 4), 0x08070605);
	cr_assert_eq(guest_read(0, 8), 0x0807060504030201);
	guest_write(8, 8, 0x1817161514131211);
	guest_write(4, 2, 0xaabb);
	guest_write(1, 1, 0xcc);
	cr_assert_eq(pread(vfio_fake.device_fd, written, 16, 0), 16);
	cr_assert_arr_eq(
		written, "\x01\xcc\x03\x04\xbb\xaa\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18", 16);
	device->ops->quiesce(device);
	destroy();
}

Test(vfio_region, unaligned_accesses_reach_no_register)
{
	create_trapped(0x40, RW);
	guest_write(1, 4, 0xffffffff);
	guest_write(4, 8, 0xffffffff);
	cr_assert_eq(guest_read(0, 8), 0);
	cr_assert_eq(pwrite(vfio_fake.device_fd, "\xff\xff\xff\xff\xff\xff\xff\xff", 8, 0), 8);
	cr_assert_eq(guest_read(1, 2), 0);
	destroy();
}

Test(vfio_region, a_read_only_region_is_so)
{
	create_trapped(0x40, VFIO_REGION_INFO_FLAG_READ);
	guest_write(0, 4, 0xffffffff);
	cr_assert_eq(guest_read(0, 4), 0);
	destroy();
}

Test(vfio_region, a_write_only_region_is_so)
{
	char written[4];

	create_trapped(0x40, VFIO_REGION_INFO_FLAG_WRITE);
	guest_write(0, 4, 0x11223344);
	cr_assert_eq(pread(vfio_fake.device_fd, written, sizeof(written), 0), 4);
	cr_assert_arr_eq(written, "\x44\x33\x22\x11", 4);
	cr_assert_eq(guest_read(0, 4), 0);
	destroy();
}

Test(vfio_region, an_error_reads_as_zero_and_is_logged_once)
{
	create_trapped(0x40, RW);
	/* Behind the device's back its file ends. */
	cr_assert_eq(ftruncate(vfio_fake.device_fd, 2), 0);
	cr_assert_eq(guest_read(0, 4), 0);
	cr_assert_eq(guest_read(8, 4), 0);
	cr_assert(logged("3100000.serial region 0: a read at 0x0 failed"));
	cr_assert_not(logged("at 0x8"));
	destroy();
}

Test(vfio_region, an_address_inside_a_page_is_for_trapped_regions_alone)
{
	options.address_count = 1;
	options.addresses[0] = 0xc000200;
	cr_assert_eq(create(), -EINVAL);
	cr_assert(logged("0xc000200 is not a multiple of the host's page size"));

	vfio_container_destroy(container);
	cr_assert_eq(vfio_container_create_on(&machine, &vfio_fake.host, &container), 0);
	create_trapped(0x10000, RW);
	cr_assert_eq(bus.regions[0]->base, 0xc000200);
	destroy();
}

Test(vfio_region, a_region_of_part_of_a_page_is_trapped)
{
	create_trapped(0x1040, RW | VFIO_REGION_INFO_FLAG_MMAP);
	destroy();
}

Test(vfio_region, a_read_only_region_is_a_read_only_slot)
{
	vfio_fake.region_flags[0] = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_MMAP;
	cr_assert_eq(create(), 0);
	cr_assert_eq(device->ops->attach(device), 0);
	cr_assert_not_null(strstr(fake_trace_text(), "kvm map 0xc000000 0x10000 ro\n"));
	device->ops->quiesce(device);
	destroy();
}
