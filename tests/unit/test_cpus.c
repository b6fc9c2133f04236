/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of the host's CPUs, and the affinities of vCPUs. */
#include "arch/aarch64/mpidr.h"
#include "tests/unit/fakes.h"
#include "vmm/cpu_affinity.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <string.h>

TestSuite(cpus, .init = fake_log_capture, .timeout = 20);

Test(cpus, lists_keep_their_order)
{
	static const uint16_t expected[] = { 4, 0, 1, 2, 3, 1023, 4 };
	uint16_t cpus[8];

	cr_assert_eq(cpu_affinity_parse("4:0-3:1023-1023:4", cpus, 8), 7);
	cr_assert_arr_eq(cpus, expected, sizeof(expected));
	cr_assert_eq(cpu_affinity_parse("0-7", cpus, 8), 8);
	cr_assert_eq(cpu_affinity_parse("0-8", cpus, 8), -E2BIG);
	cr_assert_eq(cpu_affinity_parse("0-1023", cpus, 8), -E2BIG);
}

Test(cpus, what_is_no_list)
{
	static const char *const texts[] = { "", ":", "1:", ":1", "1::2", "1-", "-1", "3-2",
		"1-2-3", "1024", "0-1024", "4294967297", "99999999999999999999", "a", "1a", "1,2",
		"0x1", " 1" };
	uint16_t cpus[8];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		cr_assert_eq(cpu_affinity_parse(texts[i], cpus, 8), -EINVAL, "'%s'", texts[i]);
}

Test(cpus, a_check_leaves_the_thread_where_it_was)
{
	cpu_set_t before, after;
	uint16_t cpus[2] = { 0, 1023 };

	cr_assert_eq(sched_getaffinity(0, sizeof(before), &before), 0);
	while (!CPU_ISSET(cpus[0], &before))
		cpus[0]++;
	cr_assert_eq(cpu_affinity_check(cpus, 0), 0);
	cr_assert_eq(cpu_affinity_check(cpus, 1), 0);
	cr_assert_str_eq(fake_log_text(), "");
	cr_assert_eq(cpu_affinity_check(cpus, 2), -EINVAL);
	cr_assert_not_null(strstr(fake_log_text(), "vCPU 1 cannot run on the host's CPU 1023"));
	cr_assert_eq(sched_getaffinity(0, sizeof(after), &after), 0);
	cr_assert(CPU_EQUAL(&before, &after));
}

/* KVM's reset_mpidr(). */
Test(cpus, sixteen_to_a_cluster)
{
	cr_assert_eq(mpidr_affinity(0), 0);
	cr_assert_eq(mpidr_affinity(15), 15);
	cr_assert_eq(mpidr_affinity(16), 0x100);
	cr_assert_eq(mpidr_affinity(122), 0x70a);
	cr_assert_eq(mpidr_affinity(0x1234), 0x12304);
}
