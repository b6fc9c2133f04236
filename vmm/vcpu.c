/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/vcpu.h"

#include "seccomp/jail.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/cpu_affinity.h"
#include "vmm/vcpu_features.h"
#include "vmm/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Brings a vCPU thread out of KVM_RUN; its handler does nothing. */
#define KICK_SIGNAL SIGUSR1

/* KVM_SET_ONE_REG ids of core registers (Documentation/virt/kvm/api.rst, 4.68). */
#define CORE_REGISTER(member)                                                                      \
	(KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | KVM_REG_ARM_CORE_REG(member))

static int create(struct vm *vm, struct vcpu *vcpu, const struct kvm_vcpu_init *target)
{
	struct kvm_vcpu_init init = *target;

	vcpu->fd = ioctl(vm->kvm.fd, KVM_CREATE_VCPU, (unsigned long)vcpu->index);
	if (vcpu->fd < 0)
		return -errno;
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		vcpu->run = NULL;
		return -errno;
	}
	if (vcpu->index > 0)
		init.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF; /* until PSCI CPU_ON */
	if (ioctl(vcpu->fd, KVM_ARM_VCPU_INIT, &init) < 0)
		return -errno;
	return vcpu_features_finalize(vcpu->fd, &init);
}

int vcpus_create(struct vm *vm)
{
	int most = ioctl(vm->kvm.kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS), error;
	struct kvm_vcpu_init target = { 0 };

	if (most > 0 && vm->vcpu_count > (uint32_t)most) {
		log_error("--cpus: this host's KVM gives a guest at most %d", most);
		return -ENODEV;
	}
	if (ioctl(vm->kvm.fd, KVM_ARM_PREFERRED_TARGET, &target) < 0) {
		error = -errno;
		log_error("KVM names no CPU for a guest: %s", strerror(-error));
		return error;
	}
	target.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2;
	error = vcpu_features_choose(vm, &target);
	if (error)
		return error;
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		error = create(vm, &vm->vcpus[i], &target);
		if (error) {
			log_error("--cpus: KVM cannot create vCPU %u: %s", i, strerror(-error));
			return error;
		}
	}
	if (ioctl(vm->kvm.kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO) > 0)
		coalesced_attach(&vm->coalesced, vm->vcpus[0].run, vm->run_size);
	vm->kvm.coalesces = vm->coalesced.ring != NULL;
	return 0;
}

void vcpus_close(struct vm *vm)
{
	coalesced_detach(&vm->coalesced);
	vm->kvm.coalesces = false;
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *vcpu = &vm->vcpus[i];

		if (vcpu->run)
			munmap(vcpu->run, vm->run_size);
		vcpu->run = NULL;
		close_fd(&vcpu->fd);
	}
}

static int set_register(const struct vcpu *vcpu, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return ioctl(vcpu->fd, KVM_SET_ONE_REG, &reg) < 0 ? -errno : 0;
}

int vcpus_set_boot_registers(struct vm *vm)
{
	const struct vcpu *first = &vm->vcpus[0];
	int error;

	/* x1 to x3 are zero after KVM_ARM_VCPU_INIT, and PSTATE is EL1h with interrupts off. */
	error = set_register(first, CORE_REGISTER(regs.regs[0]), vm->boot.layout.tree);
	if (!error)
		error = set_register(first, CORE_REGISTER(regs.pc), vm->boot.layout.kernel);
	if (error)
		log_error("KVM refuses the boot registers: %s", strerror(-error));
	return error;
}

/* The guest gets an external abort where it made an access that nobody can carry out. */
static int inject_abort(struct vcpu *vcpu)
{
	struct kvm_vcpu_events events = { .exception.ext_dabt_pending = 1 };
	unsigned long before = atomic_fetch_add(&vcpu->vm->undecodable, 1);

	if (before == 0)
		log_warning("the guest made an access that cannot be decoded, at 0x%" PRIx64
			    "; it gets an external abort, and so do later ones",
			(uint64_t)vcpu->run->arm_nisv.fault_ipa);
	return ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events) < 0 ? -errno : 0;
}

static void system_event(struct vcpu *vcpu)
{
	struct machine *machine = &vcpu->vm->machine;

	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		machine_end(machine, MACHINE_POWER_OFF, NULL, NULL);
		return;
	case KVM_SYSTEM_EVENT_RESET:
		machine_end(machine, MACHINE_RESET, NULL, NULL);
		return;
	case KVM_SYSTEM_EVENT_CRASH:
		machine_end(machine, MACHINE_PANIC, NULL, NULL);
		return;
	default:
		machine_end(machine, MACHINE_ERROR, "KVM", "unknown system event");
	}
}

static void stop_on(struct vcpu *vcpu, const char *what, uint64_t detail)
{
	char reason[128];

	snprintf(reason, sizeof(reason), "vCPU %u: %s 0x%" PRIx64, vcpu->index, what, detail);
	machine_end(&vcpu->vm->machine, MACHINE_ERROR, "KVM", reason);
}

/* Serves one exit; false when this vCPU has nothing to run until the machine decides. */
static bool serve_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_MMIO:
		if (!mmio_bus_access(&vcpu->vm->bus, run->mmio.phys_addr, run->mmio.data,
			    run->mmio.len, run->mmio.is_write))
			log_debug("vCPU %u: nothing answers a %s of %u bytes at 0x%" PRIx64,
				vcpu->index, run->mmio.is_write ? "write" : "read", run->mmio.len,
				(uint64_t)run->mmio.phys_addr);
		return true;
	case KVM_EXIT_ARM_NISV:
		if (inject_abort(vcpu) == 0)
			return true;
		stop_on(vcpu, "no abort can be injected, access at", run->arm_nisv.fault_ipa);
		return false;
	case KVM_EXIT_SYSTEM_EVENT:
		system_event(vcpu);
		return false;
	case KVM_EXIT_INTR:
		return true;
	case KVM_EXIT_FAIL_ENTRY:
		stop_on(vcpu, "entry failed, reason",
			run->fail_entry.hardware_entry_failure_reason);
		return false;
	default:
		stop_on(vcpu, "unknown exit", run->exit_reason);
		return false;
	}
}

/* Runs the guest until the gate closes or this vCPU has an end to report. */
static void run_guest(struct vcpu *vcpu)
{
	struct vcpu_gate *gate = &vcpu->vm->gate;

	while (atomic_load(&gate->open)) {
		int left = ioctl(vcpu->fd, KVM_RUN, 0), error = errno;

		/* First of all: what this exit is about may rest on a store before it. */
		coalesced_drain(&vcpu->vm->coalesced, &vcpu->vm->bus);
		if (left < 0) {
			errno = error;
			if (errno == EINTR || errno == EAGAIN)
				continue;
			stop_on(vcpu, "KVM_RUN failed, errno", (uint64_t)errno);
			return;
		}
		if (!serve_exit(vcpu))
			return;
	}
}

/*
 * Waits until the gate opens anew: `ran` is the opening that this thread ran in last, 0 before the
 * first. False: the machine ends.
 */
static bool pass_gate(struct vcpu_gate *gate, uint64_t *ran)
{
	bool go;

	pthread_mutex_lock(&gate->lock);
	if (*ran) {
		gate->inside--;
		pthread_cond_broadcast(&gate->changed);
	}
	while (!gate->quit && !(atomic_load(&gate->open) && gate->openings != *ran))
		pthread_cond_wait(&gate->changed, &gate->lock);
	*ran = gate->openings;
	go = !gate->quit;
	if (go)
		gate->inside++;
	pthread_mutex_unlock(&gate->lock);
	return go;
}

static void *vcpu_main(void *argument)
{
	struct vcpu *vcpu = argument;
	struct vcpu_gate *gate = &vcpu->vm->gate;
	int error = vcpu->vm->options->sandbox ? jail_filter_thread(JAIL_VCPU) : 0;
	uint64_t ran = 0;

	pthread_mutex_lock(&gate->lock);
	gate->threads++;
	gate->failed |= error != 0;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);

	while (pass_gate(gate, &ran))
		run_guest(vcpu);
	return NULL;
}

static void ignore_kick(int signal_number)
{
	(void)signal_number;
}

static int start_thread(struct vcpu *vcpu)
{
	const struct options *options = vcpu->vm->options;
	pthread_attr_t attributes;
	int error = -pthread_attr_init(&attributes);

	if (error)
		return error;
	if (options->cpus.affinity_count)
		error = cpu_affinity_set(&attributes, options->cpus.affinity[vcpu->index]);
	if (!error)
		error = -pthread_create(&vcpu->thread, &attributes, vcpu_main, vcpu);
	pthread_attr_destroy(&attributes);
	return error;
}

int vcpus_start_threads(struct vm *vm)
{
	struct sigaction kick = { .sa_handler = ignore_kick }; /* no SA_RESTART */
	sigset_t kicks;
	struct vcpu_gate *gate = &vm->gate;
	uint32_t started;
	bool failed;
	int error = 0;

	sigaction(KICK_SIGNAL, &kick, NULL);
	/* Whoever started this program may have had it blocked; threads inherit the mask. */
	sigemptyset(&kicks);
	sigaddset(&kicks, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &kicks, NULL);
	for (started = 0; started < vm->vcpu_count && !error; started++) {
		error = start_thread(&vm->vcpus[started]);
		if (error) {
			log_error("--cpus: cannot start a thread: %s", strerror(-error));
			break;
		}
	}
	pthread_mutex_lock(&gate->lock);
	while (gate->threads < started)
		pthread_cond_wait(&gate->changed, &gate->lock);
	failed = gate->failed;
	pthread_mutex_unlock(&gate->lock);
	return error ? error : failed ? -EPERM : 0;
}

/* A register access that waits for a worker does so no longer than it must. */
static void ask_to_leave(struct vm *vm, bool leave)
{
	if (leave)
		event_signal(vm->machine.leave_fd);
	else
		event_take(vm->machine.leave_fd);
}

void vcpus_run(struct vm *vm)
{
	struct vcpu_gate *gate = &vm->gate;

	pthread_mutex_lock(&gate->lock);
	ask_to_leave(vm, false);
	for (uint32_t i = 0; i < vm->vcpu_count; i++)
		vm->vcpus[i].run->immediate_exit = 0;
	gate->openings++;
	atomic_store(&gate->open, true);
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}

bool vcpus_pause(struct vm *vm)
{
	struct vcpu_gate *gate = &vm->gate;

	pthread_mutex_lock(&gate->lock);
	if (!atomic_load(&gate->open)) {
		pthread_mutex_unlock(&gate->lock);
		return false;
	}
	atomic_store(&gate->open, false);
	ask_to_leave(vm, true);
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);

	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		/* A thread that is about to call KVM_RUN returns at once; one inside is kicked. */
		__atomic_store_n(&vm->vcpus[i].run->immediate_exit, 1, __ATOMIC_SEQ_CST);
		pthread_kill(vm->vcpus[i].thread, KICK_SIGNAL);
	}

	pthread_mutex_lock(&gate->lock);
	while (gate->inside > 0)
		pthread_cond_wait(&gate->changed, &gate->lock);
	pthread_mutex_unlock(&gate->lock);
	return true;
}

void vcpus_stay_out(struct machine *machine, void (*act)(void *context), void *context)
{
	struct vm *vm = container_of(machine, struct vm, machine);
	bool ran = vcpus_pause(vm);
	enum machine_end why;

	act(context);
	/* A vCPU that came out with the guest's end is not to go back into it. */
	if (ran && !machine_end_requested(machine, &why))
		vcpus_run(vm);
}

void vcpus_join(struct vm *vm)
{
	struct vcpu_gate *gate = &vm->gate;
	uint32_t threads;

	pthread_mutex_lock(&gate->lock);
	gate->quit = true;
	threads = gate->threads;
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
	for (uint32_t i = 0; i < threads; i++)
		pthread_join(vm->vcpus[i].thread, NULL);
}
