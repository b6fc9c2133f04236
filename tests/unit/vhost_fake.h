/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's vhost and tun devices for tests: opens and requests leave lines in the trace of
 * fakes.h, with what they carry that a device chooses.
 */
#ifndef TESTS_UNIT_VHOST_FAKE_H
#define TESTS_UNIT_VHOST_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#define VHOST_FAKE_MOST 8

struct vhost_fake {
	int open_error;	      /* -errno of the next open */
	int open_vhost_error; /* the same, of /dev/vhost-net alone */
	/* Also while a worker's thread runs: this request fails, with this -errno. */
	_Atomic unsigned long refused;
	_Atomic int refusal;
	uint64_t features; /* what VHOST_GET_FEATURES gives */
	/* The one interface: its name, whether it is tun's, its flags and address. */
	const char *tap_name;
	bool is_tun;
	bool has_carrier;
	bool has_second_queue;
	bool multi_queue; /* it was made for several queues */
	short tap_flags;
	uint8_t mac[6];
	/* Queues of the tap and instances of vhost, in the order in which they were opened. */
	int taps[VHOST_FAKE_MOST], owners[VHOST_FAKE_MOST];
	unsigned int tap_count, owner_count;
};
extern struct vhost_fake vhost_fake;

#endif
