/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DEVICES_BPMP_OPEN_HOST_H
#define DEVICES_BPMP_OPEN_HOST_H

/* Opens the node of the host's BPMP. Returns a descriptor, or -errno (logged with the remedy). */
int bpmp_open_host(const char *path);

#endif
