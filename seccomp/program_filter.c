/* SPDX-License-Identifier: Apache-2.0 */
#include "seccomp/program_filter.h"

#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <asm/sockios.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const int denied[] = {
	/* Ways to others: Landlock knows of TCP alone. io_uring makes sockets past any filter. */
	SCMP_SYS(socket),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(tgkill),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(rt_tgsigqueueinfo),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(open_by_handle_at),
	/* Parts of the kernel that an image is not served with, and that had bugs. */
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(fsopen),
	SCMP_SYS(open_tree),
	SCMP_SYS(move_mount),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
};

/* Threads are made by the same system call as namespaces. */
static const unsigned long namespaces[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID,
	CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP };

/* The kernel looks at 32 bits of a command. */
#define COMMAND(number) SCMP_CMP64(1, SCMP_CMP_MASKED_EQ, UINT32_MAX, number)

/* Where else a signal is sent from: by a descriptor to who is named its owner; by a limit. */
static const struct {
	int call;
	struct scmp_arg_cmp has;
} signals[] = {
	{ SCMP_SYS(fcntl), COMMAND(F_SETOWN) },
	{ SCMP_SYS(fcntl), COMMAND(F_SETOWN_EX) },
	{ SCMP_SYS(fcntl), COMMAND(F_SETSIG) },
	{ SCMP_SYS(ioctl), COMMAND(FIOSETOWN) },
	{ SCMP_SYS(ioctl), COMMAND(SIOCSPGRP) },
	{ SCMP_SYS(prlimit64), SCMP_CMP64(0, SCMP_CMP_NE, 0, 0) },
};

static int deny(scmp_filter_ctx context)
{
	/* Its flags are in memory, where no filter looks; the C library then uses clone(). */
	int error = seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	for (size_t i = 0; i < ARRAY_SIZE(namespaces) && error == 0; i++) {
		const struct scmp_arg_cmp has =
			SCMP_CMP(0, SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]);

		error = seccomp_rule_add_array(
			context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &has);
	}
	for (size_t i = 0; i < ARRAY_SIZE(signals) && error == 0; i++)
		error = seccomp_rule_add_array(
			context, SCMP_ACT_ERRNO(EPERM), signals[i].call, 1, &signals[i].has);
	for (size_t i = 0; i < ARRAY_SIZE(denied) && error == 0; i++)
		error = seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), denied[i], 0);
	return error;
}

/* libseccomp writes a filter to a file. */
static int export(scmp_filter_ctx context, struct sock_fprog *filter)
{
	int fd = memfd_create("filter", MFD_CLOEXEC), error = fd < 0 ? -errno : 0;
	off_t size = 0;

	if (error == 0)
		error = seccomp_export_bpf(context, fd);
	if (error == 0)
		size = lseek(fd, 0, SEEK_END);
	if (error == 0 && size <= 0)
		error = -EIO;
	filter->filter = error == 0 ? malloc((size_t)size) : NULL;
	if (error == 0 && filter->filter == NULL)
		error = -ENOMEM;
	if (error == 0 && pread(fd, filter->filter, (size_t)size, 0) != size)
		error = -EIO;
	filter->len = (unsigned short)((size_t)size / sizeof(*filter->filter));
	close_fd(&fd);
	return error;
}

int program_filter_make(struct sock_fprog *filter)
{
	scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
	int error = context != NULL ? 0 : -ENOMEM;

	*filter = (struct sock_fprog){ 0 };
	if (error == 0)
		error = deny(context);
	if (error == 0)
		error = export(context, filter);
	if (error != 0) {
		log_error("seccomp: cannot make a program's filter: %s", strerror(-error));
		free(filter->filter);
		filter->filter = NULL;
	}
	if (context != NULL)
		seccomp_release(context);
	return error;
}
