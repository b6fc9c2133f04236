/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/keeper.h"

#include "devices/bpmp/bpmp.h"
#include "devices/bpmp/guard.h"
#include "devices/bpmp/open_host.h"
#include "devices/bpmp/restore.h"
#include "devices/device.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a guard of the last VM needs that was killed a moment ago. */
#define LOCK_START_MS	2000
/* `restore` is the service's stop step: systemd would wait for 30 s. */
#define LOCK_RESTORE_MS 15000
/* A host that answers takes milliseconds. */
#define MEND_MS		10000
#define READY_MS	10000

/* True when `fd` becomes readable, or its other end closes, within `wait_ms`. */
static bool wait_for(int fd, int wait_ms)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	int n;

	do {
		n = poll(&polled, 1, wait_ms);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

void bpmp_keeper_init(struct bpmp_keeper *keeper, struct machine *machine)
{
	*keeper = (struct bpmp_keeper){
		.machine = machine,
		.guard = { .kind = "guard", .pid = -1, .pid_fd = -1, .socket = -1 },
		.ended.fd = -1,
		.journal.fd = -1,
		.lifeline = -1,
	};
}

/* Starts a guard; its other end of the lifeline is put into *lifeline. */
static int start_guard(struct worker *guard, int journal_fd, const char *host, int *lifeline)
{
	int host_fd = bpmp_open_host(host), pair[2] = { -1, -1 }, error = 0;
	int fds[BPMP_GUARD_FD_COUNT];

	if (host_fd < 0)
		return host_fd;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
		error = -errno;
		log_error("cannot make the guard's lifeline: %s", strerror(-error));
	}
	if (!error) {
		fds[BPMP_GUARD_FD_HOST] = host_fd;
		fds[BPMP_GUARD_FD_JOURNAL] = journal_fd;
		fds[BPMP_GUARD_FD_LIFELINE] = pair[0];
		error = worker_start(guard, "guard", SOCK_STREAM, fds, BPMP_GUARD_FD_COUNT, false);
	}
	close(host_fd);
	close_fd(&pair[0]);
	*lifeline = pair[1];
	return error;
}

/* A guard of its own for what the last VM left: both its ends are closed at once. */
static int mend(const struct bpmp_journal_file *file, const struct bpmp_journal_identity *old)
{
	struct worker guard = { .kind = "guard", .pid = -1, .pid_fd = -1, .socket = -1 };
	int lifeline = -1, status = 0, error;

	log_info("putting back what the last VM of the name %s left changed at the host's BPMP",
		old->name);
	error = start_guard(&guard, file->fd, old->host, &lifeline);
	close_fd(&lifeline);
	close_fd(&guard.socket);
	if (error)
		return error;
	if (!wait_for(guard.pid_fd, MEND_MS)) {
		log_error("the host's BPMP does not answer; the guard goes on when it does");
		error = -ETIMEDOUT;
	} else if (waitpid(guard.pid, &status, 0) != guard.pid || status != 0) {
		log_error("not all could be put back, see above; mend that and try again: bpmp-vmm "
			  "restore %s; or remove %s to leave the host's BPMP as it is",
			old->name, file->path);
		error = -EIO;
	}
	close_fd(&guard.pid_fd);
	return error;
}

/* Returns 1 when something was put back, 0 when there was nothing, or -errno (logged). */
static int mend_if_owed(const struct bpmp_journal_file *file, const char *name)
{
	struct bpmp_journal_identity old;
	struct bpmp_journal journal;
	struct bpmp_undo undo;
	int found = bpmp_journal_identify(file, name, &old);
	int error;

	if (found <= 0)
		return found;
	found = bpmp_journal_load(&journal, file->fd, &undo);
	if (found < 0)
		log_error("%s: what that VM changed cannot be put back; remove the file to go on",
			file->path);
	if (found <= 0)
		return found;
	if (!bpmp_restore_owed(&undo))
		return 0;
	error = mend(file, &old);
	return error ? error : 1;
}

static void on_ended(struct event_source *source)
{
	struct bpmp_keeper *keeper = container_of(source, struct bpmp_keeper, ended);
	char reason[160];

	event_loop_remove(keeper->machine->loop, &keeper->ended);
	keeper->ended.fd = -1;
	worker_reap(&keeper->guard, reason, sizeof(reason));
	machine_end(keeper->machine, MACHINE_DEVICE_FAILED, "guard", reason);
}

int bpmp_keeper_start(struct bpmp_keeper *keeper, const char *name, const char *host)
{
	char byte, reason[160];
	int error = bpmp_journal_open(&keeper->journal, name, true, LOCK_START_MS);

	if (!error)
		error = mend_if_owed(&keeper->journal, name);
	if (error >= 0)
		error = bpmp_journal_begin(&keeper->journal, name, host);
	if (!error)
		error = start_guard(&keeper->guard, keeper->journal.fd, host, &keeper->lifeline);
	if (error)
		return error;
	if (!wait_for(keeper->guard.socket, READY_MS) ||
		read(keeper->guard.socket, &byte, 1) != 1) {
		wait_for(keeper->guard.pid_fd, 1000);
		worker_reap(&keeper->guard, reason, sizeof(reason));
		log_error("the guard failed at its start: %s", reason);
		return -EPIPE;
	}
	keeper->ended = (struct event_source){ keeper->guard.pid_fd, on_ended };
	return event_loop_add(keeper->machine->loop, &keeper->ended);
}

/* Its end is expected from now on, and no failure. */
static void let_go(struct bpmp_keeper *keeper)
{
	if (keeper->ended.fd >= 0)
		event_loop_remove(keeper->machine->loop, &keeper->ended);
	keeper->ended.fd = -1;
	close_fd(&keeper->guard.socket);
}

static void wait_for_guard(struct bpmp_keeper *keeper)
{
	if (keeper->guard.pid_fd < 0)
		return;
	if (wait_for(keeper->guard.pid_fd, MEND_MS))
		waitpid(keeper->guard.pid, NULL, WNOHANG);
	else
		log_warning("the host's BPMP does not answer; the guard stays, and puts back what "
			    "the guest changed when it does");
	close_fd(&keeper->guard.pid_fd);
}

void bpmp_keeper_restore(struct bpmp_keeper *keeper)
{
	let_go(keeper);
	wait_for_guard(keeper);
}

void bpmp_keeper_stop(struct bpmp_keeper *keeper, bool worker_gone)
{
	close_fd(&keeper->lifeline);
	let_go(keeper);
	if (worker_gone)
		wait_for_guard(keeper);
	close_fd(&keeper->guard.pid_fd);
	close_fd(&keeper->journal.fd);
}

int bpmp_restore_vm(const char *name)
{
	struct bpmp_journal_file file;
	int error = bpmp_journal_open(&file, name, false, LOCK_RESTORE_MS);

	if (error == -ENOENT) {
		log_info("nothing to put back: there is no journal of a VM %s", name);
		return 0;
	}
	if (error)
		return error;
	error = mend_if_owed(&file, name);
	if (error == 0)
		log_info("nothing to put back for %s", name);
	close_fd(&file.fd);
	return error < 0 ? error : 0;
}
