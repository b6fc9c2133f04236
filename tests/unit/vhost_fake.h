/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's vhost devices for tests: opens and requests leave lines in the trace of
 * fakes.h, with what they carry that a device chooses.
 */
#ifndef TESTS_UNIT_VHOST_FAKE_H
#define TESTS_UNIT_VHOST_FAKE_H

#include <stdint.h>

struct vhost_fake {
	int open_error;	       /* -errno of the next open */
	unsigned long refused; /* this request fails ... */
	int refusal;	       /* ... with this -errno */
	uint64_t features;     /* what VHOST_GET_FEATURES gives */
};
extern struct vhost_fake vhost_fake;

#endif
