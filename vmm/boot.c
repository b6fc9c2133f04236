/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot.h"

#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/kernel_unpack.h"
#include "vmm/kvm_host.h"
#include "vmm/tree.h"
#include "vmm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The descriptor stays open: a guest reset reads the file again, and after lock-in nothing can be
 * opened. Returns it, with *size in bytes, or -errno (logged).
 */
static int open_file(const char *option, const char *path, uint64_t *size)
{
	struct stat status = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), error = 0;

	if (fd < 0 || fstat(fd, &status) < 0) {
		error = -errno;
		log_error("--%s %s: %s; check the path", option, path, strerror(-error));
	} else if (!S_ISREG(status.st_mode)) {
		error = S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
		log_error("--%s %s: is %s; give a regular file", option, path,
			S_ISDIR(status.st_mode) ? "a directory" : "no regular file");
	} else if (status.st_size == 0) {
		error = -EINVAL;
		log_error("--%s %s: is empty; copy it again", option, path);
	}
	if (error) {
		close_fd(&fd);
		return error;
	}
	*size = (uint64_t)status.st_size;
	return fd;
}

/* Reads exactly `size` bytes. Returns 0 or -errno, -ENODATA when the file is shorter. */
static int read_at(int fd, void *buffer, uint64_t size, uint64_t offset)
{
	unsigned char *to = buffer;

	while (size > 0) {
		ssize_t n = pread(fd, to, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENODATA;
		to += n;
		offset += (uint64_t)n;
		size -= (uint64_t)n;
	}
	return 0;
}

/* Also with a kernel that needs more: --memory bounds it. */
#define UNPACKED_MAX (1ull << 30)

static int read_header(int fd, const char *path, uint64_t size, uint8_t header[IMAGE_HEADER_SIZE])
{
	int error;

	memset(header, 0, IMAGE_HEADER_SIZE);
	error = read_at(fd, header, size < IMAGE_HEADER_SIZE ? size : IMAGE_HEADER_SIZE, 0);
	if (error)
		log_error("--kernel %s: cannot be read: %s", path, strerror(-error));
	return error;
}

/* What is compressed is unpacked here, once: resets load it from memory. */
static int open_kernel(struct vm *vm, uint64_t size)
{
	struct boot *boot = &vm->boot;
	const char *path = vm->options->kernel, *problem;
	uint64_t limit =
		vm->options->memory.size < UNPACKED_MAX ? vm->options->memory.size : UNPACKED_MAX;
	uint8_t header[IMAGE_HEADER_SIZE];
	struct kernel_payload payload;
	enum kernel_problem found;
	int error = read_header(boot->kernel_fd, path, size, header);

	if (error)
		return error;
	found = kernel_payload_find(header, size, &payload);
	if (found != KERNEL_FINE) {
		log_error("--kernel %s: %s", path, kernel_problem_text(found));
		return -EINVAL;
	}
	if (payload.compression != KERNEL_PLAIN) {
		error = kernel_unpack(path, &payload, limit, &boot->kernel_fd, &size);
		if (!error)
			error = read_header(boot->kernel_fd, path, size, header);
		if (error)
			return error;
	}
	error = kernel_image_parse(header, size, &boot->image, &problem);
	if (error)
		log_error("--kernel %s: %s%s", path,
			payload.compression == KERNEL_PLAIN ? "" : "what it unpacks to ", problem);
	return error;
}

int boot_open_kernel(struct vm *vm)
{
	struct boot *boot = &vm->boot;
	uint64_t size = 0;

	boot->kernel_fd = open_file("kernel", vm->options->kernel, &size);
	if (boot->kernel_fd < 0)
		return boot->kernel_fd;
	if (!vm->options->kernel_raw)
		return open_kernel(vm, size);
	kernel_image_raw(size, &boot->image);
	return 0;
}

int boot_open_initrd(struct vm *vm)
{
	struct boot *boot = &vm->boot;

	if (!vm->options->initrd)
		return 0;
	boot->initrd_fd = open_file("initrd", vm->options->initrd, &boot->initrd_size);
	return boot->initrd_fd < 0 ? boot->initrd_fd : 0;
}

void boot_close(struct vm *vm)
{
	close_fd(&vm->boot.kernel_fd);
	close_fd(&vm->boot.initrd_fd);
}

static uint64_t mib(uint64_t bytes)
{
	return (bytes >> 20) + ((bytes & 0xfffff) != 0);
}

/* Returns the error of a host that lacks something. */
static int complain_of_huge_pages(const struct options *options, int error)
{
	uint64_t page = options->memory.huge_page >> 10, count = options->memory.size / page >> 10;

	if (error == -ENOSPC || error == -ENOMEM)
		log_error("--memory hugepages: the host has fewer than %" PRIu64
			  " free pages of %" PRIu64 "K; reserve them at its boot with "
			  "hugepagesz=%" PRIu64 "K hugepages=%" PRIu64 ", or now: echo %" PRIu64
			  " > /sys/kernel/mm/hugepages/hugepages-%" PRIu64 "kB/nr_hugepages",
			count, page, page, count, count, page);
	else
		log_error("--memory hugepages: the host has no pages of %" PRIu64
			  "K (%s); its sizes are in /sys/kernel/mm/hugepages",
			page, strerror(-error));
	return -ENOMEM;
}

int boot_create_memory(struct vm *vm)
{
	const struct options *options = vm->options;
	uint64_t base = options->memory.base, size = options->memory.size, needed, last;
	uint32_t bits = kvm_host_ipa_bits(&vm->kvm);
	int error;

	if (__builtin_add_overflow(base, size - 1, &last) || last >> bits) {
		log_error("--memory: 0x%" PRIx64 " bytes at 0x%" PRIx64
			  " are beyond the %u address "
			  "bits that this host gives a guest; give less",
			size, base, bits);
		return -EINVAL;
	}
	error = boot_layout_compute(
		&vm->boot.image, vm->boot.initrd_size, base, size, &vm->boot.layout, &needed);
	if (error) {
		log_error("--memory: %" PRIu64 "M is too small for %s; give at least %" PRIu64 "M",
			size >> 20, options->initrd ? "kernel and initrd" : "the kernel",
			mib(needed));
		return error;
	}
	if (options->memory.huge_page) {
		vm->memory_fd = guest_memory_create_huge_fd(size, options->memory.huge_page);
		if (vm->memory_fd < 0)
			return complain_of_huge_pages(options, vm->memory_fd);
	} else {
		vm->memory_fd = guest_memory_create_fd(size);
	}
	error = vm->memory_fd < 0 ? vm->memory_fd
				  : guest_memory_map(&vm->memory, vm->memory_fd, 0, base, size, 0);
	if (error)
		log_error("--memory: cannot have %" PRIu64 "M: %s; give less", size >> 20,
			strerror(-error));
	return error;
}

static int load_file(
	struct vm *vm, const char *option, const char *path, int fd, uint64_t size, uint64_t gpa)
{
	void *to = guest_memory_at(&vm->memory, gpa, size);
	int error = to ? read_at(fd, to, size, 0) : -EFAULT;
	char more;

	/* Another file's contents, for which no room was planned. */
	if (!error && pread(fd, &more, 1, (off_t)size) > 0)
		error = -ENODATA;
	if (error)
		log_error("--%s %s: cannot be loaded: %s", option, path,
			error == -ENODATA
				? "it has another size than at the start; start the VM anew"
				: strerror(-error));
	return error;
}

int boot_load(struct vm *vm)
{
	const struct boot *boot = &vm->boot;
	void *tree;
	int error;

	error = load_file(vm, "kernel", vm->options->kernel, boot->kernel_fd, boot->image.file_size,
		boot->layout.kernel);
	if (!error && boot->initrd_fd >= 0)
		error = load_file(vm, "initrd", vm->options->initrd, boot->initrd_fd,
			boot->initrd_size, boot->layout.initrd);
	if (error)
		return error;
	error = tree_refresh_seeds(vm);
	if (error)
		return error;
	tree = guest_memory_at(&vm->memory, boot->layout.tree, boot->tree_size);
	if (!tree || boot->tree_size > BOOT_TREE_SIZE) {
		log_error("the guest's device tree is larger than the boot protocol's 2 MiB");
		return -E2BIG;
	}
	memcpy(tree, boot->tree, boot->tree_size);
	return 0;
}
