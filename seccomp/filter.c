/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/filter.h"

#include "vmm/base/log.h"

#include <errno.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static int add_rule(scmp_filter_ctx filter, const struct filter_rule *rule)
{
	const struct scmp_arg_cmp equal =
		SCMP_CMP(rule->argument, SCMP_CMP_MASKED_EQ, 0xffffffffu, rule->value);
	const struct scmp_arg_cmp whole = SCMP_CMP(rule->argument, SCMP_CMP_EQ, rule->value);
	const struct scmp_arg_cmp own_pid =
		SCMP_CMP(rule->argument, SCMP_CMP_EQ, (scmp_datum_t)getpid());
	const struct scmp_arg_cmp clear =
		SCMP_CMP(rule->argument, SCMP_CMP_MASKED_EQ, rule->value, 0);

	switch (rule->match) {
	case MATCH_ANY:
		return seccomp_rule_add(filter, SCMP_ACT_ALLOW, rule->syscall, 0);
	case MATCH_ARGUMENT:
		return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->syscall, 1, &equal);
	case MATCH_WHOLE:
		return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->syscall, 1, &whole);
	case MATCH_OWN_PID:
		return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->syscall, 1, &own_pid);
	case MATCH_CLEAR:
		return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->syscall, 1, &clear);
	}
	return -EINVAL;
}

int filter_load(enum jail_role role)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	const struct filter_list *lists;
	size_t count;
	int error = filter ? 0 : -ENOMEM;

	filter_rules(role, &lists, &count);
	for (size_t i = 0; i < count && !error; i++)
		for (size_t j = 0; j < lists[i].count && !error; j++)
			error = add_rule(filter, &lists[i].rules[j]);
	/* Threads have filters of their own: no synchronisation over the process. */
	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 0);
	if (!error)
		error = seccomp_load(filter);
	if (error)
		log_error("seccomp: %s; the host's kernel needs CONFIG_SECCOMP_FILTER",
			strerror(-error));
	if (filter)
		seccomp_release(filter);
	return error;
}

static bool seen_before(const struct filter_list *lists, size_t list, size_t rule)
{
	for (size_t i = 0; i <= list; i++)
		for (size_t j = 0; j < (i == list ? rule : lists[i].count); j++)
			if (lists[i].rules[j].syscall == lists[list].rules[rule].syscall)
				return true;
	return false;
}

size_t filter_syscall_count(enum jail_role role)
{
	const struct filter_list *lists;
	size_t count, different = 0;

	filter_rules(role, &lists, &count);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < lists[i].count; j++)
			different += !seen_before(lists, i, j);
	return different;
}
