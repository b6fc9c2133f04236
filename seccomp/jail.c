/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/jail.h"

#include "seccomp/filter.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/base/worker.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static int forbid_new_privileges(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* Guest RAM and keys stay out of dumps, and out of reach of same-user processes. */
static int forbid_dumps(void)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

static int drop_capabilities(void)
{
	/* Bounding set and securebits can only be changed with CAP_SETPCAP; without it, no new
	 * privileges has locked what is left already: nothing. */
	bool privileged = capng_get_caps_process() == 0 &&
		capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_select_t which = privileged ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS;

	if (privileged && capng_lock() < 0)
		return -EPERM;
	capng_clear(CAPNG_SELECT_ALL);
	return capng_apply(which) < 0 ? -EPERM : 0;
}

/* A worker needs few descriptors and no processes. */
static int limit_worker(void)
{
	const struct rlimit descriptors = { 64, 64 }, none = { 0, 0 };

	if (setrlimit(RLIMIT_NOFILE, &descriptors) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0)
		return -errno;
	return 0;
}

/*
 * The layers, in the order in which they are put on: one that needs a capability stands above the
 * dropping of them. Landlock and namespaces get their rows here.
 */
static const struct {
	const char *name;
	int (*enter)(void);
	bool workers_only;
} layers[] = {
	{ "limits", limit_worker, true },
	{ "capabilities dropped", drop_capabilities, false },
	{ "no new privileges", forbid_new_privileges, false },
	{ "no dumps", forbid_dumps, false },
};

static int enter_layers(bool worker)
{
	for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
		int error = worker || !layers[i].workers_only ? layers[i].enter() : 0;

		if (error) {
			log_error("jail: %s: %s; the host must allow it, or --sandbox off",
				layers[i].name, strerror(-error));
			return error;
		}
	}
	return 0;
}

int jail_enter_worker(enum jail_role role, int first_unused_fd)
{
	const char *off = getenv(WORKER_UNJAILED_VARIABLE);
	int error;

	if (close_range((unsigned int)first_unused_fd, ~0u, 0) < 0)
		return -errno;
	if (off) {
		log_warning("no jail");
		return 0;
	}
	error = enter_layers(true);
	if (!error)
		error = filter_load(role);
	if (!error)
		log_info("jail: limits, capabilities dropped, no new privileges, no dumps, seccomp "
			 "(%zu system calls); not built: Landlock, namespaces",
			filter_syscall_count(role));
	return error;
}

int jail_lock_machine(void)
{
	int error = enter_layers(false);

	if (!error)
		log_info("jail: capabilities dropped, no new privileges, no dumps, seccomp (vCPU "
			 "%zu, "
			 "event loop %zu system calls); not built: Landlock, namespaces",
			filter_syscall_count(JAIL_VCPU), filter_syscall_count(JAIL_EVENT_LOOP));
	return error;
}

int jail_filter_thread(enum jail_role role)
{
	return filter_load(role);
}
