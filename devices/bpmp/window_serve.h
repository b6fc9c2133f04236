/* SPDX-License-Identifier: Apache-2.0 */
/* The proxy face in the worker: packets from the machine, one request each. */
#ifndef DEVICES_BPMP_WINDOW_SERVE_H
#define DEVICES_BPMP_WINDOW_SERVE_H

#include <stdbool.h>

struct bpmp_server;
struct bpmp_window_answer;
struct bpmp_window_request;

/* Serves one request. May block as long as the host does. */
void bpmp_window_serve_request(struct bpmp_server *server,
	const struct bpmp_window_request *request, struct bpmp_window_answer *answer);

/*
 * Takes one packet from `fd` (SOCK_SEQPACKET) and answers it. False when the machine sent what is
 * none: the worker ends then.
 */
bool bpmp_window_serve(int fd, struct bpmp_server *server);

/* Forgets what a guest that is gone had asked for. */
void bpmp_window_discard(int fd);

#endif
