/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores that KVM keeps in a ring instead of exiting for each: those to zones of kvm_vm_coalesce().
 * They are carried out, in their order, at the next exit of any vCPU, before that exit is served.
 * So a store that does exit finds everything done that its vCPU stored before it.
 *
 * There is one ring for each VM, a page behind the first vCPU's. KVM writes it, the guest cannot.
 */
#ifndef VMM_COALESCED_H
#define VMM_COALESCED_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct kvm_coalesced_mmio_ring;
struct mmio_bus;

struct coalesced {
	pthread_mutex_t lock;		      /* held while stores are carried out */
	struct kvm_coalesced_mmio_ring *ring; /* NULL: this KVM has none */
	uint32_t entries;
};

void coalesced_init(struct coalesced *coalesced);

/*
 * With a new VM, and no vCPU running: `run` is what was mapped of its first vCPU, `size` bytes of
 * it. Leaves `ring` NULL where the ring is not among them.
 */
void coalesced_attach(struct coalesced *coalesced, void *run, size_t size);
void coalesced_detach(struct coalesced *coalesced);

/* Carries out what is in the ring now; on any vCPU thread, after each return of KVM_RUN. */
void coalesced_drain(struct coalesced *coalesced, const struct mmio_bus *bus);

#endif
