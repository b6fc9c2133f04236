/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a signal ends the VM: the first one presses the guest's power key, again every few seconds,
 * and the end of --grace or a second one stops it. Event-loop thread.
 */
#ifndef VMM_SHUTDOWN_H
#define VMM_SHUTDOWN_H

struct vm;

/* Before lock-in: the timer. Returns 0 or -errno. */
int shutdown_open(struct vm *vm);

/*
 * SIGTERM, SIGINT or SIGHUP has come. A SIGHUP is never the second one: a terminal that is closed
 * sends several.
 */
void shutdown_on_signal(struct vm *vm, int number);

#endif
