/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accesses of any width to any place of the doorbells, with answers of the BPMP in between.
 *
 * Input: steps of a byte (bit 0: write; bits 1 and 2: width; bit 7: the BPMP answers, bit 6 with
 * it: reset), an offset of 4 bytes, for writes the value.
 */
#include "devices/bpmp/hsp.h"
#include "tests/fuzz/bpmp_fuzz.h"
#include "tests/unit/fakes.h"
#include "vmm/base/kvm.h"

#include <sys/eventfd.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Places where something is: any offset would hit them too rarely. */
static const uint32_t places[] = { BPMP_HSP_DIMENSIONING, BPMP_HSP_CCPLEX_ENABLE,
	BPMP_HSP_CCPLEX_PENDING, BPMP_HSP_BPMP_TRIGGER, BPMP_HSP_BPMP_ENABLE };

static void access_register(struct bpmp_hsp *hsp, struct fuzz_input *input, uint8_t step)
{
	unsigned int width = 1u << (step >> 1 & 3);
	uint32_t offset;
	uint64_t value = 0;

	fuzz_take(input, &offset, sizeof(offset));
	if (step & 0x08)
		offset = places[offset % ARRAY_SIZE(places)] + (offset >> 8 & 7) - 3;
	offset %= BPMP_HSP_SIZE - width + 1;
	if (!(step & 1)) {
		value = hsp->region.ops->read(&hsp->region, offset, width);
		fuzz_check(width == 8 || value >> width * 8 == 0);
		return;
	}
	fuzz_take(input, &value, width);
	hsp->region.ops->write(&hsp->region, offset, width, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct kvm_vm kvm = { 0 };
	struct bpmp_hsp hsp;
	int doorbell = eventfd(0, EFD_NONBLOCK);

	bpmp_hsp_init(&hsp, &kvm, doorbell, -1);
	while (input.left) {
		uint8_t step = fuzz_byte(&input);

		if ((step & 0xc0) == 0xc0)
			bpmp_hsp_reset(&hsp);
		else if (step & 0x80)
			bpmp_hsp_answer(&hsp);
		else
			access_register(&hsp, &input, step);
		fuzz_check(hsp.line == ((hsp.pending & hsp.enable) != 0));
		fuzz_check((hsp.pending & ~(1u << BPMP_HSP_MASTER_BPMP)) == 0);
		fuzz_check(!(hsp.answer_waits && hsp.enable >> BPMP_HSP_MASTER_BPMP & 1));
	}
	fake_trace_clear();
	bpmp_hsp_destroy(&hsp);
	close(doorbell);
	return 0;
}
