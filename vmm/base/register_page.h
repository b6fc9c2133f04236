/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registers that the guest reads without an exit: a page of ours in a read-only memory slot. Stores
 * still exit, or end in an ioeventfd; whoever serves them writes here what the guest reads next,
 * before the vCPU that caused it goes on.
 *
 * While it is closed its functions do nothing: that is the trapping path.
 */
#ifndef VMM_BASE_REGISTER_PAGE_H
#define VMM_BASE_REGISTER_PAGE_H

#include <stdint.h>

struct kvm_vm;

/* Pages of hosts are 4, 16 or 64 KiB: guest addresses of register pages are multiples of this. */
#define REGISTER_PAGE_STRIDE 0x10000u

struct register_page {
	uint64_t gpa;	      /* guest-physical, a multiple of REGISTER_PAGE_STRIDE */
	uint64_t size;	      /* bytes: what was asked for, in whole pages of the host */
	unsigned char *bytes; /* NULL: closed */
	int ignored_fd;	      /* eventfd that nobody reads */
};

/* `size` zero bytes for guest-physical `gpa`. Returns 0 or -errno. */
int register_page_open(struct register_page *page, uint64_t gpa, uint64_t size);
void register_page_close(struct register_page *page);

/* Puts it into a VM, with which it goes. Event-loop thread. Returns 0 or -errno (logged). */
int register_page_attach(struct register_page *page, struct kvm_vm *vm);

/*
 * From now on, in this VM, a guest's 4-byte store of `value` at `offset` does nothing at all: no
 * exit to user space. For acknowledgements of what is not remembered. Returns 0 or -errno (logged).
 */
int register_page_ignore(
	struct register_page *page, struct kvm_vm *vm, uint64_t offset, uint64_t value);

/*
 * What the guest reads at `offset` (a multiple of 4, inside the page) from now on; complete when it
 * returns, caches included. Nothing is stored where it reads so already. Any thread; the caller
 * orders stores to the same register.
 */
void register_page_update32(struct register_page *page, uint64_t offset, uint32_t value);

#endif
