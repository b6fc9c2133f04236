/* SPDX-License-Identifier: Apache-2.0 */
/* An assigned device from create to destroy, and the order of what KVM and VFIO are asked. */
#include "devices/bpmp/ids.h"
#include "devices/device.h"
#include "devices/vfio/container.h"
#include "devices/vfio/irq.h"
#include "devices/vfio/vfio.h"
#include "fdt/builder.h"
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"
#include "tests/unit/vfio_fake.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"

#include <criterion/criterion.h>
#include <endian.h>
#include <errno.h>
#include <libfdt.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEVEL (VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED)
#define EDGE  VFIO_IRQ_INFO_EVENTFD
#define RW    (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE)

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
	memory.count = 2;
	memory.regions[0] = (struct guest_memory_region){ .gpa = 0x40000000, .size = 0x8000000 };
	memory.regions[1] = (struct guest_memory_region){ .gpa = 0x80000000, .size = 0x10000 };
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

TestSuite(vfio_platform, .init = set_up, .fini = tear_down);

static int create(void)
{
	return vfio_platform_create(&machine, container, &options, &ids, &device);
}

static void destroy(void)
{
	device->ops->destroy(device);
}

static void expect_trace(const char *expected)
{
	cr_assert_str_eq(
		fake_trace_text(), expected, "got:\n%swanted:\n%s", fake_trace_text(), expected);
	fake_trace_clear();
}

static bool logged(const char *text)
{
	return strstr(fake_log_text(), text) != NULL;
}

Test(vfio_platform, opens_the_group_then_the_device)
{
	cr_assert_eq(create(), 0);
	expect_trace("vfio group joins\n"
		     "vfio iommu type 3\n"
		     "vfio device 3100000.serial\n");
	cr_assert(logged("3100000.serial in the guest, 0xc000000+0x10000 <- 0x3100000 (mapped), "
			 "SPI 112 level"));
	destroy();
}

Test(vfio_platform, an_old_kernel_gives_type1)
{
	vfio_fake.type1v2 = false;
	cr_assert_eq(create(), 0);
	cr_assert_not_null(strstr(fake_trace_text(), "vfio iommu type 1\n"));
	destroy();
}

/* The order is the design: the comment in devices/vfio/irq.h says why. */
Test(vfio_platform, a_level_interrupt_is_armed_last_and_disarmed_first)
{
	cr_assert_eq(create(), 0);
	fake_trace_clear();
	cr_assert_eq(device->ops->attach(device), 0);
	expect_trace("vfio map dma 0x40000000 0x8000000 flags 3\n"
		     "vfio map dma 0x80000000 0x10000 flags 3\n"
		     "kvm map 0xc000000 0x10000\n"
		     "kvm trigger type 112 level\n"
		     "kvm irqfd 112 resample\n"
		     "vfio irq 0 unmask eventfd on\n");
	cr_assert_eq(device->ops->arm(device), 0);
	expect_trace("vfio irq 0 unmask now\n"
		     "vfio irq 0 trigger eventfd on\n");
	device->ops->quiesce(device);
	expect_trace("vfio irq 0 trigger off\n"
		     "vfio irq 0 unmask eventfd off\n"
		     "kvm irqfd 112 removed\n"
		     "kvm unmap slot 0\n");
	destroy();
	expect_trace("");
}

Test(vfio_platform, an_edge_interrupt_has_nothing_to_unmask)
{
	vfio_fake.irq_flags[0] = EDGE;
	cr_assert_eq(create(), 0);
	cr_assert_eq(device->ops->attach(device), 0);
	fake_trace_clear();
	cr_assert_eq(device->ops->arm(device), 0);
	expect_trace("vfio irq 0 trigger eventfd on\n");
	device->ops->quiesce(device);
	expect_trace("vfio irq 0 trigger off\n"
		     "kvm irqfd 112 removed\n"
		     "kvm unmap slot 0\n");
	destroy();
}

Test(vfio_platform, every_interrupt_is_ready_before_the_first_is_armed)
{
	vfio_fake.irq_count = 2;
	vfio_fake.irq_flags[1] = EDGE;
	cr_assert_eq(create(), 0);
	cr_assert_eq(device->ops->attach(device), 0);
	cr_assert_null(strstr(fake_trace_text(), "trigger eventfd"));
	cr_assert_not_null(strstr(fake_trace_text(),
		"kvm trigger type 113 edge\n"
		"kvm irqfd 113\n"));
	fake_trace_clear();
	cr_assert_eq(device->ops->arm(device), 0);
	expect_trace("vfio irq 0 unmask now\n"
		     "vfio irq 0 trigger eventfd on\n"
		     "vfio irq 1 trigger eventfd on\n");
	device->ops->quiesce(device);
	destroy();
}

/* RAM outlives a guest reset; everything else is done anew. */
Test(vfio_platform, a_guest_reset_does_all_again_but_the_mapping)
{
	cr_assert_eq(create(), 0);
	cr_assert_eq(device->ops->attach(device), 0);
	cr_assert_eq(device->ops->arm(device), 0);
	device->ops->quiesce(device);
	fake_trace_clear();
	cr_assert_eq(device->ops->attach(device), 0);
	cr_assert_eq(device->ops->arm(device), 0);
	expect_trace("kvm map 0xc000000 0x10000\n"
		     "kvm trigger type 112 level\n"
		     "kvm irqfd 112 resample\n"
		     "vfio irq 0 unmask eventfd on\n"
		     "vfio irq 0 unmask now\n"
		     "vfio irq 0 trigger eventfd on\n");
	device->ops->quiesce(device);
	destroy();
}

Test(vfio_platform, what_a_failed_attach_did_is_undone_and_no_more)
{
	cr_assert_eq(create(), 0);
	fake_kvm_results.irqfd = -EAGAIN;
	cr_assert_eq(device->ops->attach(device), -EAGAIN);
	cr_assert(logged("3100000.serial: interrupt 0: KVM refuses its irqfd"));
	fake_trace_clear();
	device->ops->quiesce(device);
	expect_trace("kvm unmap slot 0\n");
	destroy();
}

Test(vfio_platform, a_device_that_vfio_can_reset_is_reset_once_quiet)
{
	vfio_fake.device_flags |= VFIO_DEVICE_FLAGS_RESET;
	cr_assert_eq(create(), 0);
	cr_assert_eq(device->ops->attach(device), 0);
	fake_trace_clear();
	device->ops->quiesce(device);
	expect_trace("vfio irq 0 unmask eventfd off\n"
		     "kvm irqfd 112 removed\n"
		     "kvm unmap slot 0\n"
		     "vfio reset\n");
	/* By now the BPMP may have gated it: an access would be the host's bus error. */
	device->ops->quiesce(device);
	expect_trace("");
	destroy();
}

Test(vfio_platform, memory_is_unmapped_when_the_machine_ends)
{
	cr_assert_eq(create(), 0);
	cr_assert_eq(device->ops->attach(device), 0);
	device->ops->quiesce(device);
	destroy();
	fake_trace_clear();
	vfio_container_destroy(container);
	container = NULL;
	expect_trace("vfio unmap dma 0x80000000 0x10000\n"
		     "vfio unmap dma 0x40000000 0x8000000\n");
}

Test(vfio_platform, too_little_locked_memory_names_the_limit)
{
	cr_assert_eq(create(), 0);
	vfio_fake.failing_request = VFIO_IOMMU_MAP_DMA;
	vfio_fake.failure = ENOMEM;
	cr_assert_eq(device->ops->attach(device), -ENOMEM);
	cr_assert(logged("LimitMEMLOCK=infinity"));
	cr_assert(logged("memlock unlimited"));
	fake_trace_clear();
	device->ops->quiesce(device);
	destroy();
	vfio_container_destroy(container); /* unmaps nothing that was not mapped */
	container = NULL;
	expect_trace("");
}

static void no_iommu(void)
{
	fixture_text("sys/kernel/iommu_groups/5/name", "vfio-noiommu\n");
	fixture_text("dev/vfio/noiommu-5", "");
	unlink(fixture_path("dev/vfio/5"));
}

Test(vfio_platform, no_iommu_only_with_the_option_and_a_loud_warning)
{
	no_iommu();
	cr_assert_eq(create(), -EPERM);
	options.unsafe_noiommu = true;
	cr_assert_eq(create(), 0);
	expect_trace("vfio group joins\n"
		     "vfio iommu type 8\n"
		     "vfio device 3100000.serial\n");
	cr_assert(logged("warning: 3100000.serial: NO IOMMU"));
	cr_assert_eq(device->ops->attach(device), 0);
	cr_assert_null(strstr(fake_trace_text(), "dma"));
	device->ops->quiesce(device);
	destroy();
}

struct refusal {
	unsigned long request;
	int failure;
	const char *text;
};

Test(vfio_platform, every_refusal_names_its_remedy)
{
	static const struct refusal refusals[] = {
		{ VFIO_GET_API_VERSION, ENOTTY, "version" },
		{ VFIO_GROUP_SET_CONTAINER, EINVAL, "IOMMU group 5 cannot be used" },
		{ VFIO_SET_IOMMU, EPERM, "vfio_iommu_type1.allow_unsafe_interrupts=1" },
		{ VFIO_SET_IOMMU, ENODEV, "modprobe vfio_iommu_type1" },
		{ VFIO_GROUP_GET_DEVICE_FD, EBUSY, "in use" },
		{ VFIO_GROUP_GET_DEVICE_FD, ENODEV, "does not give it away" },
		{ VFIO_DEVICE_GET_INFO, EIO, "VFIO flags" },
		{ VFIO_DEVICE_GET_REGION_INFO, EIO, "3100000.serial region 0" },
		{ VFIO_DEVICE_GET_IRQ_INFO, EIO, "interrupt 0" },
	};

	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		vfio_fake.failing_request = refusals[i].request;
		vfio_fake.failure = refusals[i].failure;
		fake_log_capture();
		cr_assert_lt(create(), 0);
		cr_assert(logged(refusals[i].text), "%zu: %s", i, fake_log_text());
		vfio_container_destroy(container);
		cr_assert_eq(vfio_container_create_on(&machine, &vfio_fake.host, &container), 0);
	}
}

/* The machine takes -EINVAL for wrong usage; what the kernel refuses is none. */
Test(vfio_platform, a_kernel_that_refuses_is_no_wrong_usage)
{
	static const unsigned long requests[] = { VFIO_GROUP_GET_STATUS, VFIO_GROUP_SET_CONTAINER,
		VFIO_SET_IOMMU, VFIO_GROUP_GET_DEVICE_FD, VFIO_DEVICE_GET_INFO,
		VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_GET_IRQ_INFO };

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		vfio_fake.failing_request = requests[i];
		vfio_fake.failure = EINVAL;
		cr_assert_eq(create(), -EIO, "request %zu", i);
		vfio_container_destroy(container);
		cr_assert_eq(vfio_container_create_on(&machine, &vfio_fake.host, &container), 0);
	}
}

Test(vfio_platform, a_missing_reset_driver_is_told_from_other_errors)
{
	vfio_fake.failing_request = VFIO_GROUP_GET_DEVICE_FD;
	vfio_fake.failure = EINVAL;
	cr_assert_eq(create(), -EIO);
	cr_assert_not(logged("reset_required"));
	fixture_text("sys/module/vfio_platform/parameters/reset_required", "Y\n");
	cr_assert_eq(create(), -EIO);
	cr_assert(logged("vfio_platform.reset_required=0"));
}

Test(vfio_platform, a_shared_group_names_the_others)
{
	fixture_link("sys/kernel/iommu_groups/5/devices/3110000.serial/driver",
		"sys/bus/platform/drivers/serial-tegra");
	vfio_fake.viable = false;
	cr_assert_eq(create(), -EBUSY);
	cr_assert(logged("3110000.serial (driver serial-tegra)"));
	expect_trace(""); /* the container was not asked */
}

Test(vfio_platform, missing_nodes_are_named)
{
	unlink(fixture_path("dev/vfio/vfio"));
	cr_assert_eq(create(), -ENOENT);
	cr_assert(logged("dev/vfio/vfio; run as root: modprobe vfio-platform"));
	unlink(fixture_path("dev/vfio/5"));
	cr_assert_eq(create(), -ENOENT);
	cr_assert(logged("dev/vfio/5"));
}

Test(vfio_platform, a_node_without_permission_names_the_udev_rule)
{
	int status;
	pid_t pid;

	cr_assert_eq(chmod(fixture_path(""), 0755), 0);
	cr_assert_eq(chmod(fixture_path("dev/vfio/5"), 0), 0);
	/* A process of its own: root, as which tests may run, can open everything. */
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && seteuid(65534) != 0)
			_exit(1);
		_exit(create() == -EACCES && logged("dev/vfio/5: permission denied; a udev rule")
				? 0
				: 2);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 0);
}

Test(vfio_platform, twice_the_same_device)
{
	struct device *first;

	cr_assert_eq(create(), 0);
	first = device;
	cr_assert_eq(create(), -EEXIST);
	cr_assert(logged("--passthrough 3100000.serial is given twice"));
	first->ops->destroy(first);
}

Test(vfio_platform, its_bpmp_ids_are_the_vms)
{
	cr_assert_eq(create(), 0);
	cr_assert(ids.clocks.count == 1 && bpmp_id_set_has(&ids.clocks, 155));
	cr_assert(ids.resets.count == 1 && bpmp_id_set_has(&ids.resets, 100));
	cr_assert_eq(ids.power_domains.count, 0);
	destroy();
}

Test(vfio_platform, more_ids_than_a_vm_can_own)
{
	for (uint32_t id = 1000; id < 1000 + BPMP_MAX_IDS; id++)
		cr_assert_eq(bpmp_id_set_add(&ids.clocks, id), 0);
	cr_assert_eq(create(), -ENOSPC);
	cr_assert(logged("BPMP id 155"));
	cr_assert_eq(bus.count, 0);
}

Test(vfio_platform, describes_itself_with_vfios_trigger_types)
{
	static const unsigned char interrupts[] = { 0, 0, 0, 0, 0, 0, 0, 112, 0, 0, 0, 4, 0, 0, 0,
		0, 0, 0, 0, 113, 0, 0, 0, 1 };
	struct fdt_builder fdt;
	void *blob;
	size_t size;
	int node, length;

	vfio_fake.irq_count = 2;
	vfio_fake.irq_flags[1] = EDGE;
	cr_assert_eq(create(), 0);
	fdt_builder_start(&fdt);
	cr_assert_eq(device->ops->describe(device, &fdt), 0);
	cr_assert_eq(fdt_builder_finish(&fdt, &blob, &size), 0);
	node = fdt_path_offset(blob, "/serial@c000000");
	cr_assert_arr_eq(
		fdt_getprop(blob, node, "interrupts", &length), interrupts, sizeof(interrupts));
	cr_assert_eq(length, sizeof(interrupts));
	cr_assert_arr_eq(fdt_getprop(blob, node, "clocks", NULL), "\0\0\0\11\0\0\0\233", 8);
	free(blob);
	destroy();
}

Test(vfio_platform, addresses_can_be_the_hosts_or_given)
{
	options.address_host = true;
	cr_assert_eq(create(), 0);
	cr_assert(logged("0x3100000+0x10000 <- 0x3100000 (mapped)"));
	destroy();
	vfio_container_destroy(container);
	cr_assert_eq(vfio_container_create_on(&machine, &vfio_fake.host, &container), 0);

	options.address_host = false;
	options.address_count = 1;
	options.addresses[0] = 0x3100000; /* taken */
	cr_assert_eq(create(), -EEXIST);
	options.address_count = 2;
	vfio_container_destroy(container);
	cr_assert_eq(vfio_container_create_on(&machine, &vfio_fake.host, &container), 0);
	cr_assert_eq(create(), -EINVAL);
	cr_assert(logged("2 addresses for 1 regions"));
}

Test(vfio_platform, a_device_beyond_the_limits_is_refused)
{
	vfio_fake.region_count = VFIO_MAX_REGIONS + 1;
	cr_assert_eq(create(), -ENOTSUP);
	vfio_fake.region_count = 1;
	vfio_fake.device_flags = VFIO_DEVICE_FLAGS_PCI;
	vfio_container_destroy(container);
	cr_assert_eq(vfio_container_create_on(&machine, &vfio_fake.host, &container), 0);
	cr_assert_eq(create(), -ENOTSUP);
}

/* A signal of the previous VM must not reach the next one. */
Test(vfio_platform, a_detached_interrupt_has_nothing_pending)
{
	uint64_t count = 1;
	struct vfio_irq irq;

	cr_assert_eq(vfio_irq_open(&irq, &vfio_fake.host, "x", vfio_fake.device_fd, 0), 0);
	cr_assert_eq(vfio_irq_attach(&irq, &kvm), 0);
	cr_assert_eq(vfio_irq_arm(&irq), 0);
	cr_assert_eq(write(irq.trigger_fd, &count, sizeof(count)), sizeof(count));
	cr_assert_eq(write(irq.unmask_fd, &count, sizeof(count)), sizeof(count));
	vfio_irq_detach(&irq, &kvm);
	cr_assert_lt(read(irq.trigger_fd, &count, sizeof(count)), 0);
	cr_assert_lt(read(irq.unmask_fd, &count, sizeof(count)), 0);
	vfio_irq_close(&irq);
	cr_assert_eq(irq.trigger_fd, -1);
}

Test(vfio_platform, an_interrupt_that_vfio_cannot_signal_is_refused)
{
	struct vfio_irq irq;

	vfio_fake.irq_flags[0] = 0;
	cr_assert_eq(vfio_irq_open(&irq, &vfio_fake.host, "x", vfio_fake.device_fd, 0), -EINVAL);
	cr_assert_eq(vfio_irq_open(&irq, &vfio_fake.host, "x", vfio_fake.device_fd, 1), -EINVAL);
}
