/* SPDX-License-Identifier: Apache-2.0 */
/* One VM, one process, one context. */
#ifndef VMM_VM_H
#define VMM_VM_H

#include "arch/aarch64/gic.h"
#include "arch/aarch64/image.h"
#include "devices/device.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/guest_memory.h"
#include "vmm/base/kvm.h"
#include "vmm/base/layout.h"
#include "vmm/base/mmio.h"
#include "vmm/coalesced.h"
#include "vmm/control.h"
#include "vmm/notify.h"
#include "vmm/options.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kvm_run;
struct vfio_container;
struct vm;

#define MAX_DEVICES 64

struct vcpu {
	struct vm *vm;
	uint32_t index;
	int fd; /* replaced with the VM, as is `run` */
	struct kvm_run *run;
	pthread_t thread;
};

/* What holds vCPU threads outside KVM_RUN; vmm/vcpu.c. */
struct vcpu_gate {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	atomic_bool open;
	bool quit;
	uint64_t openings; /* how often the gate was opened */
	uint32_t threads;  /* started and locked in */
	uint32_t inside;   /* between gate and KVM_RUN's return, register accesses included */
	bool failed;	   /* a thread could not be locked in */
};

/* What a guest reset loads again; vmm/boot.c. */
struct boot {
	int kernel_fd, initrd_fd; /* -1: no initrd */
	uint64_t initrd_size;	  /* bytes */
	struct kernel_image image;
	struct boot_layout layout;
	void *tree; /* the flattened device tree, malloc'ed */
	size_t tree_size;
};

/* A power-down that a signal asked the guest for; vmm/shutdown.c. */
struct shutdown {
	struct event_source timer; /* timerfd: press the key again, or the grace period is over */
	int64_t deadline;	   /* CLOCK_MONOTONIC, seconds */
	bool asked;
};

struct vm {
	struct machine machine; /* what devices see of all this */
	const struct options *options;

	struct kvm_vm kvm;
	size_t run_size; /* bytes of a vCPU's shared kvm_run page */
	struct guest_memory memory;
	int memory_fd;
	struct layout layout;
	struct mmio_bus bus;
	struct event_loop loop;
	struct gic gic;

	struct vcpu vcpus[MAX_CPUS];
	uint32_t vcpu_count;
	struct vcpu_gate gate;
	struct coalesced coalesced; /* stores that caused no exit */
	struct boot boot;

	struct vfio_container *container;
	struct bpmp_ids *ids;
	struct device *devices[MAX_DEVICES];
	size_t device_count;
	struct device *disks[MAX_DISKS]; /* of them, as the options have them */
	struct device *serial;		 /* one of them; NULL: no early UART */
	struct device *balloon;		 /* one of them; NULL: none */
	struct device *power_key;	 /* one of them, for gpio_press_power_key() */

	struct event_source signals; /* SIGTERM, SIGINT, SIGHUP */
	struct event_source wake;    /* an eventfd that machine_end() signals */
	struct shutdown shutdown;

	atomic_ulong undecodable; /* accesses answered with an external abort */

	struct bpmp_ids *planned_ids; /* `layout`: of each --passthrough; else NULL */
	uint32_t unplanned;	      /* those that the host has not: 1 << index */

	struct notify notify;	/* --notify */
	struct control control; /* --control */
	bool paused;		/* through it: the gate stays closed, after a reset, too */
	int64_t started_ms;	/* on the monotonic clock: the first start of the guest */
	uint64_t restarts;	/* of the guest since then */
};

#endif
