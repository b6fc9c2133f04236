/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's hvc0: a virtio console on virtio-mmio, served by a jailed worker over vhost-user. */
#ifndef DEVICES_VIRTIO_CONSOLE_H
#define DEVICES_VIRTIO_CONSOLE_H

struct device;
struct machine;

enum console_kind { CONSOLE_NONE, CONSOLE_STDIO, CONSOLE_PTY, CONSOLE_UNIX, CONSOLE_FILE };

/* `--console` */
struct console_options {
	enum console_kind kind;
	const char *path; /* of CONSOLE_UNIX and CONSOLE_FILE */
};

/*
 * Opens the console's other end, starts the worker and claims a register file and an interrupt.
 * Returns 0 with *device, or -errno with a line logged that names cause and remedy.
 */
int console_create(
	struct machine *machine, const struct console_options *options, struct device **device);

/* The worker's main; returns its exit status. */
int console_worker_main(int argc, char **argv);

#endif
