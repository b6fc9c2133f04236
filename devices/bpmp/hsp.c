/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/hsp.h"

#include "vmm/base/kvm.h"
#include "vmm/base/util.h"

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

static uint32_t read_register(struct bpmp_hsp *hsp, uint64_t offset)
{
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

static void ring_bpmp(struct bpmp_hsp *hsp)
{
	const uint64_t one = 1;

	/* A full counter rings too. */
	if (write(hsp->doorbell_fd, &one, sizeof(one)) < 0)
		return;
}

static void write_register(struct bpmp_hsp *hsp, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case BPMP_HSP_BPMP_TRIGGER:
		ring_bpmp(hsp);
		break;
	case BPMP_HSP_CCPLEX_ENABLE:
		hsp->enable = value;
		if ((value & FROM_BPMP) && hsp->answer_waits) {
			hsp->answer_waits = false;
			hsp->pending |= FROM_BPMP;
		}
		update_line(hsp);
		break;
	case BPMP_HSP_CCPLEX_PENDING:
		hsp->pending &= ~value;
		update_line(hsp);
		break;
	default:
		break;
	}
}

/* Reads of any width and place see the bytes of the 32-bit registers that they touch. */
static uint64_t hsp_read(struct mmio_region *region, uint64_t offset, unsigned int width)
{
	struct bpmp_hsp *hsp = container_of(region, struct bpmp_hsp, region);
	uint64_t value = 0;

	pthread_mutex_lock(&hsp->lock);
	for (unsigned int i = 0; i < width; i++) {
		uint64_t at = offset + i;
		uint32_t byte = read_register(hsp, at & ~3ull) >> (at & 3) * 8 & 0xff;

		value |= (uint64_t)byte << i * 8;
	}
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

void bpmp_hsp_init(struct bpmp_hsp *hsp, struct kvm_vm *kvm, int doorbell_fd)
{
	*hsp = (struct bpmp_hsp){
		.region = { "hsp", BPMP_HSP_BASE, BPMP_HSP_SIZE, &hsp_ops },
		.kvm = kvm,
		.doorbell_fd = doorbell_fd,
	};
	pthread_mutex_init(&hsp->lock, NULL);
}

void bpmp_hsp_destroy(struct bpmp_hsp *hsp)
{
	pthread_mutex_destroy(&hsp->lock);
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
	hsp->enable = 0;
	hsp->pending = 0;
	hsp->answer_waits = false;
	update_line(hsp);
	pthread_mutex_unlock(&hsp->lock);
}
