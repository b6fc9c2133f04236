/* SPDX-License-Identifier: Apache-2.0 */
/* What `bpmp-vmm status` tells of a VM, made by its machine. */
#ifndef VMM_STATUS_H
#define VMM_STATUS_H

#include <stdint.h>

struct json_object;
struct vm;

/* Milliseconds of the monotonic clock. */
int64_t status_now_ms(void);

/* The caller's; NULL without memory. Event-loop thread only. */
struct json_object *status_describe(const struct vm *vm);

#endif
