/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, parsed. docs/bpmp-vmm.1 describes each option. */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include "arch/aarch64/gic.h"
#include "devices/bpmp/bpmp.h"
#include "devices/vfio/vfio.h"
#include "devices/virtio/block.h"
#include "devices/virtio/console.h"
#include "devices/virtio/fs.h"
#include "devices/virtio/net.h"
#include "vmm/value.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_PASSTHROUGH		 16
#define MAX_CPUS		 GIC_V3_MAX_CPUS
#define MAX_GRACE		 86400 /* seconds */
#define MAX_DISKS		 16
#define MAX_NETS		 8
#define MAX_FS			 8

/* Bytes with the final zero: COMMAND_LINE_SIZE, arch/arm64/include/uapi/asm/setup.h. */
#define KERNEL_COMMAND_LINE_SIZE 2048

enum restart_policy { ON_EVENT_RESTART, ON_EVENT_EXIT };
enum bpmp_mode { BPMP_AUTO, BPMP_MAILBOX, BPMP_PROXY, BPMP_OFF };
enum notify_when { NOTIFY_OFF, NOTIFY_STARTED };

struct options {
	const char *config; /* the last file of options; NULL: none */
	const char *kernel, *initrd;
	bool kernel_raw;     /* a binary without a header */
	const char *cmdline; /* NULL: not given */
	struct {
		uint64_t size, base; /* bytes, guest-physical */
		uint64_t huge_page;  /* bytes of one; 0: none of them */
	} memory;
	struct {
		uint64_t count;
		uint16_t affinity[MAX_CPUS]; /* vCPU n runs on this CPU of the host */
		size_t affinity_count;	     /* 0: the host's scheduler decides; else as `count` */
	} cpus;
	bool pmu;    /* performance counters for the guest */
	int irqchip; /* index: auto, gicv3, gicv2 */
	struct console_options console, serial;
	struct block_options disks[MAX_DISKS];
	size_t disk_count;
	struct fs_options fs[MAX_FS];
	size_t fs_count;
	bool rng;
	bool balloon;
	struct net_options nets[MAX_NETS];
	size_t net_count;
	uint32_t vsock_cid; /* 0: none */
	struct vfio_options passthrough[MAX_PASSTHROUGH];
	size_t passthrough_count;
	struct {
		int mode; /* enum bpmp_mode */
		const char *host;
		uint64_t base; /* of the proxy's window; 0: not given */
		struct value_list clocks, resets, power_domains;
		const char *mrqs, *audit; /* NULL: not given */
		bool trap;		  /* --fast-path off, for the BPMP alone */
		bool ignore_unused;	  /* the guest's kernel is told to */
	} bpmp;
	struct {
		uint64_t base, size, first_spi;
	} platform;
	const char *dump_dtb;
	int on_reset, on_panic; /* enum restart_policy */
	bool fast_path;
	uint64_t grace; /* seconds that a signal leaves the guest for powering down */
	bool sandbox;
	int log_level;	/* enum log_level */
	int log_format; /* enum log_format */
	const char *name;
	int notify;	     /* enum notify_when */
	bool json;	     /* `layout`: for programs */
	const char *control; /* the socket's path; NULL: none */
};

enum options_result {
	OPTIONS_RUN,  /* start the VM */
	OPTIONS_DONE, /* --help or --version was printed */
	OPTIONS_BAD,  /* logged */
};

/* Parses argv[1..]. Strings stay valid as long as argv and the process. */
enum options_result options_parse(struct options *options, int argc, char **argv);

#endif
