/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/hsp.h"

#include "vmm/base/eventfd.h"
#include "vmm/base/kvm.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <string.h>
#include <unistd.h>

#define FROM_BPMP (1u << BPMP_HSP_MASTER_BPMP)

/* With the lock held. */
static void update_line(struct bpmp_hsp *hsp)
{
	bool level = (hsp->pending & hsp->enable) != 0;

	if (level == hsp->line)
		return;
	hsp->line = level;
	/* Fails only when there is no VM, and then there is nobody to interrupt. */
	(void)kvm_vm_set_spi(hsp->kvm, BPMP_HSP_SPI, level);
}

static bool is_fast(const struct bpmp_hsp *hsp)
{
	return hsp->doorbells.bytes != NULL;
}

/* Fast: ENABLE decides whether KVM listens to the answers. With the lock held. */
static void tie_answers(struct bpmp_hsp *hsp)
{
	bool wanted = (hsp->enable & FROM_BPMP) != 0;
	int error;

	if (wanted == hsp->tied)
		return;
	hsp->tied = wanted;
	error = wanted ? kvm_vm_irqfd(hsp->kvm, BPMP_HSP_SPI, hsp->answer_fd, -1)
		       : kvm_vm_irqfd_remove(hsp->kvm, BPMP_HSP_SPI, hsp->answer_fd);
	if (error && !hsp->complained)
		log_error(
			"bpmp: the guest will not hear the BPMP's answers: KVM cannot %s them: %s",
			wanted ? "listen to" : "let go of", strerror(-error));
	hsp->complained |= error != 0; /* once: the guest chooses how often */
}

static void set_enable(struct bpmp_hsp *hsp, uint32_t value)
{
	hsp->enable = value;
	if (is_fast(hsp)) {
		register_page_update32(
			&hsp->doorbells, BPMP_HSP_CCPLEX_ENABLE - BPMP_HSP_DOORBELLS, value);
		tie_answers(hsp);
		return;
	}
	if ((value & FROM_BPMP) && hsp->answer_waits) {
		hsp->answer_waits = false;
		hsp->pending |= FROM_BPMP;
	}
	update_line(hsp);
}

static uint32_t read_register(struct mmio_region *region, uint64_t offset)
{
	const struct bpmp_hsp *hsp = container_of(region, struct bpmp_hsp, region);

	switch (offset) {
	case BPMP_HSP_DIMENSIONING:
		return BPMP_HSP_DIMENSIONING_VALUE;
	case BPMP_HSP_BPMP_ENABLE:
		return 1u << BPMP_HSP_MASTER_CCPLEX;
	case BPMP_HSP_CCPLEX_ENABLE:
		return hsp->enable;
	case BPMP_HSP_CCPLEX_PENDING:
		return hsp->pending;
	default:
		return 0;
	}
}

static void write_register(struct bpmp_hsp *hsp, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case BPMP_HSP_BPMP_TRIGGER:
		event_signal(hsp->doorbell_fd);
		break;
	case BPMP_HSP_CCPLEX_ENABLE:
		set_enable(hsp, value);
		break;
	case BPMP_HSP_CCPLEX_PENDING:
		hsp->pending &= ~value;
		update_line(hsp);
		break;
	default:
		break;
	}
}

static uint64_t hsp_read(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	struct bpmp_hsp *hsp = container_of(region, struct bpmp_hsp, region);
	uint64_t value;

	pthread_mutex_lock(&hsp->lock);
	value = mmio_read_words(region, offset, width, read_register);
	pthread_mutex_unlock(&hsp->lock);
	return value;
}

/*
 * Writes change whole registers: a store that covers only part of one leaves it alone, as half a
 * bit mask means nothing.
 */
static void hsp_write(
	struct mmio_region *region, uint64_t offset, unsigned int width, uint64_t value)
{
	struct bpmp_hsp *hsp = container_of(region, struct bpmp_hsp, region);

	if (offset & 3)
		return;
	pthread_mutex_lock(&hsp->lock);
	for (unsigned int at = 0; at + 4 <= width; at += 4)
		write_register(hsp, offset + at, (uint32_t)(value >> at * 8));
	pthread_mutex_unlock(&hsp->lock);
}

static const struct mmio_ops hsp_ops = { .read = hsp_read, .write = hsp_write };

void bpmp_hsp_init(struct bpmp_hsp *hsp, struct kvm_vm *kvm, int doorbell_fd, int answer_fd)
{
	*hsp = (struct bpmp_hsp){
		.region = { "hsp", BPMP_HSP_BASE, BPMP_HSP_SIZE, &hsp_ops },
		.kvm = kvm,
		.doorbell_fd = doorbell_fd,
		.answer_fd = answer_fd,
	};
	pthread_mutex_init(&hsp->lock, NULL);
}

void bpmp_hsp_destroy(struct bpmp_hsp *hsp)
{
	register_page_close(&hsp->identity);
	register_page_close(&hsp->doorbells);
	pthread_mutex_destroy(&hsp->lock);
}

int bpmp_hsp_make_fast(struct bpmp_hsp *hsp)
{
	const uint64_t base = BPMP_HSP_BASE + BPMP_HSP_DOORBELLS;
	int error = register_page_open(
		&hsp->identity, BPMP_HSP_BASE, BPMP_HSP_DIMENSIONING + sizeof(uint32_t));

	if (!error)
		error = register_page_open(&hsp->doorbells, base,
			BPMP_HSP_BPMP_ENABLE + sizeof(uint32_t) - BPMP_HSP_DOORBELLS);
	if (error) {
		register_page_close(&hsp->identity);
		return error;
	}
	register_page_update32(&hsp->identity, BPMP_HSP_DIMENSIONING, BPMP_HSP_DIMENSIONING_VALUE);
	register_page_update32(&hsp->doorbells, BPMP_HSP_BPMP_ENABLE - BPMP_HSP_DOORBELLS,
		1u << BPMP_HSP_MASTER_CCPLEX);
	register_page_update32(
		&hsp->doorbells, BPMP_HSP_CCPLEX_PENDING - BPMP_HSP_DOORBELLS, FROM_BPMP);
	return 0;
}

int bpmp_hsp_attach(struct bpmp_hsp *hsp)
{
	const uint64_t pending = BPMP_HSP_CCPLEX_PENDING - BPMP_HSP_DOORBELLS;
	int error;

	if (!is_fast(hsp))
		return 0;
	error = register_page_attach(&hsp->identity, hsp->kvm);
	if (!error)
		error = register_page_attach(&hsp->doorbells, hsp->kvm);
	if (!error) /* Linux clears what it read */
		error = register_page_ignore(&hsp->doorbells, hsp->kvm, pending, FROM_BPMP);
	if (!error)
		error = kvm_vm_ioeventfd(hsp->kvm, BPMP_HSP_BASE + BPMP_HSP_BPMP_TRIGGER,
			sizeof(uint32_t), NULL, hsp->doorbell_fd);
	return error;
}

void bpmp_hsp_answer(struct bpmp_hsp *hsp)
{
	pthread_mutex_lock(&hsp->lock);
	if (hsp->enable & FROM_BPMP)
		hsp->pending |= FROM_BPMP;
	else
		hsp->answer_waits = true;
	update_line(hsp);
	pthread_mutex_unlock(&hsp->lock);
}

void bpmp_hsp_reset(struct bpmp_hsp *hsp)
{
	pthread_mutex_lock(&hsp->lock);
	hsp->pending = 0;
	hsp->answer_waits = false;
	set_enable(hsp, 0);
	pthread_mutex_unlock(&hsp->lock);
}
