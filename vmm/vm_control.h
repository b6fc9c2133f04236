/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of the control socket do to the VM. Event-loop thread only. */
#ifndef VMM_VM_CONTROL_H
#define VMM_VM_CONTROL_H

struct vm;

/* Listens where --control says, if it does. Returns 0 or -errno (logged). */
int vm_control_open(struct vm *vm);

/* Lets a paused guest run again; `by` ends the log line: "resumed through --control". */
void vm_control_resume(struct vm *vm, const char *by);

#endif
