/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/journal_file.h"

#include "vmm/base/file_check.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_DIRECTORY "/run/bpmp-vmm"
#define BOOT_ID		  "/proc/sys/kernel/random/boot_id"
#define RETRY_MS	  20
#define RUNNING_MS	  2000 /* after which a holder that is there is taken to stay */

/* systemd lists the directories of a service with colons; the first one is ours. */
static void find_directory(char *path, size_t size)
{
	const char *service = getenv("RUNTIME_DIRECTORY"), *user = getenv("XDG_RUNTIME_DIR");

	if (service && *service)
		snprintf(path, size, "%.*s", (int)strcspn(service, ":"), service);
	else if (user && *user && geteuid() != 0)
		snprintf(path, size, "%s/bpmp-vmm", user);
	else
		snprintf(path, size, "%s", DEFAULT_DIRECTORY);
}

static void log_make(const char *directory, int error)
{
	log_error("cannot make %s, the directory of the VM's journal: %s; make it, or name another "
		  "one in the environment as RUNTIME_DIRECTORY",
		directory, strerror(-error));
}

static int find_path(struct bpmp_journal_file *file, const char *name, bool create)
{
	char directory[384];
	int error;

	find_directory(directory, sizeof(directory));
	snprintf(file->path, sizeof(file->path), "%s/%s.journal", directory, name);
	if (create && mkdir(directory, 0755) < 0 && errno != EEXIST) {
		error = -errno;
		log_make(directory, error);
		return error;
	}
	return 0;
}

/* A service's journal lies in a directory of its own, where an administrator looks for it too. */
static void try_service_directory(struct bpmp_journal_file *file, const char *name)
{
	const char *service = getenv("RUNTIME_DIRECTORY");

	if (service && *service)
		return;
	snprintf(file->path, sizeof(file->path), DEFAULT_DIRECTORY "/%s/%s.journal", name, name);
}

/* The directory of `path`, where nobody else can exchange a journal. A descriptor or -errno. */
static int open_directory(const char *path)
{
	int size = (int)(strrchr(path, '/') - path), fd;
	char directory[sizeof(((struct bpmp_journal_file *)0)->path)];
	struct stat status;

	snprintf(directory, sizeof(directory), "%.*s", size, path);
	fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) == 0 && (status.st_uid == geteuid() || status.st_uid == 0) &&
		(status.st_mode & 022) == 0)
		return fd;
	close(fd);
	return -EPERM;
}

/* What is in it goes to the host's BPMP: nobody else may have written it. A descriptor or -errno.
 */
static int open_ours(const char *path, bool create)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
	int directory = open_directory(path), fd;
	struct stat status;

	if (directory < 0)
		return directory;
	fd = openat(directory, strrchr(path, '/') + 1, flags, 0600);
	if (fd < 0) {
		fd = -errno;
	} else if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
		status.st_uid != geteuid() || status.st_mode & 022) {
		close(fd);
		fd = -EPERM;
	}
	close(directory);
	return fd;
}

static int read_identity(int fd, struct bpmp_journal_identity *identity)
{
	uint8_t page[BPMP_JOURNAL_PAGE] = { 0 };
	ssize_t size = pread(fd, page, sizeof(page), 0);

	if (size < 0)
		return -errno;
	if (size == 0)
		return -ENODATA;
	return size == (ssize_t)sizeof(page) ? bpmp_journal_decode_identity(identity, page)
					     : -EBADMSG;
}

/* A process that was killed and not yet waited for counts as running. */
static bool holder_runs(const struct bpmp_journal_file *file, uint32_t *process)
{
	struct bpmp_journal_identity identity = { 0 };

	if (read_identity(file->fd, &identity) || identity.process < 2 ||
		identity.process > INT_MAX)
		return false;
	*process = identity.process;
	return kill((pid_t)identity.process, 0) == 0 || errno == EPERM;
}

/* -EEXIST for a VM that runs, -EBUSY for one that is gone, whose changes are being put back. */
static int say_who_holds(const struct bpmp_journal_file *file, const char *name)
{
	uint32_t process = 0;

	if (holder_runs(file, &process)) {
		log_error("a VM of the name %s is running, as process %u; end it, or give a new "
			  "one another --name",
			name, process);
		return -EEXIST;
	}
	log_error("what the last VM of the name %s changed at the host's BPMP is still being put "
		  "back, which waits for the host's BPMP; try again when that answers",
		name);
	return -EBUSY;
}

static int lock(const struct bpmp_journal_file *file, const char *name, int wait_ms)
{
	const struct timespec pause = { 0, RETRY_MS * 1000000l };
	uint32_t process;
	int error;

	for (int waited = 0; flock(file->fd, LOCK_EX | LOCK_NB) < 0; waited += RETRY_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			error = -errno;
			log_error("cannot lock %s: %s", file->path, strerror(-error));
			return error;
		}
		if (waited >= wait_ms || (waited >= RUNNING_MS && holder_runs(file, &process)))
			return say_who_holds(file, name);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void log_open(const struct bpmp_journal_file *file, int error)
{
	if (error == -EPERM)
		log_error("%s is not a file that this user alone can write, in a directory of the "
			  "same kind; run this as its owner (a service's: start the service), or "
			  "remove it and leave the host's BPMP as it is",
			file->path);
	else
		log_error("cannot open %s, the VM's journal: %s", file->path, strerror(-error));
}

int bpmp_journal_open(struct bpmp_journal_file *file, const char *name, bool create, int wait_ms)
{
	int error = find_path(file, name, create);

	file->fd = error ? error : open_ours(file->path, create);
	if (!error && file->fd == -ENOENT && !create) {
		try_service_directory(file, name);
		file->fd = open_ours(file->path, false);
	}
	if (file->fd < 0) {
		if (!error && (create || file->fd != -ENOENT))
			log_open(file, file->fd);
		error = file->fd;
		file->fd = -1;
		return error;
	}
	error = lock(file, name, wait_ms);
	if (error)
		close_fd(&file->fd);
	return error;
}

/* Empty where the host does not tell. */
static void read_boot_id(char *boot, size_t size)
{
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, boot, size - 1);

	boot[length < 0 ? 0 : length] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
	close_fd(&fd);
}

int bpmp_journal_identify(const struct bpmp_journal_file *file, const char *name,
	struct bpmp_journal_identity *identity)
{
	int error = read_identity(file->fd, identity);
	struct stat status;
	char boot[40];

	if (error == -ENODATA)
		return 0;
	if (!error && (fstat(file->fd, &status) < 0 || status.st_size != BPMP_JOURNAL_SIZE))
		error = -EBADMSG;
	if (error == -EPROTONOSUPPORT) {
		log_error("%s was written by another version of bpmp-vmm; use that one for "
			  "`bpmp-vmm restore %s`, or remove the file to leave the host's BPMP as "
			  "it is",
			file->path, name);
		return error;
	}
	if (error) {
		log_error("%s is no whole journal of a VM; what that changed cannot be put back "
			  "from it; remove the file to go on",
			file->path);
		return error;
	}
	if (strcmp(identity->name, name) != 0) {
		log_error("%s is the journal of the VM %s; put it back in its place, or remove it",
			file->path, identity->name);
		return -EPROTO;
	}
	read_boot_id(boot, sizeof(boot));
	if (strcmp(identity->boot, boot) != 0) {
		log_info("%s is of an earlier boot of the host: nothing of it is left to put back",
			file->path);
		return 0;
	}
	return 1;
}

/* Whether a journal could be made where there is none. */
static int check_directory(const struct bpmp_journal_file *file)
{
	char directory[384];
	int error;

	find_directory(directory, sizeof(directory));
	if (access(directory, F_OK) == 0) {
		error = file_check_directory_of(file->path);
		if (error)
			log_open(file, error);
	} else {
		error = file_check_directory_of(directory);
		if (error)
			log_make(directory, error);
	}
	return error;
}

int bpmp_journal_check(const char *name)
{
	struct bpmp_journal_identity identity;
	struct bpmp_journal_file file = { .fd = -1 };
	int error;

	find_path(&file, name, false);
	file.fd = open_ours(file.path, false);
	if (file.fd == -ENOENT)
		return check_directory(&file);
	if (file.fd < 0) {
		log_open(&file, file.fd);
		return file.fd;
	}
	error = lock(&file, name, 0);
	if (!error)
		error = bpmp_journal_identify(&file, name, &identity);
	close_fd(&file.fd);
	return error < 0 ? error : 0;
}

static int write_all(int fd, const struct bpmp_journal_identity *identity)
{
	static const uint8_t zeroes[BPMP_JOURNAL_PAGE];
	uint8_t page[BPMP_JOURNAL_PAGE];

	/* Whatever is cut short here leaves no identity, or one without a record. */
	bpmp_journal_encode_identity(identity, page);
	for (unsigned int i = 0; i < 3; i++)
		if (pwrite(fd, zeroes, sizeof(zeroes), (off_t)i * BPMP_JOURNAL_PAGE) !=
			(ssize_t)sizeof(zeroes))
			return errno ? -errno : -EIO;
	if (pwrite(fd, page, sizeof(page), 0) != (ssize_t)sizeof(page) ||
		ftruncate(fd, BPMP_JOURNAL_SIZE) < 0)
		return errno ? -errno : -EIO;
	return 0;
}

/*
 * Puts the place where write() would go on to the end of all files of this file system, where
 * nothing can be written: the workers' jail allows write(), and limits pwrite() to the records.
 */
static int forbid_plain_writes(int fd)
{
	off_t end = 0;

	for (int bit = 62; bit >= 0; bit--)
		if (lseek(fd, end | (off_t)1 << bit, SEEK_SET) >= 0)
			end |= (off_t)1 << bit;
	return lseek(fd, end, SEEK_SET) < 0 ? -errno : 0;
}

int bpmp_journal_begin(const struct bpmp_journal_file *file, const char *name, const char *host)
{
	struct bpmp_journal_identity identity = { .process = (uint32_t)getpid() };
	int error;

	if (strlen(name) >= sizeof(identity.name) || strlen(host) >= sizeof(identity.host)) {
		log_error("--bpmp host=%s: longer than the journal has room for; name it in %zu "
			  "bytes",
			host, sizeof(identity.host) - 1);
		return -EINVAL;
	}
	memcpy(identity.name, name, strlen(name));
	memcpy(identity.host, host, strlen(host));
	read_boot_id(identity.boot, sizeof(identity.boot));
	errno = 0;
	error = write_all(file->fd, &identity);
	if (!error)
		error = forbid_plain_writes(file->fd);
	if (error) {
		log_error("cannot write %s: %s", file->path, strerror(-error));
		return error == -ENOSPC ? -EIO : error; /* not the user's mistake */
	}
	return 0;
}
