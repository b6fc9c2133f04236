/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/coalesced.h"

#include "vmm/base/mmio.h"

#include <linux/kvm.h>
#include <stdbool.h>
#include <unistd.h>

/* Where arm64's KVM has the ring: this many host pages behind the vCPU's own
 * (KVM_COALESCED_MMIO_PAGE_OFFSET in its asm/kvm.h, which other machines' headers lack). */
#define RING_PAGE 1

/* KVM moves `last` when an entry is complete, we move `first` when it has been carried out. */
static uint32_t load(const __u32 *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

void coalesced_init(struct coalesced *coalesced)
{
	*coalesced = (struct coalesced){ .ring = NULL };
	pthread_mutex_init(&coalesced->lock, NULL);
}

void coalesced_attach(struct coalesced *coalesced, void *run, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (size < (RING_PAGE + 1) * page)
		return;
	coalesced->ring = (void *)((char *)run + RING_PAGE * page);
	coalesced->entries = (uint32_t)((page - sizeof(struct kvm_coalesced_mmio_ring)) /
		sizeof(struct kvm_coalesced_mmio));
}

void coalesced_detach(struct coalesced *coalesced)
{
	coalesced->ring = NULL;
}

void coalesced_drain(struct coalesced *coalesced, const struct mmio_bus *bus)
{
	struct kvm_coalesced_mmio_ring *ring = coalesced->ring;
	uint32_t first, last;

	/* `last` is read first: then no store of this vCPU's can be missed, and where `first` has
	 * come up to it, they have been carried out by another thread. */
	if (!ring)
		return;
	last = load(&ring->last);
	if (load(&ring->first) == last)
		return;
	pthread_mutex_lock(&coalesced->lock);
	/* Up to what was there at this moment: a vCPU that stores on and on must not keep another
	 * one here. */
	last = load(&ring->last);
	first = load(&ring->first);
	while (first != last && first < coalesced->entries && last < coalesced->entries) {
		struct kvm_coalesced_mmio entry = ring->coalesced_mmio[first];

		mmio_bus_access(bus, entry.phys_addr, entry.data, entry.len, true);
		first = (first + 1) % coalesced->entries;
		__atomic_store_n(&ring->first, first, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&coalesced->lock);
}
