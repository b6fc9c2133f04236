/* SPDX-License-Identifier: Apache-2.0 */
/* What `bpmp-vmm status` tells of a VM, made by its machine. */
#ifndef VMM_STATUS_H
#define VMM_STATUS_H

struct json_object;
struct vm;

/* The caller's; NULL without memory. Event-loop thread only. */
struct json_object *status_describe(const struct vm *vm);

#endif
