/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls each role makes, with arguments matched where they carry power: ioctl
 * requests, memory protections. What is not here kills the process.
 */
#include "seccomp/filter.h"

#include "vmm/base/util.h"
#include "vmm/base/worker.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <linux/vhost.h>
#include <seccomp.h>
#include <sys/mman.h>

#define ALLOW(name)	    SCMP_SYS(name), MATCH_ANY, 0, 0
#define ALLOW_IOCTL(value)  SCMP_SYS(ioctl), MATCH_ARGUMENT, 1, (value)
/* For a system call whose first argument is a process: this one alone. */
#define ALLOW_SELF(name)    SCMP_SYS(name), MATCH_OWN_PID, 0, 0
/* At this offset of the file alone: fourth argument of pwrite64. */
#define ALLOW_AT(offset)    SCMP_SYS(pwrite64), MATCH_WHOLE, 3, (offset)
/* No memory that was data becomes code. */
#define ALLOW_DATA(name)    SCMP_SYS(name), MATCH_CLEAR, 2, PROT_EXEC
#define ALLOW_ADVICE(value) SCMP_SYS(madvise), MATCH_ARGUMENT, 2, (value)
/* Of the system calls that take flags behind two halves of an offset. */
#define ALLOW_NO_WAIT(name) SCMP_SYS(name), MATCH_ARGUMENT, 5, RWF_NOWAIT
/* On this descriptor alone. */
#define ALLOW_ON(name, fd)  SCMP_SYS(name), MATCH_ARGUMENT, 0, (fd)

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

/*
 * malloc, and mapping guest RAM that a descriptor stands for: of large pages, and in no core dump.
 * Nothing of it is given back to the host.
 */
static const struct filter_rule memory[] = {
	{ ALLOW(brk) },
	{ ALLOW_DATA(mmap) },
	{ ALLOW(munmap) },
	{ ALLOW_ADVICE(MADV_DONTNEED) },
	{ ALLOW_ADVICE(MADV_HUGEPAGE) },
	{ ALLOW_ADVICE(MADV_DONTDUMP) },
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

/* The BPMP's journal: records may be written, not whose journal it is. */
static const struct filter_rule journal[] = {
	{ ALLOW_AT(JAIL_JOURNAL_EVEN) },
	{ ALLOW_AT(JAIL_JOURNAL_ODD) },
};

/* It reads what the BPMP worker wrote, and waits. */
static const struct filter_rule guard[] = {
	{ ALLOW(pread64) },
	{ ALLOW(ppoll) },
};

/* A network interface's worker: frames to and from the tap, and what it leaves to the guest. */
static const struct filter_rule net[] = {
	{ ALLOW(readv) },
	{ ALLOW(writev) },
	{ ALLOW_IOCTL(TUNSETOFFLOAD) },
};

/* How many queues of the tap are in use. */
static const struct filter_rule net_control[] = {
	{ ALLOW_IOCTL(TUNSETQUEUE) },
};

/* A compressed kernel is read in pieces; what it becomes goes through write(). */
static const struct filter_rule unpack[] = {
	{ ALLOW(pread64) },
};

/* A vCPU runs the guest and carries out register accesses, those of trapped VFIO regions too. */
static const struct filter_rule vcpu[] = {
	{ ALLOW_IOCTL(KVM_RUN) }, { ALLOW_IOCTL(KVM_SET_VCPU_EVENTS) },
	{ ALLOW_IOCTL(KVM_IRQ_LINE) }, { ALLOW_IOCTL(KVM_IRQFD) }, /* the BPMP's doorbell */
	{ ALLOW(pread64) }, { ALLOW(pwrite64) },
	{ ALLOW_ADVICE(MADV_DONTNEED) }, /* its stack, at its end */
	{ ALLOW(timerfd_settime) },	 /* the clock chip's alarm */
};

/* What eventfds hold that others have too. */
static const struct filter_rule shared_events[] = {
	{ ALLOW_NO_WAIT(preadv2) },
};

/* The entropy device's worker. */
static const struct filter_rule rng[] = {
	{ ALLOW(getrandom) },
};

/* The balloon's: the one process that makes holes in guest memory. */
static const struct filter_rule balloon[] = {
	{ ALLOW_ADVICE(MADV_REMOVE) },
};

/* A disk's threads. Its loop does no I/O, and opens nothing. */
static const struct filter_rule block_io[] = {
	{ ALLOW(pread64) }, { ALLOW(pwrite64) }, { ALLOW(preadv) }, { ALLOW(pwritev) },
	{ ALLOW(fdatasync) }, { ALLOW_ON(fallocate, JAIL_IMAGE_FD) }, { ALLOW_IOCTL(BLKDISCARD) },
	{ ALLOW_ADVICE(MADV_DONTNEED) }, /* its stack, at its end */
};

/* Its loop makes the disk larger: of all descriptors this one alone. */
static const struct filter_rule block_size[] = {
	{ ALLOW_ON(lseek, JAIL_IMAGE_FD) },
	{ ALLOW_ON(ftruncate, JAIL_IMAGE_FD) },
};

/* What the kernel's vhost is told when a driver starts, which is on a vCPU thread. */
static const struct filter_rule vhost_start[] = {
	{ ALLOW_IOCTL(VHOST_SET_FEATURES) },
	{ ALLOW_IOCTL(VHOST_SET_MEM_TABLE) },
	{ ALLOW_IOCTL(VHOST_SET_VRING_NUM) },
	{ ALLOW_IOCTL(VHOST_SET_VRING_BASE) },
	{ ALLOW_IOCTL(VHOST_SET_VRING_ADDR) },
	{ ALLOW_IOCTL(VHOST_SET_VRING_ERR) },
	{ ALLOW_IOCTL(VHOST_SET_VRING_CALL) },
	{ ALLOW_IOCTL(TUNSETOFFLOAD) },
};

/* And when it stops: on a vCPU thread, or on the event loop when the guest is reset. */
static const struct filter_rule vhost_stop[] = {
	{ ALLOW_IOCTL(VHOST_SET_VRING_KICK) },
	{ ALLOW_IOCTL(VHOST_VSOCK_SET_RUNNING) },
	{ ALLOW_IOCTL(VHOST_NET_SET_BACKEND) },
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
	{ ALLOW_IOCTL(KVM_ARM_VCPU_FINALIZE) },
	{ ALLOW_IOCTL(KVM_SET_ONE_REG) },
	{ ALLOW_IOCTL(KVM_CREATE_DEVICE) },
	{ ALLOW_IOCTL(KVM_SET_DEVICE_ATTR) },
	{ ALLOW_IOCTL(KVM_GET_DEVICE_ATTR) },
	{ ALLOW_IOCTL(KVM_IRQFD) },
	{ ALLOW_IOCTL(KVM_IOEVENTFD) },
	{ ALLOW_IOCTL(KVM_REGISTER_COALESCED_MMIO) },
	{ ALLOW_IOCTL(KVM_IRQ_LINE) },
	{ ALLOW_IOCTL(VFIO_DEVICE_SET_IRQS) },
	{ ALLOW_IOCTL(VFIO_DEVICE_RESET) },
	{ ALLOW_IOCTL(VFIO_IOMMU_UNMAP_DMA) },
};

#define LIST(rules) rules, ARRAY_SIZE(rules)

static const struct filter_list console_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(memory) }, { LIST(terminal) }, { LIST(console) } };
static const struct filter_list bpmp_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(journal) } };
static const struct filter_list guard_lists[] = { { LIST(common) }, { LIST(guard) },
	{ LIST(journal) } };
static const struct filter_list rng_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(memory) }, { LIST(rng) } };
static const struct filter_list balloon_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(memory) }, { LIST(balloon) } };
static const struct filter_list block_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(memory) }, { LIST(block_size) } };
static const struct filter_list block_io_lists[] = { { LIST(common) }, { LIST(block_io) } };
static const struct filter_list net_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(memory) }, { LIST(net) } };
static const struct filter_list net_control_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(memory) }, { LIST(net_control) } };
/* As the console's, without guest RAM. */
static const struct filter_list serial_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(terminal) }, { LIST(console) } };
static const struct filter_list unpack_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(memory) }, { LIST(unpack) } };
static const struct filter_list vcpu_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(shared_events) }, { LIST(vcpu) }, { LIST(vhost_start) }, { LIST(vhost_stop) } };
static const struct filter_list event_loop_lists[] = { { LIST(common) }, { LIST(messages) },
	{ LIST(shared_events) }, { LIST(memory) }, { LIST(terminal) }, { LIST(event_loop) },
	{ LIST(vhost_stop) } };

void filter_rules(enum jail_role role, const struct filter_list **lists, size_t *count)
{
	static const struct {
		const struct filter_list *lists;
		size_t count;
	} table[JAIL_ROLES] = {
		[JAIL_CONSOLE] = { console_lists, ARRAY_SIZE(console_lists) },
		[JAIL_BPMP] = { bpmp_lists, ARRAY_SIZE(bpmp_lists) },
		[JAIL_RNG] = { rng_lists, ARRAY_SIZE(rng_lists) },
		[JAIL_BALLOON] = { balloon_lists, ARRAY_SIZE(balloon_lists) },
		[JAIL_BLOCK] = { block_lists, ARRAY_SIZE(block_lists) },
		[JAIL_BLOCK_IO] = { block_io_lists, ARRAY_SIZE(block_io_lists) },
		[JAIL_GUARD] = { guard_lists, ARRAY_SIZE(guard_lists) },
		[JAIL_NET] = { net_lists, ARRAY_SIZE(net_lists) },
		[JAIL_NET_CONTROL] = { net_control_lists, ARRAY_SIZE(net_control_lists) },
		[JAIL_SERIAL] = { serial_lists, ARRAY_SIZE(serial_lists) },
		[JAIL_UNPACK] = { unpack_lists, ARRAY_SIZE(unpack_lists) },
		[JAIL_VCPU] = { vcpu_lists, ARRAY_SIZE(vcpu_lists) },
		[JAIL_EVENT_LOOP] = { event_loop_lists, ARRAY_SIZE(event_loop_lists) },
	};

	*lists = table[role].lists;
	*count = table[role].count;
}
