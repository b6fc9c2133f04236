/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells a service manager how the VM is: datagrams to $NOTIFY_SOCKET as sd_notify(3) describes
 * them, whose protocol is stable and needs no library.
 */
#ifndef VMM_NOTIFY_H
#define VMM_NOTIFY_H

struct notify {
	int fd; /* -1: nobody is to be told */
};

/*
 * `address` is $NOTIFY_SOCKET's: a path, or '@' and an abstract name; NULL: not set, then nobody is
 * told. Before the jail. Returns 0 or -errno (logged).
 */
int notify_open(struct notify *notify, const char *address);

/* `state` is "READY=1\nSTATUS=..."; never waits, a manager that does not listen is not told. */
void notify_send(const struct notify *notify, const char *state);

void notify_close(struct notify *notify);

#endif
