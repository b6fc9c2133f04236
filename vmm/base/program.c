/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/program.h"

#include "vmm/base/log.h"
#include "vmm/base/spawn.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

struct start {
	const char *path;
	char **arguments;
	uint32_t capabilities;
	const struct sock_fprog *filter;
	bool jailed;
};

/* What stands for the jail: the program's system calls are not ours to list. */
static int lock_in(uint32_t capabilities, int rules, const struct sock_fprog *filter)
{
	const struct rlimit none = { 0, 0 };
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, sets) < 0)
		return -1;
	/* No new privileges keeps the rest away, from root too. */
	sets[0].permitted &= capabilities;
	sets[1].permitted = 0;
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		sets[i].effective = sets[i].permitted;
		sets[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, sets) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	if (rules >= 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		return -1;
	return filter == NULL ? 0 : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter);
}

/* In the child: async-signal-safe calls only. */
static void become_program(const void *argument, int rules)
{
	const struct start *start = argument;
	char *environment[] = { NULL };
	sigset_t deaf;

	setsid();
	/* Ignoring is not enough: it sets handlers of its own. */
	sigemptyset(&deaf);
	sigaddset(&deaf, SIGTERM);
	sigaddset(&deaf, SIGHUP);
	sigaddset(&deaf, SIGQUIT);
	sigprocmask(SIG_SETMASK, &deaf, NULL);
	if (!start->jailed || lock_in(start->capabilities, rules, start->filter) == 0)
		execve(start->path, start->arguments, environment);
}

static bool is_program(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISREG(status.st_mode) && access(path, X_OK) == 0;
}

/* In $PATH's absolute directories. */
static bool find(const char *name, char *path, size_t size)
{
	const char *at = getenv("PATH");

	if (at == NULL || !*at)
		at = DEFAULT_PATH;
	for (;;) {
		size_t length = strcspn(at, ":");
		int used = snprintf(path, size, "%.*s/%s", (int)length, at, name);

		if (*at == '/' && used > 0 && (size_t)used < size && is_program(path))
			return true;
		if (at[length] == '\0')
			return false;
		at += length + 1;
	}
}

static int look_for(const char *name, const char *package, char *path, size_t size)
{
	if (find(name, path, size))
		return 0;
	log_error("%s is not in $PATH; install it (Debian: package %s)", name, package);
	return -ENOENT;
}

int program_check(const char *name, const char *package)
{
	char path[PATH_MAX];

	return look_for(name, package, path, sizeof(path));
}

int program_start(struct worker *worker, const struct program *program, int socket)
{
	char path[PATH_MAX];
	struct start start = {
		.path = path,
		.arguments = program->arguments,
		.capabilities = program->capabilities,
		.filter = program->filter,
		.jailed = getenv(WORKER_UNJAILED_VARIABLE) == NULL,
	};
	int error;

	*worker = (struct worker){
		.kind = program->name,
		.pid = -1,
		.pid_fd = -1,
		.socket = socket,
		.stop_signal = program->stop_signal,
	};
	error = look_for(program->name, program->package, path, sizeof(path));
	if (error == 0) {
		error = spawn_child(
			&(struct spawn){
				.fds = program->fds,
				.fd_count = program->fd_count,
				.kept_fd = program->rules,
				.die_with_parent = true,
				.become = become_program,
				.argument = &start,
			},
			&worker->pid, &worker->pid_fd);
		if (error != 0)
			log_error("cannot start %s: %s", path, strerror(-error));
	}
	if (error != 0) {
		close_fd(&worker->socket);
		return error;
	}
	if (start.jailed)
		log_info("%s: no new privileges, capabilities dropped%s%s%s%s%s", program->name,
			program->rules >= 0 ? ", Landlock" : "",
			program->filter != NULL ? ", seccomp (a list of what is denied)" : "",
			program->filter == NULL || program->rules < 0 ? "; off:" : "",
			program->filter == NULL ? " seccomp" : "",
			program->rules < 0 ? " Landlock" : "");
	else
		log_warning("%s: no jail", program->name);
	return 0;
}
