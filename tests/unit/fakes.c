/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fakes.h"

#include "arch/aarch64/cache.h"
#include "devices/device.h"
#include "vmm/base/kvm.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Workers that are processes are threads in some tests. */
static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static char trace[16384];

void fake_trace(const char *format, ...)
{
	va_list arguments;
	size_t used;

	pthread_mutex_lock(&trace_lock);
	used = strlen(trace);
	va_start(arguments, format);
	vsnprintf(trace + used, sizeof(trace) - used, format, arguments);
	va_end(arguments);
	used = strlen(trace);
	if (used + 1 < sizeof(trace))
		strcpy(trace + used, "\n");
	pthread_mutex_unlock(&trace_lock);
}

const char *fake_trace_text(void)
{
	static _Thread_local char copy[sizeof(trace)];

	pthread_mutex_lock(&trace_lock);
	strcpy(copy, trace);
	pthread_mutex_unlock(&trace_lock);
	return copy;
}

void fake_trace_clear(void)
{
	pthread_mutex_lock(&trace_lock);
	trace[0] = '\0';
	pthread_mutex_unlock(&trace_lock);
}

struct fake_kvm_results fake_kvm_results;

int kvm_vm_map(struct kvm_vm *vm, uint64_t gpa, void *host, uint64_t size, bool read_only)
{
	int slot = 0;

	(void)host;
	if (fake_kvm_results.map < 0)
		return fake_kvm_results.map;
	while (slot < KVM_MAX_SLOTS && vm->slot_used[slot])
		slot++;
	if (slot == KVM_MAX_SLOTS)
		abort();
	vm->slot_used[slot] = true;
	fake_trace("kvm map 0x%" PRIx64 " 0x%" PRIx64 "%s", gpa, size, read_only ? " ro" : "");
	return slot;
}

void kvm_vm_unmap(struct kvm_vm *vm, int slot)
{
	vm->slot_used[slot] = false;
	fake_trace("kvm unmap slot %d", slot);
}

int kvm_vm_set_spi(struct kvm_vm *vm, uint32_t spi, bool level)
{
	(void)vm;
	fake_trace("kvm spi %" PRIu32 " %d", spi, level);
	return 0;
}

int kvm_vm_set_spi_trigger(struct kvm_vm *vm, uint32_t spi, bool level)
{
	(void)vm;
	fake_trace("kvm trigger type %" PRIu32 " %s", spi, level ? "level" : "edge");
	return fake_kvm_results.set_spi_trigger;
}

int kvm_vm_irqfd(struct kvm_vm *vm, uint32_t spi, int event_fd, int resample_fd)
{
	(void)vm;
	(void)event_fd;
	fake_trace("kvm irqfd %" PRIu32 "%s", spi, resample_fd >= 0 ? " resample" : "");
	return fake_kvm_results.irqfd;
}

int kvm_vm_irqfd_remove(struct kvm_vm *vm, uint32_t spi, int event_fd)
{
	(void)vm;
	(void)event_fd;
	fake_trace("kvm irqfd %" PRIu32 " removed", spi);
	return 0;
}

int kvm_vm_coalesce(struct kvm_vm *vm, uint64_t gpa, uint32_t size)
{
	(void)vm;
	fake_trace("kvm coalesce 0x%" PRIx64 " 0x%" PRIx32, gpa, size);
	return fake_kvm_results.coalesce;
}

int kvm_vm_ioeventfd(
	struct kvm_vm *vm, uint64_t gpa, unsigned int width, const uint64_t *match, int event_fd)
{
	(void)vm, (void)event_fd;
	if (match != NULL)
		fake_trace("kvm ioeventfd 0x%" PRIx64 " %u == %" PRIu64, gpa, width, *match);
	else
		fake_trace("kvm ioeventfd 0x%" PRIx64 " %u", gpa, width);
	return fake_kvm_results.ioeventfd;
}

fake_cache_fn *fake_cache;

void cache_clean(const volatile void *at, size_t size)
{
	if (fake_cache != NULL)
		fake_cache((uintptr_t)at, size, false);
}

void cache_clean_invalidate(const volatile void *at, size_t size)
{
	if (fake_cache != NULL)
		fake_cache((uintptr_t)at, size, true);
}

void machine_end(
	struct machine *machine, enum machine_end why, const char *device, const char *reason)
{
	(void)machine;
	fake_trace("machine ends %d: %s: %s", (int)why, device == NULL ? "-" : device,
		reason == NULL ? "-" : reason);
}

static int log_fd = -1;

void fake_log_capture(void)
{
	log_fd = memfd_create("log", MFD_CLOEXEC);
	if (log_fd < 0 || dup2(log_fd, STDERR_FILENO) < 0)
		abort();
}

const char *fake_log_text(void)
{
	static char text[65536];
	ssize_t length = pread(log_fd, text, sizeof(text) - 1, 0);

	text[length < 0 ? 0 : length] = '\0';
	return text;
}
