/* SPDX-License-Identifier: Apache-2.0 */
/* Listening on a unix socket's path: one left over from a program that is gone is replaced. */
#ifndef VMM_BASE_UNIX_SOCKET_H
#define VMM_BASE_UNIX_SOCKET_H

#include <sys/types.h>
#include <sys/un.h>

/* Fills in the address. Returns 0, or -ENAMETOOLONG (not logged). */
int unix_socket_address(struct sockaddr_un *address, const char *path);

/*
 * A non-blocking SOCK_STREAM socket that listens at `path`, whose file takes its permissions from
 * `mode` less the umask. Changes the process' umask for a moment: before other threads exist.
 * Returns the descriptor, or -errno (not logged), -EADDRINUSE where somebody listens already or
 * the file is no socket; then the file is left as it is. The caller removes it at the end.
 */
int unix_socket_listen(const char *path, int backlog, mode_t mode);

/* What unix_socket_listen() would return, as far as can be told without making the socket. */
int unix_socket_check(const char *path);

/*
 * Whether a socket is at `path` that this process may connect to. Does not connect: a back end may
 * end with its first client. Returns 0 or -errno (not logged), -ENOTSOCK for another file.
 */
int unix_socket_check_peer(const char *path);

/*
 * A blocking SOCK_STREAM socket, connected to who listens at `path`. Or -errno (not logged),
 * -ETIMEDOUT where that one has accepted nobody, and `seconds` have passed.
 */
int unix_socket_connect(const char *path, int seconds);

/*
 * A listening SOCK_STREAM socket and a connection to it that nobody has accepted yet, for a program
 * that takes no socket but one that listens. Nobody else can connect: its file was in a directory
 * of this user's alone and is gone. Both are blocking. Returns 0 or -errno (logged).
 */
int unix_socket_listen_unnamed(int *listener, int *connection);

/* Longest path, in bytes. */
#define UNIX_SOCKET_LONGEST_PATH (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

#endif
