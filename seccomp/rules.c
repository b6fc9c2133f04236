/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls each role makes, with arguments matched where they carry power: ioctl
 * requests, memory protections. What is not here kills the process.
 */
#include "seccomp/filter.h"

#include "vmm/base/util.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <seccomp.h>
#include <sys/mman.h>

#define ALLOW(name)	   SCMP_SYS(name), MATCH_ANY, 0, 0
#define ALLOW_IOCTL(value) SCMP_SYS(ioctl), MATCH_ARGUMENT, 1, (value)
/* For a system call whose first argument is a process: this one alone. */
#define ALLOW_SELF(name)   SCMP_SYS(name), MATCH_OWN_PID, 0, 0
/* No memory that was data becomes code. */
#define ALLOW_DATA(name)   SCMP_SYS(name), MATCH_CLEAR, 2, PROT_EXEC

/* What the C library needs in any thread: locks, the return from a handler, the end. */
static const struct filter_rule common[] = {
	{ ALLOW(futex) }, { ALLOW(rt_sigreturn) }, { ALLOW(rt_sigprocmask) }, { ALLOW(exit) },
	{ ALLOW(exit_group) }, { ALLOW(read) }, { ALLOW(write) }, { ALLOW(close) },
	{ ALLOW(clock_gettime) }, /* where the vDSO cannot */
};

/* Messages between machine and workers. */
static const struct filter_rule messages[] = {
	{ ALLOW(sendmsg) },
	{ ALLOW(recvmsg) },
	{ ALLOW(sendto) },
	{ ALLOW(recvfrom) },
	{ ALLOW(ppoll) },
};

/* malloc, and mapping guest RAM that a descriptor stands for. */
static const struct filter_rule memory[] = {
	{ ALLOW(brk) },
	{ ALLOW_DATA(mmap) },
	{ ALLOW(munmap) },
	{ ALLOW(madvise) },
};

/* A terminal's settings: the worker makes it raw, and either side puts it back. */
static const struct filter_rule terminal[] = {
	{ ALLOW_IOCTL(TCGETS) },
	{ ALLOW_IOCTL(TCSETS) },
	{ ALLOW_IOCTL(TCGETS2) }, /* glibc 2.42 and later */
	{ ALLOW_IOCTL(TCSETS2) },
	{ ALLOW_IOCTL(TIOCGPGRP) },
	{ ALLOW(getpgid) },
};

/* The worker's side of stdio, pty, file and socket. */
static const struct filter_rule console[] = {
	{ ALLOW(accept4) },
};

/* A compressed kernel is read in pieces; what it becomes goes through write(). */
static const struct filter_rule unpack[] = {
	{ ALLOW(pread64) },
};

/* A vCPU runs the guest and carries out register accesses, those of trapped VFIO regions too. */
static const struct filter_rule vcpu[] = {
	{ ALLOW_IOCTL(KVM_RUN) }, { ALLOW_IOCTL(KVM_SET_VCPU_EVENTS) },
	{ ALLOW_IOCTL(KVM_IRQ_LINE) }, { ALLOW_IOCTL(KVM_IRQFD) },   /* the BPMP's doorbell */
	{ ALLOW(pread64) }, { ALLOW(pwrite64) }, { ALLOW(madvise) }, /* its stack, at its end */
	{ ALLOW(timerfd_settime) },				     /* the clock chip's alarm */
};

/* The event loop builds the VM anew after a guest reset, and takes it down at the end. */
static const struct filter_rule event_loop[] = {
	{ ALLOW(epoll_pwait) },
	{ ALLOW(epoll_ctl) },
	{ ALLOW_SELF(tgkill) }, /* kicks vCPUs */
	{ ALLOW(getpid) },
	{ ALLOW(pread64) },
	{ ALLOW(getrandom) },
	{ ALLOW(wait4) },
	{ ALLOW(pidfd_send_signal) },
	{ ALLOW(unlinkat) }, /* the console's socket, and the control socket */
	{ ALLOW(accept4) },  /* the control socket's clients */
	{ ALLOW(mremap) },   /* an answer that grows */
	{ ALLOW(timerfd_settime) },
	{ ALLOW_IOCTL(KVM_CREATE_VM) },
	{ ALLOW_IOCTL(KVM_CHECK_EXTENSION) },
	{ ALLOW_IOCTL(KVM_ENABLE_CAP) },
	{ ALLOW_IOCTL(KVM_SET_USER_MEMORY_REGION) },
	{ ALLOW_IOCTL(KVM_CREATE_VCPU) },
	{ ALLOW_IOCTL(KVM_ARM_PREFERRED_TARGET) },
	{ ALLOW_IOCTL(KVM_ARM_VCPU_INIT) },
	{ ALLOW_IOCTL(KVM_SET_ONE_REG) },
	{ ALLOW_IOCTL(KVM_CREATE_DEVICE) },
	{ ALLOW_IOCTL(KVM_SET_DEVICE_ATTR) },
	{ ALLOW_IOCTL(KVM_GET_DEVICE_ATTR) },
	{ ALLOW_IOCTL(KVM_IRQFD) },
	{ ALLOW_IOCTL(KVM_IOEVENTFD) },
	{ ALLOW_IOCTL(KVM_IRQ_LINE) },
	{ ALLOW_IOCTL(VFIO_DEVICE_SET_IRQS) },
	{ ALLOW_IOCTL(VFIO_DEVICE_RESET) },
	{ ALLOW_IOCTL(VFIO_IOMMU_UNMAP_DMA) },
};

#define LIST(rules) rules, ARRAY_SIZE(rules)

static const struct filter_list console_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(memory) }, { LIST(terminal) }, { LIST(console) } };
static const struct filter_list bpmp_lists[] = { { LIST(common) }, { LIST(messages) } };
/* As the console's, without guest RAM. */
static const struct filter_list serial_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(terminal) }, { LIST(console) } };
static const struct filter_list unpack_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(memory) }, { LIST(unpack) } };
static const struct filter_list vcpu_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(vcpu) } };
static const struct filter_list event_loop_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(memory) }, { LIST(terminal) }, { LIST(event_loop) } };

void filter_rules(enum jail_role role, const struct filter_list **lists, size_t *count)
{
	static const struct {
		const struct filter_list *lists;
		size_t count;
	} table[JAIL_ROLES] = {
		[JAIL_CONSOLE] = { console_lists, ARRAY_SIZE(console_lists) },
		[JAIL_BPMP] = { bpmp_lists, ARRAY_SIZE(bpmp_lists) },
		[JAIL_SERIAL] = { serial_lists, ARRAY_SIZE(serial_lists) },
		[JAIL_UNPACK] = { unpack_lists, ARRAY_SIZE(unpack_lists) },
		[JAIL_VCPU] = { vcpu_lists, ARRAY_SIZE(vcpu_lists) },
		[JAIL_EVENT_LOOP] = { event_loop_lists, ARRAY_SIZE(event_loop_lists) },
	};

	*lists = table[role].lists;
	*count = table[role].count;
}
