/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/tree.h"

#include "arch/aarch64/mpidr.h"
#include "devices/serial/serial.h"
#include "fdt/builder.h"
#include "vmm/base/file_check.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/vcpu_features.h"
#include "vmm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Interrupt specifier cells of arm,gic: type, number, flags. */
#define GIC_PPI	       1
#define IRQ_LEVEL_HIGH 4

#define RNG_SEED_SIZE  64

static void describe_cpus(const struct vm *vm, struct fdt_builder *fdt)
{
	fdt_begin(fdt, "cpus");
	fdt_u32(fdt, "#address-cells", 1);
	fdt_u32(fdt, "#size-cells", 0);
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		fdt_begin(fdt, "cpu@%" PRIx32, mpidr_affinity(i));
		fdt_str(fdt, "device_type", "cpu");
		fdt_str(fdt, "compatible", "arm,armv8");
		fdt_str(fdt, "enable-method", "psci");
		fdt_u32(fdt, "reg", mpidr_affinity(i));
		fdt_end(fdt);
	}
	fdt_end(fdt);

	fdt_begin(fdt, "psci");
	fdt_strings(fdt, "compatible", "arm,psci-1.0\0arm,psci-0.2",
		sizeof("arm,psci-1.0\0arm,psci-0.2"));
	fdt_str(fdt, "method", "hvc");
	fdt_end(fdt);
}

static uint32_t ppi_flags(const struct vm *vm)
{
	/* A GICv2 PPI names the CPUs that have it in bits 15:8. */
	uint32_t cpus = vm->gic.version == GIC_V2 ? ((1u << vm->vcpu_count) - 1) << 8 : 0;

	return cpus | IRQ_LEVEL_HIGH;
}

static void describe_counters(const struct vm *vm, struct fdt_builder *fdt)
{
	if (!vm->options->pmu)
		return;
	fdt_begin(fdt, "pmu");
	fdt_str(fdt, "compatible", "arm,armv8-pmuv3");
	fdt_cell_list(fdt, "interrupts", GIC_PPI, VCPU_PMU_PPI, ppi_flags(vm));
	fdt_end(fdt);
}

static void describe_timer(const struct vm *vm, struct fdt_builder *fdt)
{
	uint32_t flags = ppi_flags(vm);

	fdt_begin(fdt, "timer");
	fdt_strings(fdt, "compatible", "arm,armv8-timer", sizeof("arm,armv8-timer"));
	/* Secure, non-secure, virtual, hypervisor: the architecture's usual numbers. */
	fdt_cell_list(fdt, "interrupts", GIC_PPI, 13, flags, GIC_PPI, 14, flags, GIC_PPI, 11, flags,
		GIC_PPI, 10, flags);
	fdt_empty(fdt, "always-on");
	fdt_end(fdt);
}

/* Whether the kernel sees that word; what follows "--" is for its first process. */
static bool has_word(const char *line, const char *word)
{
	while (*line) {
		size_t length = strcspn(line, " ");

		if (length == 2 && strncmp(line, "--", 2) == 0)
			return false;
		if (length == strlen(word) && strncmp(line, word, length) == 0)
			return true;
		line += length + strspn(line + length, " ");
	}
	return false;
}

/* The guest's kernel command line; the caller frees it. Returns 0 or -errno (logged). */
static int command_line(const struct vm *vm, char **line)
{
	bool on_disk = vm->options->disk_count > 0 && !vm->options->initrd;
	const char *given = vm->options->cmdline ? vm->options->cmdline
		: on_disk			 ? "console=hvc0 root=/dev/vda rootwait"
						 : "console=hvc0";
	bool add = vm->machine.bpmp_phandle && vm->options->bpmp.ignore_unused;
	bool clocks = add && !has_word(given, "clk_ignore_unused");
	bool domains = add && !has_word(given, "pd_ignore_unused");
	int length = asprintf(line, "%s%s%s", clocks ? "clk_ignore_unused " : "",
		domains ? "pd_ignore_unused " : "", given);

	if (length < 0) {
		log_error("no memory for the guest's command line");
		return -ENOMEM;
	}
	if (length >= KERNEL_COMMAND_LINE_SIZE) {
		log_error("--cmdline: with what is added for the BPMP it has %d characters; a "
			  "kernel takes %d",
			length, KERNEL_COMMAND_LINE_SIZE - 1);
		free(*line);
		return -ERANGE;
	}
	if (clocks || domains)
		log_info("the guest has a BPMP: added%s%s to its command line",
			clocks ? " clk_ignore_unused" : "", domains ? " pd_ignore_unused" : "");
	return 0;
}

/* Drivers of Arm's peripherals insist on a bus clock, and some on its rate: as QEMU's `virt`. */
static void describe_clock(const struct vm *vm, struct fdt_builder *fdt)
{
	fdt_begin(fdt, "machine-clock");
	fdt_str(fdt, "compatible", "fixed-clock");
	fdt_u32(fdt, "#clock-cells", 0);
	fdt_u32(fdt, "clock-frequency", 24000000);
	fdt_u32(fdt, "phandle", vm->machine.clock_phandle);
	fdt_end(fdt);
}

static void describe_chosen(const struct vm *vm, struct fdt_builder *fdt, const char *line)
{
	const struct boot *boot = &vm->boot;
	const uint8_t seed[RNG_SEED_SIZE] = { 0 };

	fdt_begin(fdt, "chosen");
	fdt_str(fdt, "bootargs", line);
	if (boot->initrd_fd >= 0) {
		fdt_u64(fdt, "linux,initrd-start", boot->layout.initrd);
		fdt_u64(fdt, "linux,initrd-end", boot->layout.initrd + boot->initrd_size);
	}
	if (vm->serial) {
		char path[64];

		snprintf(path, sizeof(path), "/serial@%" PRIx64, serial_base(vm->serial));
		fdt_str(fdt, "stdout-path", path);
	}
	/* Filled by tree_refresh_seeds() before each boot. */
	fdt_u64(fdt, "kaslr-seed", 0);
	fdt_bytes(fdt, "rng-seed", seed, sizeof(seed));
	fdt_end(fdt);
}

static void describe_memory(const struct vm *vm, struct fdt_builder *fdt)
{
	const uint64_t reg[][2] = { { vm->memory.regions[0].gpa, vm->memory.regions[0].size } };

	fdt_begin(fdt, "memory@%" PRIx64, reg[0][0]);
	fdt_str(fdt, "device_type", "memory");
	fdt_reg(fdt, reg, 1);
	fdt_end(fdt);
}

static void log_dump(const char *path, int error)
{
	log_error("--dump-dtb %s: %s; give a file in a directory that this user may write", path,
		strerror(-error));
}

int tree_check_dump(const struct vm *vm)
{
	const char *path = vm->options->dump_dtb;
	int error = path ? file_check_writable(path) : 0;

	if (error)
		log_dump(path, error);
	return error;
}

int tree_dump(const struct vm *vm)
{
	const char *path = vm->options->dump_dtb;
	const char *at = vm->boot.tree;
	size_t left = vm->boot.tree_size;
	int fd, error = 0;

	if (!path)
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	while (fd >= 0 && left > 0) {
		ssize_t n = write(fd, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		at += n;
		left -= (size_t)n;
	}
	if (fd < 0 || left > 0) {
		error = -errno;
		log_dump(path, error);
	}
	close_fd(&fd);
	return error;
}

int tree_build(struct vm *vm)
{
	struct fdt_builder fdt;
	char *line;
	int error = command_line(vm, &line);

	if (error)
		return error;
	fdt_builder_start(&fdt);
	vm->machine.gic_phandle = fdt_new_phandle(&fdt);
	vm->machine.clock_phandle = fdt_new_phandle(&fdt);
	if (vm->machine.bpmp_phandle)
		vm->machine.bpmp_phandle = fdt_new_phandle(&fdt);
	fdt_u32(&fdt, "#address-cells", 2);
	fdt_u32(&fdt, "#size-cells", 2);
	fdt_u32(&fdt, "interrupt-parent", vm->machine.gic_phandle);
	fdt_str(&fdt, "compatible", "linux,dummy-virt");
	fdt_str(&fdt, "model", "bpmp-vmm");
	describe_chosen(vm, &fdt, line);
	free(line);
	describe_memory(vm, &fdt);
	describe_cpus(vm, &fdt);
	describe_timer(vm, &fdt);
	describe_counters(vm, &fdt);
	describe_clock(vm, &fdt);
	gic_describe(&vm->gic, &fdt, vm->machine.gic_phandle);
	for (size_t i = 0; i < vm->device_count && !error; i++) {
		struct device *device = vm->devices[i];

		if (device->ops->describe)
			error = device->ops->describe(device, &fdt);
		if (error)
			log_error("%s cannot be described in the guest's device tree: %s",
				device->name, strerror(-error));
	}
	if (error) {
		void *unused = NULL;
		size_t size;

		fdt_builder_finish(&fdt, &unused, &size);
		free(unused);
		return error;
	}
	error = fdt_builder_finish(&fdt, &vm->boot.tree, &vm->boot.tree_size);
	if (error)
		log_error("cannot build the guest's device tree: %s", strerror(-error));
	return error;
}

int tree_refresh_seeds(struct vm *vm)
{
	uint8_t seed[RNG_SEED_SIZE + sizeof(uint64_t)];
	int chosen = fdt_path_offset(vm->boot.tree, "/chosen");

	if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed) || chosen < 0 ||
		fdt_setprop_inplace(vm->boot.tree, chosen, "rng-seed", seed, RNG_SEED_SIZE) < 0 ||
		fdt_setprop_inplace(vm->boot.tree, chosen, "kaslr-seed", seed + RNG_SEED_SIZE,
			sizeof(uint64_t)) < 0) {
		log_error("cannot put random seeds into the guest's device tree");
		return -EIO;
	}
	return 0;
}
