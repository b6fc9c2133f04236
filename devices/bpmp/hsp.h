/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's HSP (hardware synchronization primitives) as far as Linux' doorbell driver touches
 * it (drivers/mailbox/tegra-hsp.c, Tegra186 to 234): the doorbell with which the guest's CPUs
 * ("CCPLEX") ring the BPMP, and the one with which the BPMP rings them. Machine process.
 */
#ifndef DEVICES_BPMP_HSP_H
#define DEVICES_BPMP_HSP_H

#include "vmm/base/mmio.h"

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
#define BPMP_HSP_CCPLEX_ENABLE	    0x90104u /* who may ring the CPUs: one bit per master */
#define BPMP_HSP_CCPLEX_PENDING	    0x9010cu /* who did; write 1 to clear */
#define BPMP_HSP_BPMP_TRIGGER	    0x90300u /* any write rings the BPMP */
#define BPMP_HSP_BPMP_ENABLE	    0x90304u /* who may ring the BPMP */

/* include/dt-bindings/mailbox/tegra186-hsp.h: masters are bit numbers. */
#define BPMP_HSP_MASTER_CCPLEX	    17
#define BPMP_HSP_MASTER_BPMP	    19

struct bpmp_hsp {
	struct mmio_region region;
	pthread_mutex_t lock;	  /* of all below, and of the order of the line's levels */
	uint32_t enable, pending; /* the CCPLEX doorbell's */
	bool answer_waits;	  /* the BPMP rang before the guest enabled its bit */
	bool line;
	struct kvm_vm *kvm;
	int doorbell_fd; /* eventfd, non-blocking: the guest rang the BPMP. The caller's */
};

void bpmp_hsp_init(struct bpmp_hsp *hsp, struct kvm_vm *kvm, int doorbell_fd);
void bpmp_hsp_destroy(struct bpmp_hsp *hsp);

/*
 * The BPMP rings the guest's CPUs. Until the guest has enabled the BPMP's bit nobody there
 * expects it (Linux' mailbox would call a client that does not exist yet), so it is kept, once.
 */
void bpmp_hsp_answer(struct bpmp_hsp *hsp);

/* Power-on state; the line goes down. */
void bpmp_hsp_reset(struct bpmp_hsp *hsp);

#endif
