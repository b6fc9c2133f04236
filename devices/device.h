/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device is to the machine, and the machine to a device. Devices are created in the order
 * of the table in vmm/device_table.c and live until the machine ends. attach, arm and quiesce go
 * down the table (so that assigned devices are quiet before the BPMP resets them), destroy goes
 * back up.
 */
#ifndef DEVICES_DEVICE_H
#define DEVICES_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct bpmp_supervisor;
struct event_loop;
struct fdt_builder;
struct guest_memory;
struct kvm_vm;
struct layout;
struct mmio_bus;

/* Why the machine ends; vmm/main.c turns it into the exit status. */
enum machine_end {
	MACHINE_POWER_OFF,
	MACHINE_RESET,	       /* guest reset with --on-reset exit */
	MACHINE_PANIC,	       /* guest panic with --on-panic exit */
	MACHINE_DEVICE_FAILED, /* a worker died, or a device cannot go on */
	MACHINE_STOPPED,       /* by signal, or from the console */
	MACHINE_ERROR,	       /* KVM or the host failed */
};

/* Whether, and why, the machine is to end; devices/machine_end.c. */
struct machine_ending {
	pthread_mutex_t lock;
	bool requested;
	enum machine_end why;
	int wake_fd; /* an eventfd that the event loop watches */
};

/* What the machine lends to its devices, from create to destroy. */
struct machine {
	struct machine_ending ending;
	struct layout *layout; /* in create() only */
	struct mmio_bus *bus;  /* in create() only: constant once vCPUs run */
	struct event_loop *loop;
	struct guest_memory *memory; /* mapped before the first attach() */
	int memory_fd;		     /* the memfd behind it, offset 0 = memory->regions[0] */
	struct kvm_vm *kvm;	     /* a VM from attach() to quiesce() */
	bool guest_ended;	     /* by itself; for quiesce() */
	bool quiesce_failed;	     /* a device's back end has not let go in time */
	bool fast_path;		     /* registers are read without exits, see register_page.h */
	/*
	 * Calls act(context) while no vCPU is in KVM_RUN or in a register access, whether or not
	 * one was before. Event-loop thread; it waits for those that are in a register access.
	 */
	void (*with_vcpus_out)(struct machine *machine, void (*act)(void *context), void *context);
	int leave_fd;	      /* eventfd: readable while vCPU threads are to leave */
	bool planning;	      /* devices claim addresses, open and start nothing */
	uint32_t gic_phandle; /* the root's interrupt-parent */
	/* While the guest's BPMP has its worker; NULL: there is none. */
	struct bpmp_supervisor *bpmp;
	uint32_t bpmp_phandle;	/* the guest's &bpmp; 0: this guest has none */
	uint32_t clock_phandle; /* a fixed clock, for devices that must name one */
};

/*
 * Asks the machine to end; from any thread, returns at once. The first call decides, but a reset or
 * a panic, which a failed device would not survive, gives way to any other. `device` and `reason`
 * go into the log: "the console failed: ...". NULL where nothing failed.
 */
void machine_end(
	struct machine *machine, enum machine_end why, const char *device, const char *reason);

/* Whether an end was asked for, and which; the request stays until machine_end_forget(). */
bool machine_end_requested(struct machine *machine, enum machine_end *why);
void machine_end_forget(struct machine *machine);

struct device;

/* All on the event-loop thread, with every vCPU out of KVM_RUN. NULL: nothing to do. */
struct device_ops {
	/* Writes the device's node (and phandles it owns) at the current depth: the root's. */
	int (*describe)(struct device *device, struct fdt_builder *fdt);
	/* A new VM is there (at start, after each guest reset): memory slots, irqfds. */
	int (*attach)(struct device *device);
	/* Last step before the first KVM_RUN of this VM: interrupts may come from now on. */
	int (*arm)(struct device *device);
	/* The guest is being reset or ended: nothing of the device may reach it or its memory
	 * afterwards; registers go back to their power-on state. */
	void (*quiesce)(struct device *device);
	/* The machine ends. quiesce() was called before. Frees the device. */
	void (*destroy)(struct device *device);
};

struct device {
	const struct device_ops *ops;
	const char *name; /* as the log calls it: "console", "3100000.serial" */
	struct machine *machine;
};

#endif
