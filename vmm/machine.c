/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine.h"

#include "devices/bpmp/ids.h"
#include "seccomp/jail.h"
#include "vmm/base/clock.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"
#include "vmm/boot.h"
#include "vmm/cpu_affinity.h"
#include "vmm/device_table.h"
#include "vmm/kvm_host.h"
#include "vmm/shutdown.h"
#include "vmm/status.h"
#include "vmm/tree.h"
#include "vmm/vcpu.h"
#include "vmm/vcpu_features.h"
#include "vmm/vm.h"
#include "vmm/vm_control.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void on_wake(struct event_source *source)
{
	event_take(source->fd);
}

static void on_signal(struct event_source *source)
{
	struct vm *vm = container_of(source, struct vm, signals);
	struct signalfd_siginfo info;

	if (read(source->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	shutdown_on_signal(vm, (int)info.ssi_signo);
}

/* Before any thread and any worker: both inherit the mask (workers clear it). */
static int open_events(struct vm *vm)
{
	static const int stopping[] = { SIGTERM, SIGINT, SIGHUP };
	sigset_t signals;
	int error;

	sigemptyset(&signals);
	for (size_t i = 0; i < ARRAY_SIZE(stopping); i++) {
		struct sigaction now;

		/* One that came ignored stays so: nohup, and the background of a script. */
		if (sigaction(stopping[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&signals, stopping[i]);
	}
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);

	vm->signals = (struct event_source){ signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK),
		on_signal };
	vm->wake = (struct event_source){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), on_wake };
	vm->machine.ending.wake_fd = vm->wake.fd;
	vm->machine.leave_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	error = event_loop_open(&vm->loop);
	if (!error && (vm->signals.fd < 0 || vm->wake.fd < 0 || vm->machine.leave_fd < 0))
		error = -errno;
	if (!error)
		error = event_loop_add(&vm->loop, &vm->signals);
	if (!error)
		error = event_loop_add(&vm->loop, &vm->wake);
	if (!error)
		error = shutdown_open(vm);
	if (error)
		log_error("cannot set up the event loop: %s", strerror(-error));
	return error;
}

static int choose_gic(struct vm *vm)
{
	static const enum gic_version wanted[] = { GIC_NONE, GIC_V3, GIC_V2 };
	int error = kvm_host_create_vm(&vm->kvm, kvm_host_ipa_bits(&vm->kvm));

	if (!error)
		error = gic_choose(&vm->gic, &vm->kvm, wanted[vm->options->irqchip]);
	kvm_host_close_vm(&vm->kvm);
	return error;
}

static void init(struct vm *vm, const struct options *options)
{
	vm->options = options;
	vm->kvm.kvm_fd = vm->kvm.fd = vm->kvm.vgic_fd = vm->memory_fd = -1;
	vm->boot.kernel_fd = vm->boot.initrd_fd = -1;
	vm->signals.fd = vm->wake.fd = vm->loop.epoll_fd = -1;
	vm->control.listener.fd = vm->notify.fd = -1;
	vm->shutdown.timer.fd = -1;
	vm->vcpu_count = (uint32_t)options->cpus.count;
	vm->gic.cpus = vm->vcpu_count;
	for (uint32_t i = 0; i < vm->vcpu_count; i++) {
		vm->vcpus[i].vm = vm;
		vm->vcpus[i].index = i;
		vm->vcpus[i].fd = -1;
	}
	pthread_mutex_init(&vm->gate.lock, NULL);
	pthread_cond_init(&vm->gate.changed, NULL);
	coalesced_init(&vm->coalesced);
	vm->machine = (struct machine){
		.layout = &vm->layout,
		.bus = &vm->bus,
		.loop = &vm->loop,
		.memory = &vm->memory,
		.memory_fd = -1,
		.kvm = &vm->kvm,
		.with_vcpus_out = vcpus_stay_out,
		.leave_fd = -1,
	};
	pthread_mutex_init(&vm->machine.ending.lock, NULL);
	layout_init(&vm->layout);
	if (options->platform.size) {
		vm->layout.platform_base = options->platform.base;
		vm->layout.platform_size = options->platform.size;
	}
	vm->layout.platform_first_spi = (uint32_t)options->platform.first_spi;
}

/* The VGIC takes a multiple of 32 interrupts, at least 64 (arm-vgic.rst). */
static uint32_t count_interrupts(const struct layout *layout)
{
	uint32_t highest = 31;

	for (uint32_t spi = 0; spi < LAYOUT_MAX_SPI; spi++)
		if (layout->spi_used[spi])
			highest = spi;
	return (32 + highest + 1 + 31) / 32 * 32;
}

static uint32_t address_bits(const struct layout *layout)
{
	const struct layout_range *top = &layout->ranges[layout->count - 1];
	uint64_t last = top->base + (top->size - 1);
	uint32_t bits = 32; /* the least that KVM takes */

	while (bits < 64 && last >> bits)
		bits++;
	return bits;
}

/* How wide KVM has to make the VM, which is known when all is claimed. */
static int take_widths(struct vm *vm)
{
	uint32_t bits = kvm_host_ipa_bits(&vm->kvm);

	vm->gic.interrupts = count_interrupts(&vm->layout);
	if (address_bits(&vm->layout) <= bits)
		return 0;
	log_error("%s lies beyond the %u address bits that this host gives a guest; lower "
		  "--passthrough address= or --platform base=",
		vm->layout.ranges[vm->layout.count - 1].name, bits);
	return -EINVAL;
}

static int claim_addresses(struct vm *vm)
{
	int error = gic_claim(&vm->gic, &vm->layout);

	return error ? error
		     : layout_claim(&vm->layout, "RAM (--memory)", vm->options->memory.base,
			       vm->options->memory.size);
}

/* Of the host's, which may be over at the next try; other errors are those of the file. */
static bool is_shortage(int error)
{
	return error == -ENOMEM || error == -EIO || error == -EAGAIN || error == -EMFILE ||
		error == -ENFILE;
}

/* Everything that exists once for all boots of this VM. */
static enum exit_status create(struct vm *vm)
{
	int error = boot_open_kernel(vm);

	if (!error)
		error = boot_open_initrd(vm);
	if (error)
		return is_shortage(error) ? EXIT_HOST : EXIT_USAGE;
	if (vm_control_open(vm))
		return EXIT_HOST;
	if (vm->options->notify == NOTIFY_STARTED &&
		notify_open(&vm->notify, getenv("NOTIFY_SOCKET")))
		return EXIT_HOST;
	if (cpu_affinity_check(vm->options->cpus.affinity, vm->options->cpus.affinity_count))
		return EXIT_HOST;
	if (kvm_host_open(&vm->kvm, &vm->run_size) || choose_gic(vm))
		return EXIT_HOST;
	vm->machine.fast_path = vm->options->fast_path && kvm_host_has_fast_path(&vm->kvm);
	error = claim_addresses(vm);
	if (!error)
		error = boot_create_memory(vm);
	vm->machine.memory_fd = vm->memory_fd;
	if (!error)
		error = devices_create(vm);
	if (error == -EINVAL || error == -EEXIST || error == -ENOSPC || error == -ERANGE)
		return EXIT_USAGE;
	if (error)
		return EXIT_HOST;
	if (take_widths(vm))
		return EXIT_USAGE;
	error = tree_build(vm);
	if (error)
		return error == -ERANGE ? EXIT_USAGE : EXIT_OTHER;
	return tree_dump(vm) ? EXIT_USAGE : EXIT_POWERED_OFF;
}

/* What KVM makes of the VM, without memory and devices. */
static int create_hardware(struct vm *vm)
{
	int error = kvm_host_create_vm(&vm->kvm, address_bits(&vm->layout));

	if (!error)
		error = vcpus_create(vm);
	if (!error)
		error = gic_create(&vm->gic, &vm->kvm);
	return error ? error : vcpus_start_counters(vm);
}

/* A new KVM VM around the RAM, kernel, workers and devices that are kept. */
static int power_on(struct vm *vm)
{
	const struct guest_memory_region *ram = &vm->memory.regions[0];
	int error = create_hardware(vm);

	if (!error) {
		error = kvm_vm_map(&vm->kvm, ram->gpa, ram->host, ram->size, false);
		error = error < 0 ? error : 0;
	}
	if (!error)
		error = boot_load(vm);
	if (!error)
		error = vcpus_set_boot_registers(vm);
	if (!error)
		error = devices_attach(vm);
	return error;
}

/* No vCPU runs any more: takes back what reaches into the guest, then the VM itself. */
static void power_off(struct vm *vm)
{
	enum machine_end why;

	vcpus_pause(vm);
	vm->machine.guest_ended = machine_end_requested(&vm->machine, &why) &&
		(why == MACHINE_RESET || why == MACHINE_PANIC || why == MACHINE_POWER_OFF);
	machine_end_forget(&vm->machine); /* what happens from here on counts anew */
	devices_quiesce(vm);
	vcpus_close(vm);
	kvm_host_close_vm(&vm->kvm);
}

static int lock_in(struct vm *vm)
{
	const struct options *options = vm->options;
	struct jail_files files = { .removable = { options->control } };
	int error;

	if (!vm->options->sandbox) {
		log_warning("--sandbox off: the machine and its workers run WITHOUT a jail");
		return vcpus_start_threads(vm);
	}
	if (options->console.kind == CONSOLE_UNIX)
		files.removable[1] = options->console.path;
	if (options->serial.kind == CONSOLE_UNIX)
		files.removable[2] = options->serial.path;
	error = jail_lock_machine(&files);
	if (!error)
		error = vcpus_start_threads(vm);
	if (!error)
		error = jail_filter_thread(JAIL_EVENT_LOOP);
	return error;
}

static int start(struct vm *vm)
{
	int error = devices_arm(vm);

	/* A VM that was paused stays so, whatever its guest did before. */
	if (!error && !vm->paused)
		vcpus_run(vm);
	if (!error)
		notify_send(&vm->notify,
			vm->paused ? "STATUS=the guest is paused"
				   : "READY=1\nSTATUS=the guest runs");
	return error;
}

/* Whether the guest goes on after this end, by --on-reset and --on-panic. */
static bool restarts(const struct vm *vm, enum machine_end why)
{
	if (vm->shutdown.asked)
		return false; /* its answer to the power key is an end, whichever it is */
	if (why == MACHINE_RESET)
		return vm->options->on_reset == ON_EVENT_RESTART;
	if (why == MACHINE_PANIC)
		return vm->options->on_panic == ON_EVENT_RESTART;
	return false;
}

/* A signal that came while the VM was made: its guest has not begun, and need not end. */
static bool stopped_before_start(struct vm *vm)
{
	struct signalfd_siginfo info;

	return read(vm->signals.fd, &info, sizeof(info)) == (ssize_t)sizeof(info);
}

/* A device that failed while the VM was started has said so itself. */
static enum machine_end why_not_started(struct vm *vm)
{
	enum machine_end why;

	return machine_end_requested(&vm->machine, &why) ? why : MACHINE_ERROR;
}

/* Serves events until the guest has ended for good. */
static enum machine_end run(struct vm *vm)
{
	enum machine_end why;

	for (;;) {
		if (event_loop_run_once(&vm->loop, -1)) {
			log_error("the event loop failed");
			return MACHINE_ERROR;
		}
		if (!machine_end_requested(&vm->machine, &why))
			continue;
		/* A vCPU on its way out may still find that a device failed. */
		vcpus_pause(vm);
		machine_end_requested(&vm->machine, &why);
		if (!restarts(vm, why))
			return vm->shutdown.asked && why == MACHINE_RESET ? MACHINE_STOPPED : why;
		log_info("the guest %s; restarting it",
			why == MACHINE_PANIC ? "panicked" : "asked for a reset");
		power_off(vm);
		if (machine_end_requested(&vm->machine, &why))
			return why;
		vm->restarts++;
		if (power_on(vm) || start(vm))
			return why_not_started(vm);
	}
}

static void destroy(struct vm *vm)
{
	devices_destroy(vm);
	boot_close(vm);
	notify_close(&vm->notify);
	guest_memory_unmap(&vm->memory);
	free(vm->boot.tree);
	close_fd(&vm->memory_fd);
	close_fd(&vm->kvm.kvm_fd);
	/* A client that said stop sees its connection end when devices and memory are free. */
	control_close(&vm->control);
	close_fd(&vm->signals.fd);
	close_fd(&vm->wake.fd);
	close_fd(&vm->machine.leave_fd);
	close_fd(&vm->shutdown.timer.fd);
	event_loop_close(&vm->loop);
}

static enum exit_status status_of(enum machine_end why)
{
	static const struct {
		enum exit_status status;
		const char *text;
	} ends[] = {
		[MACHINE_POWER_OFF] = { EXIT_POWERED_OFF, "the guest powered off" },
		[MACHINE_RESET] = { EXIT_RESET, "the guest asked for a reset" },
		[MACHINE_PANIC] = { EXIT_PANIC, "the guest panicked" },
		[MACHINE_DEVICE_FAILED] = { EXIT_DEVICE, "ended because a device failed" },
		[MACHINE_STOPPED] = { EXIT_STOPPED, "the VM was stopped" },
		[MACHINE_ERROR] = { EXIT_OTHER, "ended because of an error" },
	};

	log_info("%s", ends[why].text);
	return ends[why].status;
}

int machine_plan(const struct options *options, struct vm **planned, bool *guessed)
{
	static const enum gic_version wanted[] = { GIC_V3, GIC_V3, GIC_V2 };
	struct vm *vm = calloc(1, sizeof(*vm));
	int error;

	*planned = vm;
	if (!vm)
		return -ENOMEM;
	init(vm, options);
	vm->machine.planning = true;
	vm->planned_ids = calloc(MAX_PASSTHROUGH, sizeof(*vm->planned_ids));
	if (!vm->planned_ids)
		return -ENOMEM;
	*guessed = access("/dev/kvm", R_OK | W_OK) != 0 ||
		kvm_host_open(&vm->kvm, &vm->run_size) != 0 || choose_gic(vm) != 0;
	if (*guessed)
		vm->gic.version = wanted[options->irqchip];
	error = event_loop_open(&vm->loop); /* which no device uses before it is started */
	if (!error)
		error = claim_addresses(vm);
	return error ? error : devices_create(vm);
}

int machine_try(struct vm *vm)
{
	int error = take_widths(vm);

	if (!error)
		error = create_hardware(vm);
	vcpus_close(vm);
	kvm_host_close_vm(&vm->kvm);
	return error;
}

void machine_plan_free(struct vm *vm)
{
	if (!vm)
		return;
	devices_destroy(vm);
	boot_close(vm);
	guest_memory_unmap(&vm->memory);
	free(vm->planned_ids);
	event_loop_close(&vm->loop);
	close_fd(&vm->memory_fd);
	close_fd(&vm->kvm.kvm_fd);
	free(vm);
}

enum exit_status machine_run(const struct options *options)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	enum exit_status status = EXIT_OTHER;
	enum machine_end late;

	if (!vm)
		return EXIT_OTHER;
	init(vm, options);
	if (open_events(vm))
		goto out;
	status = create(vm);
	if (status != EXIT_POWERED_OFF)
		goto out;

	if (power_on(vm) || lock_in(vm)) {
		status = EXIT_HOST;
	} else if (stopped_before_start(vm)) {
		status = status_of(MACHINE_STOPPED);
	} else {
		vm->started_ms = clock_ms();
		status = status_of(start(vm) == 0 ? run(vm) : why_not_started(vm));
	}
	notify_send(&vm->notify, "STOPPING=1\nSTATUS=the guest has ended");
	power_off(vm);
	vcpus_join(vm);
	/* A BPMP that cannot put back what the guest changed, for one. */
	if (status == EXIT_POWERED_OFF && machine_end_requested(&vm->machine, &late))
		status = status_of(late);
out:
	destroy(vm);
	free(vm);
	return status;
}
