/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's HSP (hardware synchronization primitives) as far as Linux' doorbell driver touches
 * it (drivers/mailbox/tegra-hsp.c, Tegra186 to 234): the doorbell with which the guest's CPUs
 * ("CCPLEX") ring the BPMP, and the one with which the BPMP rings them. Machine process.
 */
#ifndef DEVICES_BPMP_HSP_H
#define DEVICES_BPMP_HSP_H

#include "vmm/base/mmio.h"
#include "vmm/base/register_page.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct kvm_vm;

/* Tegra234's top0 instance: base, size and interrupt as in its device tree. */
#define BPMP_HSP_BASE		    0x03c00000ull
#define BPMP_HSP_SIZE		    0xa0000ull
#define BPMP_HSP_SPI		    176u

/*
 * INT_DIMENSIONING of Tegra234: 8 shared mailboxes, 2 shared and 2 arbitrated semaphores, 7
 * doorbells, 8 shared interrupts. The driver computes the doorbells' place from it and rejects an
 * HSP without shared mailboxes.
 */
#define BPMP_HSP_DIMENSIONING	    0x380u
#define BPMP_HSP_DIMENSIONING_VALUE 0x00087228u

/* (1 + nSM/2 + nSS + nAS) * 64 KiB, then 0x100 each; CCPLEX is doorbell 1, BPMP doorbell 3. */
#define BPMP_HSP_DOORBELLS	    0x90000u
#define BPMP_HSP_CCPLEX_ENABLE	    0x90104u /* who may ring the CPUs: one bit per master */
#define BPMP_HSP_CCPLEX_PENDING	    0x9010cu /* who did; write 1 to clear */
#define BPMP_HSP_BPMP_TRIGGER	    0x90300u /* any write rings the BPMP */
#define BPMP_HSP_BPMP_ENABLE	    0x90304u /* who may ring the BPMP */

/* include/dt-bindings/mailbox/tegra186-hsp.h: masters are bit numbers. */
#define BPMP_HSP_MASTER_CCPLEX	    17
#define BPMP_HSP_MASTER_BPMP	    19

/*
 * Until the guest has enabled the BPMP's bit nobody there expects an answer (Linux' mailbox would
 * call a client that does not exist yet), so one that comes earlier is kept, once.
 *
 * Trapping: the machine hears of an answer and calls bpmp_hsp_answer(); PENDING is true, the
 * interrupt is level. Fast: the guest reads pages, in which PENDING always shows the BPMP's bit,
 * as the scan that follows finds nothing at worst; the guest's ring is an ioeventfd, and the
 * answer an irqfd, which is there as long as ENABLE has the BPMP's bit, and edge: an eventfd that
 * was signalled before interrupts at the moment at which KVM gets to know it.
 */
struct bpmp_hsp {
	struct mmio_region region;
	struct register_page identity, doorbells; /* closed: trapping */
	pthread_mutex_t lock;	  /* of all below, and of the order of the line's levels */
	uint32_t enable, pending; /* the CCPLEX doorbell's */
	bool answer_waits;	  /* trapping: the BPMP rang before the guest enabled its bit */
	bool line;		  /* trapping */
	bool tied;		  /* fast: the irqfd is to be there */
	bool complained;	  /* KVM failed at it, which was logged */
	struct kvm_vm *kvm;
	int doorbell_fd; /* eventfd, non-blocking: the guest rang the BPMP. The caller's */
	int answer_fd;	 /* the same: the BPMP rings the guest */
};

void bpmp_hsp_init(struct bpmp_hsp *hsp, struct kvm_vm *kvm, int doorbell_fd, int answer_fd);
void bpmp_hsp_destroy(struct bpmp_hsp *hsp);

/* Takes the fast path. Before the first attach. Returns 0 or -errno; then it traps. */
int bpmp_hsp_make_fast(struct bpmp_hsp *hsp);

/* A new VM is there. Returns 0 or -errno (logged). */
int bpmp_hsp_attach(struct bpmp_hsp *hsp);

/* Trapping: the BPMP rings the guest's CPUs. */
void bpmp_hsp_answer(struct bpmp_hsp *hsp);

/* Power-on state; no answer reaches the guest any more. */
void bpmp_hsp_reset(struct bpmp_hsp *hsp);

#endif
