/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/block_program.h"

#include "devices/virtio/block.h"
#include "devices/virtio/block_image.h"
#include "seccomp/landlock.h"
#include "seccomp/program_filter.h"
#include "vmm/base/log.h"
#include "vmm/base/program.h"
#include "vmm/base/unix_socket.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_SIZE (2 * PATH_MAX + 256)
#define NAME	  "qemu-storage-daemon"
#define PACKAGE	  "qemu-utils, in 12 qemu-system-common"

/* A comma in a value is written twice (qemu-storage-daemon(1), as QEMU's own options). */
static int double_commas(char *to, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text; text++) {
		if (used + 2 >= size)
			return -ENAMETOOLONG;
		to[used++] = *text;
		if (*text == ',')
			to[used++] = ',';
	}
	to[used] = '\0';
	return 0;
}

static int start(struct worker *worker, const struct block_options *options, bool is_device,
	int rules, const struct sock_fprog *filter)
{
	const char *read_only = options->read_only ? "on" : "off";
	char name[] = NAME, blockdev[] = "--blockdev", export[] = "--export";
	char path[2 * PATH_MAX], file[TEXT_SIZE], image[128], server[192];
	char *arguments[] = { name, blockdev, file, blockdev, image, export, server, NULL };
	int listener, connection, error = double_commas(path, sizeof(path), options->path);

	if (error == 0)
		error = unix_socket_listen_unnamed(&listener, &connection);
	if (error != 0)
		return error;
	snprintf(file, sizeof(file),
		"driver=%s,node-name=file,filename=%s,locking=on,read-only=%s,cache.direct=%s,"
		"discard=unmap",
		is_device ? "host_device" : "file", path, read_only,
		options->direct ? "on" : "off");
	snprintf(image, sizeof(image),
		"driver=qcow2,node-name=image,file=file,read-only=%s,discard=unmap", read_only);
	snprintf(server, sizeof(server),
		"type=vhost-user-blk,id=disk,node-name=image,writable=%s,num-queues=%u,"
		"addr.type=fd,addr.str=%d",
		options->read_only ? "off" : "on", options->queue_count, SPAWN_FIRST_FD);
	error = program_start(worker,
		&(struct program){
			.name = name,
			.package = PACKAGE,
			.arguments = arguments,
			.fds = &listener,
			.fd_count = 1,
			.rules = rules,
			.filter = filter,
			.stop_signal = SIGINT,
			/* Root's own way to open what is another user's. */
			.capabilities = 1u << CAP_DAC_OVERRIDE,
		},
		connection);
	close(listener);
	return error;
}

int block_program_check(void)
{
	return program_check(NAME, PACKAGE);
}

int block_program_start(struct worker *worker, const struct block_options *options)
{
	struct block_image image;
	struct sock_fprog filter = { 0 };
	int rules, error = block_image_open(&image, options);

	if (error != 0)
		return error;
	rules = getenv(WORKER_UNJAILED_VARIABLE) != NULL
		? -EOPNOTSUPP
		: landlock_program_rules(options->read_only ? -1 : image.fd);
	if (rules < 0 && rules != -EOPNOTSUPP) {
		error = rules;
		log_error("--disk %s: cannot limit qemu-storage-daemon to it: %s; the host must "
			  "allow Landlock, or --sandbox off",
			options->path, strerror(-error));
	}
	/* With the lock: the program takes its own. */
	block_image_close(&image);
	if (error == 0)
		error = program_filter_make(&filter);
	if (error == 0)
		error = start(worker, options, S_ISBLK(image.mode), rules, &filter);
	free(filter.filter);
	close_fd(&rules);
	return error;
}
