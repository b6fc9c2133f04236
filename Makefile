# SPDX-License-Identifier: Apache-2.0
#
#   make              build/aarch64/bpmp-vmm, cross-compiled where this machine is not arm64
#   make unit         unit tests, native, under the address and undefined behaviour sanitizers;
#                     with SANITIZE=thread under the thread sanitizer
#   make lint         clang-format, clang-tidy, cppcheck
#   make fuzz         each fuzzer for FUZZ_SECONDS
#   make rig          the scenarios, on emulated boards with real KVM and VFIO
#   make bench        what a boot, a request, an interrupt and a process cost
#   make check        all of these, and a count
#   make check-long   what takes longer: long fuzzing, many restarts, the thread sanitizer
#   make demo         a guest talks through the UART that it was given
#   make install      with DESTDIR and PREFIX; with systemd's unit and udev's rules

VERSION := 0.1.0
.DEFAULT_GOAL := all
BUILD ?= build
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 10

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wcast-qual -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Werror
CFLAGS ?= -O2 -g
# make V=1 shows the commands.
Q := $(if $(V),,@)
say = @$(if $(V),:,printf '  %-6s %s\n' $(1) $@)
COMMON := -std=gnu11 -D_GNU_SOURCE -DBPMP_VMM_VERSION='"$(VERSION)"' -I. -pthread $(WARNINGS)
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -mbranch-protection=standard
PORTABLE_LIBS := -lfdt -lseccomp -ljson-c -lz -lzstd
LIBS := $(PORTABLE_LIBS) -lcap-ng

sources := $(sort $(wildcard vmm/*.c vmm/base/*.c devices/*.c devices/*/*.c arch/aarch64/*.c \
	fdt/*.c seccomp/*.c))

# The same sources are compiled again in every new checkout; ccache, where it is installed, remembers.
cache := $(shell command -v ccache)

# --- the program, for arm64 -------------------------------------------------------------------

arm := $(BUILD)/aarch64
program := $(arm)/bpmp-vmm
objects := $(sources:%.c=$(arm)/%.o)

ifeq ($(shell uname -m),aarch64)
ARM_CC ?= $(CC)
else
ARM_CC ?= aarch64-linux-gnu-gcc
cross := yes
$(arm)/%: private sysroot_cflags = -isystem $(arm)/sysroot/usr/include
$(arm)/%: private sysroot_ldflags = -L$(arm)/sysroot/usr/lib/aarch64-linux-gnu \
	-L$(arm)/sysroot/lib/aarch64-linux-gnu \
	-Wl,-rpath-link,$(arm)/sysroot/lib/aarch64-linux-gnu
$(objects): | $(arm)/sysroot.stamp
endif

all: $(program)

# A link to the cached libraries, made anew when the list of packages changes.
$(arm)/sysroot.stamp: tests/rig/sysroot tests/rig/install
	@mkdir -p $(@D)
	$(Q)tests/rig/install build
	$(Q)ln -sfn "$$(tests/rig/sysroot)" $(arm)/sysroot
	$(Q)touch $@

$(arm)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(cache) $(ARM_CC) $(COMMON) $(HARDENING) $(sysroot_cflags) $(CFLAGS) -MMD -MP -c $< -o $@

$(program): $(objects)
	$(call say,LD)
	$(Q)$(ARM_CC) -pie -pthread -Wl,-z,relro,-z,now $(CFLAGS) $(LDFLAGS) $(objects) \
		$(sysroot_ldflags) $(LIBS) -o $@

# --- unit tests and fuzzers, native --------------------------------------------------------------

# Everything but KVM's arm64 ioctls and what stands on them.
arm_only := arch/aarch64/gic.c arch/aarch64/cache.c seccomp/filter.c seccomp/jail.c \
	seccomp/rules.c vmm/base/kvm.c vmm/kvm_host.c vmm/vcpu.c vmm/machine.c vmm/main.c vmm/boot.c \
	vmm/tree.c vmm/device_table.c vmm/vm_control.c vmm/layout_main.c vmm/check_main.c \
	vmm/vcpu_features.c vmm/steal_time.c
portable := $(filter-out $(arm_only),$(sources))
sanitize := -fsanitize=address,undefined -fno-sanitize-recover=undefined
native := $(BUILD)/native
ifeq ($(SANITIZE),thread)
# It does not know fences. Those here are between atomic accesses, which it takes for no race.
sanitize := -fsanitize=thread -Wno-tsan
native := $(BUILD)/native-thread
else ifneq ($(SANITIZE),)
$(error SANITIZE is thread or nothing)
endif
native_objects := $(portable:%.c=$(native)/%.o)
unit_sources := $(sort $(wildcard tests/unit/*.c) tests/replay/audit_replay.c)
unit_objects := $(unit_sources:%.c=$(native)/%.o)

$(native)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(cache) $(CC) $(COMMON) $(CFLAGS) $(sanitize) -MMD -MP -c $< -o $@

# Tests stand in for some functions of the machine; the archive gives way to them.
$(native)/libvmm.a: $(native_objects)
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^

$(native)/unit: $(unit_objects) $(native)/libvmm.a
	$(call say,LD)
	$(Q)$(CC) $(sanitize) -pthread $(unit_objects) $(native)/libvmm.a -lcriterion $(PORTABLE_LIBS) -o $@

$(native)/audit-replay: $(native)/tests/replay/main.o $(native)/tests/replay/audit_replay.o \
		$(native)/libvmm.a
	$(call say,LD)
	$(Q)$(CC) $(sanitize) -pthread $^ $(PORTABLE_LIBS) -o $@

# Tests hide standard error; a process with threads forks in some.
tsan_options := suppressions=tests/unit/tsan.suppressions:halt_on_error=1:die_after_fork=0:log_path=stdout

unit: $(native)/unit
	ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
	TSAN_OPTIONS=$(tsan_options) \
	LSAN_OPTIONS=suppressions=tests/unit/lsan.suppressions:print_suppressions=0 $(native)/unit $(UNIT_FLAGS)

fuzz_build := $(BUILD)/fuzz
fuzz_sources := $(sort $(wildcard tests/fuzz/fuzz_*.c))
fuzzers := $(fuzz_sources:tests/fuzz/%.c=$(fuzz_build)/%)
fuzz_objects := $(portable:%.c=$(fuzz_build)/%.o) $(fuzz_build)/tests/unit/fakes.o
FUZZ_CC ?= clang

$(fuzz_build)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(cache) $(FUZZ_CC) $(COMMON) -O1 -g -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c $< -o $@

$(fuzz_build)/libvmm.a: $(fuzz_objects)
	@rm -f $@
	$(call say,AR)
	$(Q)ar rcs $@ $^

$(fuzzers): $(fuzz_build)/%: $(fuzz_build)/tests/fuzz/%.o $(fuzz_build)/libvmm.a
	$(call say,LD)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -pthread $^ $(PORTABLE_LIBS) -o $@

fuzz: $(fuzzers)
	@tests/fuzz/run $(FUZZ_SECONDS) $(fuzzers)

# --- lint ----------------------------------------------------------------------------------------

c_files := $(sort $(wildcard vmm/*.[ch] vmm/base/*.[ch] devices/*.[ch] devices/*/*.[ch] \
	arch/aarch64/*.[ch] fdt/*.[ch] seccomp/*.[ch] tests/unit/*.[ch] tests/fuzz/*.[ch] tests/replay/*.[ch]))

lint: $(if $(cross),$(arm)/sysroot.stamp)
	@tests/lint $(BUILD) $(c_files)

# --- the whole -------------------------------------------------------------------------------------

rig: $(program)
	tests/rig/run

bench: $(program)
	@tests/bench/run
	@tests/bench/requests
	@tests/bench/beside_qemu

check:
	@tests/check

check-long:
	@tests/check --long

demo:
	@tests/rig/install
	@$(MAKE) --no-print-directory $(program)
	@tests/rig/demo

install: $(program)
	install -D -m 755 $(program) $(DESTDIR)$(PREFIX)/bin/bpmp-vmm
	install -D -m 755 packaging/vfio-bind $(DESTDIR)$(PREFIX)/libexec/bpmp-vmm/vfio-bind
	install -D -m 644 docs/bpmp-vmm.1 $(DESTDIR)$(PREFIX)/share/man/man1/bpmp-vmm.1
	install -D -m 644 packaging/udev/60-bpmp-vmm.rules \
		$(DESTDIR)$(PREFIX)/lib/udev/rules.d/60-bpmp-vmm.rules
	sed 's|/usr/\(bin\|libexec\)/|$(PREFIX)/\1/|' packaging/systemd/bpmp-vmm@.service | \
		install -D -m 644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/bpmp-vmm@.service

clean:
	rm -rf $(BUILD)

.PHONY: all unit fuzz lint rig bench check check-long demo install clean
.DELETE_ON_ERROR:
.SECONDARY:

-include $(objects:.o=.d) $(native_objects:.o=.d) $(unit_objects:.o=.d) $(fuzz_objects:.o=.d)
