/* SPDX-License-Identifier: Apache-2.0 */
/* The doorbells as Linux' tegra-hsp driver works them, and as it does not. */
#include "devices/bpmp/hsp.h"
#include "tests/unit/fakes.h"
#include "vmm/base/kvm.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BPMP (1u << BPMP_HSP_MASTER_BPMP)

static struct kvm_vm kvm;

static void setup(struct bpmp_hsp *hsp)
{
	bpmp_hsp_init(hsp, &kvm, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	cr_assert_geq(hsp->doorbell_fd, 0);
}

static uint64_t rd(struct bpmp_hsp *hsp, uint64_t offset, unsigned int width)
{
	return hsp->region.ops->read(&hsp->region, offset, width);
}

static void wr(struct bpmp_hsp *hsp, uint64_t offset, unsigned int width, uint64_t value)
{
	hsp->region.ops->write(&hsp->region, offset, width, value);
}

static uint64_t rings(struct bpmp_hsp *hsp)
{
	uint64_t count = 0;

	return read(hsp->doorbell_fd, &count, sizeof(count)) < 0 ? 0 : count;
}

Test(bpmp_hsp, a_drivers_probe_ring_and_interrupt)
{
	struct bpmp_hsp hsp;

	setup(&hsp);
	cr_assert_eq(rd(&hsp, 0x380, 4), 0x00087228);
	cr_assert_eq(rd(&hsp, 0x90304, 4), 0x00020000, "the CPUs may ring the BPMP");
	cr_assert_eq(rd(&hsp, 0x90104, 4), 0);
	wr(&hsp, 0x90104, 4, BPMP);
	cr_assert_eq(rd(&hsp, 0x90104, 4), BPMP);
	cr_assert_eq(rings(&hsp), 0);
	wr(&hsp, 0x90300, 4, 1);
	cr_assert_eq(rings(&hsp), 1);
	cr_assert_str_empty(fake_trace_text());

	bpmp_hsp_answer(&hsp);
	cr_assert_str_eq(fake_trace_text(), "kvm spi 176 1\n");
	cr_assert_eq(rd(&hsp, 0x9010c, 4), BPMP);
	wr(&hsp, 0x9010c, 4, BPMP);
	cr_assert_eq(rd(&hsp, 0x9010c, 4), 0);
	cr_assert_str_eq(fake_trace_text(), "kvm spi 176 1\nkvm spi 176 0\n");
}

Test(bpmp_hsp, an_answer_before_the_enable_comes_once_with_it)
{
	struct bpmp_hsp hsp;

	setup(&hsp);
	bpmp_hsp_answer(&hsp);
	bpmp_hsp_answer(&hsp);
	cr_assert_eq(rd(&hsp, 0x9010c, 4), 0);
	cr_assert_str_empty(fake_trace_text());
	wr(&hsp, 0x90104, 4, ~BPMP);
	cr_assert_str_empty(fake_trace_text(), "other masters' bits");
	wr(&hsp, 0x90104, 4, BPMP);
	cr_assert_str_eq(fake_trace_text(), "kvm spi 176 1\n");
	wr(&hsp, 0x9010c, 4, BPMP);
	wr(&hsp, 0x90104, 4, 0);
	wr(&hsp, 0x90104, 4, BPMP);
	cr_assert_str_eq(fake_trace_text(), "kvm spi 176 1\nkvm spi 176 0\n", "and no second time");
}

Test(bpmp_hsp, the_line_is_pending_and_enabled)
{
	struct bpmp_hsp hsp;

	setup(&hsp);
	wr(&hsp, 0x90104, 4, BPMP);
	bpmp_hsp_answer(&hsp);
	bpmp_hsp_answer(&hsp);
	cr_assert_str_eq(fake_trace_text(), "kvm spi 176 1\n", "it is up already");
	wr(&hsp, 0x9010c, 4, ~BPMP);
	cr_assert_eq(rd(&hsp, 0x9010c, 4), BPMP, "write 1 to clear");
	wr(&hsp, 0x90104, 4, 0);
	cr_assert_str_eq(fake_trace_text(), "kvm spi 176 1\nkvm spi 176 0\n");
	cr_assert_eq(rd(&hsp, 0x9010c, 4), BPMP);
	wr(&hsp, 0x90104, 4, BPMP);
	cr_assert_str_eq(fake_trace_text(), "kvm spi 176 1\nkvm spi 176 0\nkvm spi 176 1\n");
}

Test(bpmp_hsp, reset_forgets_everything)
{
	struct bpmp_hsp hsp;

	setup(&hsp);
	wr(&hsp, 0x90104, 4, BPMP);
	bpmp_hsp_answer(&hsp);
	fake_trace_clear();
	bpmp_hsp_reset(&hsp);
	cr_assert_str_eq(fake_trace_text(), "kvm spi 176 0\n");
	cr_assert_eq(rd(&hsp, 0x90104, 4), 0);
	cr_assert_eq(rd(&hsp, 0x9010c, 4), 0);
	bpmp_hsp_answer(&hsp);
	bpmp_hsp_reset(&hsp);
	fake_trace_clear();
	wr(&hsp, 0x90104, 4, BPMP);
	cr_assert_str_empty(fake_trace_text(), "no answer waits");
}

Test(bpmp_hsp, every_offset_and_width)
{
	struct bpmp_hsp hsp;
	uint64_t value;

	setup(&hsp);
	wr(&hsp, 0x90104, 4, 0x12345678);
	for (unsigned int width = 1; width <= 8; width *= 2) {
		for (uint64_t offset = 0; offset + width <= BPMP_HSP_SIZE; offset++) {
			value = rd(&hsp, offset, width);
			if (width < 8)
				cr_assert_eq(value >> width * 8, 0);
		}
	}
	cr_assert_eq(rd(&hsp, 0x90104, 1), 0x78);
	cr_assert_eq(rd(&hsp, 0x90106, 2), 0x1234);
	cr_assert_eq(rd(&hsp, 0x90103, 4), 0x34567800, "unaligned");
	cr_assert_eq(rd(&hsp, 0x90300, 8), 0x0002000000000000, "TRIGGER reads 0");
	cr_assert_eq(rd(&hsp, 0x380, 8), 0x87228);

	/* Parts of a register are not written, two whole ones are. */
	for (uint64_t offset = 0x900ff; offset <= 0x90107; offset++) {
		wr(&hsp, offset, 1, 0xff);
		wr(&hsp, offset, 2, 0xffff);
		if (offset & 3)
			wr(&hsp, offset, 4, 0xffffffff);
	}
	cr_assert_eq(rd(&hsp, 0x90104, 4), 0x12345678);
	wr(&hsp, 0x90100, 8, 0xabcd000000000000);
	cr_assert_eq(rd(&hsp, 0x90104, 4), 0xabcd0000);
}

Test(bpmp_hsp, everything_else_ignores_writes)
{
	struct bpmp_hsp hsp;

	setup(&hsp);
	for (uint64_t offset = 0; offset < BPMP_HSP_SIZE; offset += 4) {
		if (offset == 0x90104 || offset == 0x90300)
			continue;
		wr(&hsp, offset, 4, 0xffffffff);
	}
	cr_assert_eq(rings(&hsp), 0);
	cr_assert_str_empty(fake_trace_text());
	cr_assert_eq(rd(&hsp, 0x380, 4), 0x00087228);
	cr_assert_eq(rd(&hsp, 0x90304, 4), 0x00020000);
	cr_assert_eq(rd(&hsp, 0x90104, 4), 0);
}

Test(bpmp_hsp, a_full_counter_does_not_block)
{
	const uint64_t almost = UINT64_MAX - 1;
	struct bpmp_hsp hsp;

	setup(&hsp);
	cr_assert_eq(write(hsp.doorbell_fd, &almost, sizeof(almost)), 8);
	wr(&hsp, 0x90300, 4, 1);
	cr_assert_eq(rings(&hsp), almost);
}

/* --- without exits ------------------------------------------------------------------------------
 */

static uint32_t page_word(const struct bpmp_hsp *hsp, uint64_t offset)
{
	const struct register_page *page = offset < 0x90000 ? &hsp->identity : &hsp->doorbells;
	uint32_t value;

	memcpy(&value, page->bytes + offset % 0x10000, sizeof(value));
	return value;
}

static void setup_fast(struct bpmp_hsp *hsp)
{
	setup(hsp);
	cr_assert_eq(bpmp_hsp_make_fast(hsp), 0);
	cr_assert_eq(bpmp_hsp_attach(hsp), 0);
}

Test(bpmp_hsp, fast_what_kvm_is_told)
{
	struct bpmp_hsp hsp;

	setup_fast(&hsp);
	cr_assert_str_eq(fake_trace_text(),
		"kvm map 0x3c00000 0x1000 ro\n"
		"kvm map 0x3c90000 0x1000 ro\n"
		"kvm ioeventfd 0x3c9010c 4 == 524288\n" /* PENDING, the BPMP's bit */
		"kvm ioeventfd 0x3c90300 4\n");		/* TRIGGER, any value */
	bpmp_hsp_destroy(&hsp);
}

Test(bpmp_hsp, fast_the_pages_show_what_linux_reads)
{
	struct bpmp_hsp hsp;

	setup_fast(&hsp);
	cr_assert_eq(page_word(&hsp, 0x380), 0x00087228);
	cr_assert_eq(page_word(&hsp, 0x90304), 0x00020000);
	cr_assert_eq(page_word(&hsp, 0x9010c), BPMP, "always: the scan that follows finds nothing");
	cr_assert_eq(page_word(&hsp, 0x90104), 0);
	wr(&hsp, 0x90104, 4, BPMP | 5);
	cr_assert_eq(page_word(&hsp, 0x90104), BPMP | 5);
	/* What KVM did not take: another value, another width. */
	wr(&hsp, 0x9010c, 4, 0xffffffff);
	cr_assert_eq(page_word(&hsp, 0x9010c), BPMP);
	wr(&hsp, 0x90300, 8, 1);
	cr_assert_eq(rings(&hsp), 1);
	bpmp_hsp_reset(&hsp);
	cr_assert_eq(page_word(&hsp, 0x90104), 0);
	cr_assert_eq(page_word(&hsp, 0x9010c), BPMP);
	bpmp_hsp_destroy(&hsp);
}

/* Linux' mailbox calls a client that does not exist yet, for an interrupt before its ENABLE. */
Test(bpmp_hsp, fast_kvm_hears_answers_while_they_are_enabled)
{
	struct bpmp_hsp hsp;

	setup_fast(&hsp);
	fake_trace_clear();
	wr(&hsp, 0x90104, 4, ~BPMP);
	cr_assert_str_empty(fake_trace_text());
	wr(&hsp, 0x90104, 4, BPMP);
	wr(&hsp, 0x90104, 4, BPMP | 1);
	cr_assert_str_eq(fake_trace_text(), "kvm irqfd 176\n", "once");
	wr(&hsp, 0x90104, 4, 1);
	wr(&hsp, 0x90104, 4, 0);
	cr_assert_str_eq(fake_trace_text(), "kvm irqfd 176\nkvm irqfd 176 removed\n");
	wr(&hsp, 0x90104, 4, BPMP);
	fake_trace_clear();
	bpmp_hsp_reset(&hsp);
	bpmp_hsp_reset(&hsp);
	cr_assert_str_eq(fake_trace_text(), "kvm irqfd 176 removed\n");
	bpmp_hsp_destroy(&hsp);
}
