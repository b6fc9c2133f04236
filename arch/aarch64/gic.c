/* SPDX-License-Identifier: Apache-2.0 */
#include "arch/aarch64/gic.h"

#include "fdt/builder.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#define DISTRIBUTOR_BASE      0x08000000ull
#define V2_DISTRIBUTOR_SIZE   0x10000ull /* 4 KiB used */
#define V2_CPU_INTERFACE_BASE 0x08010000ull
#define V2_CPU_INTERFACE_SIZE 0x10000ull /* 8 KiB used */
#define V3_DISTRIBUTOR_SIZE   0x10000ull
#define V3_REDISTRIBUTOR_BASE 0x080a0000ull
#define V3_REDISTRIBUTOR_SIZE 0x20000ull /* for each CPU */
#define V3_REDISTRIBUTORS_END 0x09000000ull

_Static_assert(
	V3_REDISTRIBUTOR_BASE + GIC_V3_MAX_CPUS * V3_REDISTRIBUTOR_SIZE <= V3_REDISTRIBUTORS_END,
	"behind it the peripherals begin");

static uint32_t device_type(enum gic_version version)
{
	return version == GIC_V3 ? KVM_DEV_TYPE_ARM_VGIC_V3 : KVM_DEV_TYPE_ARM_VGIC_V2;
}

static bool offered(const struct kvm_vm *vm, enum gic_version version)
{
	struct kvm_create_device test = {
		.type = device_type(version),
		.flags = KVM_CREATE_DEVICE_TEST,
	};

	return ioctl(vm->fd, KVM_CREATE_DEVICE, &test) == 0;
}

static int check_cpus(const struct gic *gic)
{
	if (gic->version != GIC_V2 || gic->cpus <= GIC_V2_MAX_CPUS)
		return 0;
	log_error("--cpus: a GICv2 has at most %d CPUs; give no more, or, where the host has one, "
		  "--irqchip gicv3",
		GIC_V2_MAX_CPUS);
	return -ENODEV;
}

int gic_choose(struct gic *gic, const struct kvm_vm *vm, enum gic_version wanted)
{
	const enum gic_version order[] = { GIC_V3, GIC_V2 };

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		if ((wanted == GIC_NONE || wanted == order[i]) && offered(vm, order[i])) {
			gic->version = order[i];
			return check_cpus(gic);
		}
	}
	if (wanted == GIC_NONE)
		log_error(
			"KVM offers neither a GICv3 nor a GICv2 here; the host's device tree must "
			"describe the GIC's maintenance interrupt");
	else
		log_error("--irqchip gicv%d: this host's KVM does not offer it; use --irqchip auto",
			(int)wanted);
	return -ENODEV;
}

int gic_claim(const struct gic *gic, struct layout *layout)
{
	int error;

	if (gic->version == GIC_V3) {
		error = layout_claim(
			layout, "GIC distributor", DISTRIBUTOR_BASE, V3_DISTRIBUTOR_SIZE);
		if (!error)
			error = layout_claim(layout, "GIC redistributors", V3_REDISTRIBUTOR_BASE,
				V3_REDISTRIBUTOR_SIZE * gic->cpus);
		return error;
	}
	error = layout_claim(layout, "GIC distributor", DISTRIBUTOR_BASE, V2_DISTRIBUTOR_SIZE);
	if (!error)
		error = layout_claim(
			layout, "GIC CPU interface", V2_CPU_INTERFACE_BASE, V2_CPU_INTERFACE_SIZE);
	return error;
}

static int set_attribute(const struct kvm_vm *vm, uint32_t group, uint64_t attribute,
	const void *value, const char *what)
{
	struct kvm_device_attr attr = {
		.group = group,
		.attr = attribute,
		.addr = (uintptr_t)value,
	};
	int error;

	if (ioctl(vm->vgic_fd, KVM_SET_DEVICE_ATTR, &attr) == 0)
		return 0;
	error = -errno;
	log_error("KVM refuses the VGIC's %s: %s", what, strerror(-error));
	return error;
}

static int set_addresses(const struct gic *gic, const struct kvm_vm *vm)
{
	uint64_t distributor = DISTRIBUTOR_BASE, second;
	const uint32_t group = KVM_DEV_ARM_VGIC_GRP_ADDR;
	int error;

	if (gic->version == GIC_V2) {
		second = V2_CPU_INTERFACE_BASE;
		error = set_attribute(
			vm, group, KVM_VGIC_V2_ADDR_TYPE_DIST, &distributor, "distributor address");
		if (!error)
			error = set_attribute(vm, group, KVM_VGIC_V2_ADDR_TYPE_CPU, &second,
				"CPU interface address");
		return error;
	}
	/* Count in bits 63:52, base in 51:16, region index 0 (arm-vgic-v3.rst). */
	second = (uint64_t)gic->cpus << 52 | V3_REDISTRIBUTOR_BASE;
	error = set_attribute(
		vm, group, KVM_VGIC_V3_ADDR_TYPE_DIST, &distributor, "distributor address");
	if (!error)
		error = set_attribute(vm, group, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, &second,
			"redistributor region");
	return error;
}

int gic_create(const struct gic *gic, struct kvm_vm *vm)
{
	struct kvm_create_device create = { .type = device_type(gic->version) };
	int error;

	if (ioctl(vm->fd, KVM_CREATE_DEVICE, &create) < 0) {
		error = -errno;
		log_error("KVM cannot create a GICv%d: %s", (int)gic->version, strerror(-error));
		return error;
	}
	vm->vgic_fd = (int)create.fd;
	error = set_attribute(
		vm, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &gic->interrupts, "number of interrupts");
	if (!error)
		error = set_addresses(gic, vm);
	if (!error)
		error = set_attribute(vm, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT,
			NULL, "initialisation");
	return error;
}

void gic_describe(const struct gic *gic, struct fdt_builder *fdt, uint32_t phandle)
{
	const uint64_t v2[][2] = {
		{ DISTRIBUTOR_BASE, 0x1000 },
		{ V2_CPU_INTERFACE_BASE, 0x2000 },
	};
	const uint64_t v3[][2] = {
		{ DISTRIBUTOR_BASE, V3_DISTRIBUTOR_SIZE },
		{ V3_REDISTRIBUTOR_BASE, V3_REDISTRIBUTOR_SIZE * gic->cpus },
	};

	fdt_begin(fdt, "interrupt-controller@%" PRIx64, (uint64_t)DISTRIBUTOR_BASE);
	if (gic->version == GIC_V3) {
		fdt_str(fdt, "compatible", "arm,gic-v3");
		fdt_reg(fdt, v3, ARRAY_SIZE(v3));
	} else {
		fdt_str(fdt, "compatible", "arm,gic-400");
		fdt_reg(fdt, v2, ARRAY_SIZE(v2));
	}
	fdt_empty(fdt, "interrupt-controller");
	fdt_u32(fdt, "#interrupt-cells", 3);
	fdt_u32(fdt, "phandle", phandle);
	/* KVM's maintenance interrupt, PPI 9, is the host's; nothing of the guest uses it. */
	fdt_end(fdt);
}
