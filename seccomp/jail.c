/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/jail.h"

#include "seccomp/filter.h"
#include "seccomp/landlock.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/base/worker.h"

#include <cap-ng.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static int forbid_new_privileges(const struct jail_files *files)
{
	(void)files;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* Guest RAM and keys stay out of dumps, and out of reach of same-user processes. */
static int forbid_dumps(const struct jail_files *files)
{
	const struct rlimit none = { 0, 0 };

	(void)files;

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

static int drop_capabilities(const struct jail_files *files)
{
	/* Bounding set and securebits can only be changed with CAP_SETPCAP; without it, no new
	 * privileges has locked what is left already: nothing. */
	bool privileged = capng_get_caps_process() == 0 &&
		capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	capng_select_t which = privileged ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS;

	(void)files;
	if (privileged && capng_lock() < 0)
		return -EPERM;
	capng_clear(CAPNG_SELECT_ALL);
	return capng_apply(which) < 0 ? -EPERM : 0;
}

/* A worker needs few descriptors and no processes. */
static int limit_worker(const struct jail_files *files)
{
	const struct rlimit descriptors = { 64, 64 }, none = { 0, 0 };

	(void)files;

	if (setrlimit(RLIMIT_NOFILE, &descriptors) < 0 || setrlimit(RLIMIT_NPROC, &none) < 0)
		return -errno;
	return 0;
}

enum layer_kind {
	MANDATORY,
	WORKERS_ONLY, /* mandatory for them */
	WHERE_GRANTED,
};

/*
 * The layers, in the order in which they are put on: one that needs a capability stands above the
 * dropping of them. Namespaces get their row here.
 */
static const struct {
	const char *name;
	int (*enter)(const struct jail_files *files);
	enum layer_kind kind;
} layers[] = {
	{ "limits", limit_worker, WORKERS_ONLY },
	{ "capabilities dropped", drop_capabilities, MANDATORY },
	{ "no new privileges", forbid_new_privileges, MANDATORY },
	{ "no dumps", forbid_dumps, MANDATORY },
	{ "Landlock", landlock_forbid_files, WHERE_GRANTED },
};

/* Names of layers, for the log. */
struct names {
	char text[160];
};

static void add_name(struct names *names, const char *name)
{
	size_t used = strlen(names->text);

	snprintf(names->text + used, sizeof(names->text) - used, "%s%s", used ? ", " : "", name);
}

/* What is not on, and why that is no error, is in `off`. */
static int enter_layers(
	bool worker, const struct jail_files *files, struct names *on, struct names *off)
{
	add_name(off, "namespaces (not built)");
	for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
		int error;

		if (layers[i].kind == WORKERS_ONLY && !worker)
			continue;
		error = layers[i].enter(files);
		if (error == 0) {
			add_name(on, layers[i].name);
		} else if (layers[i].kind == WHERE_GRANTED && error == -EOPNOTSUPP) {
			add_name(off, layers[i].name);
		} else {
			log_error("jail: %s: %s; the host must allow it, or --sandbox off",
				layers[i].name, strerror(-error));
			return error;
		}
	}
	return 0;
}

int jail_enter_worker(enum jail_role role, int first_unused_fd)
{
	static const struct jail_files no_files;
	struct names on = { "" }, off = { "" };
	bool unjailed = getenv(WORKER_UNJAILED_VARIABLE) != NULL;
	int error;

	if (close_range((unsigned int)first_unused_fd, ~0u, 0) < 0)
		return -errno;
	if (unjailed) {
		log_warning("no jail");
		return 0;
	}
	error = enter_layers(true, &no_files, &on, &off);
	if (!error)
		error = filter_load(role);
	if (!error)
		log_info("jail: %s, seccomp (%zu system calls); off: %s", on.text,
			filter_syscall_count(role), off.text);
	return error;
}

int jail_prepare_worker_threads(void)
{
	static const struct jail_files no_files;
	struct names on = { "" }, off = { "" };

	if (getenv(WORKER_UNJAILED_VARIABLE) != NULL)
		return 0;
	return enter_layers(false, &no_files, &on, &off);
}

int jail_enter_worker_thread(enum jail_role role)
{
	return getenv(WORKER_UNJAILED_VARIABLE) != NULL ? 0 : filter_load(role);
}

int jail_lock_machine(const struct jail_files *files)
{
	struct names on = { "" }, off = { "" };
	int error = enter_layers(false, files, &on, &off);

	if (!error)
		log_info("jail: %s, seccomp (vCPU %zu, event loop %zu system calls); off: %s",
			on.text, filter_syscall_count(JAIL_VCPU),
			filter_syscall_count(JAIL_EVENT_LOOP), off.text);
	return error;
}

int jail_filter_thread(enum jail_role role)
{
	return filter_load(role);
}
