/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/register_page.h"

#include "arch/aarch64/cache.h"
#include "vmm/base/kvm.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

int register_page_open(struct register_page *page, uint64_t gpa, uint64_t size)
{
	void *bytes;

	*page = (struct register_page){ .ignored_fd = -1 };
	if (gpa % REGISTER_PAGE_STRIDE != 0 ||
		!align_up(size, (uint64_t)sysconf(_SC_PAGESIZE), &size))
		return -EINVAL;
	page->ignored_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (page->ignored_fd < 0)
		return -errno;
	bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bytes == MAP_FAILED) {
		close_fd(&page->ignored_fd);
		return -errno;
	}
	page->gpa = gpa;
	page->size = size;
	page->bytes = bytes;
	return 0;
}

void register_page_close(struct register_page *page)
{
	if (page->bytes == NULL)
		return;
	munmap(page->bytes, page->size);
	page->bytes = NULL;
	close_fd(&page->ignored_fd);
}

int register_page_attach(struct register_page *page, struct kvm_vm *vm)
{
	int slot;

	if (page->bytes == NULL)
		return 0;
	slot = kvm_vm_map(vm, page->gpa, page->bytes, page->size, true);
	return slot < 0 ? slot : 0;
}

int register_page_ignore(
	struct register_page *page, struct kvm_vm *vm, uint64_t offset, uint64_t value)
{
	if (page->bytes == NULL)
		return 0;
	return kvm_vm_ioeventfd(vm, page->gpa + offset, 4, &value, page->ignored_fd);
}

void register_page_update32(struct register_page *page, uint64_t offset, uint32_t value)
{
	_Atomic uint32_t *word;

	if (page->bytes == NULL)
		return;
	word = (_Atomic uint32_t *)(void *)(page->bytes + offset);
	if (atomic_load_explicit(word, memory_order_relaxed) == value)
		return;
	/* A guest that reads it at this moment gets the old or the new one. */
	atomic_store_explicit(word, value, memory_order_relaxed);
	cache_clean(word, sizeof(*word));
}
