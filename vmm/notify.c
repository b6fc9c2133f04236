/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/notify.h"

#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int notify_open(struct notify *notify, const char *address)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t length = address ? strlen(address) : 0;
	int error = 0;

	notify->fd = -1;
	if (length == 0) {
		log_info("--notify started: no service manager asks for it ($NOTIFY_SOCKET)");
		return 0;
	}
	if ((address[0] != '/' && address[0] != '@') || length < 2 ||
		length >= sizeof(to.sun_path)) {
		log_error("--notify started: $NOTIFY_SOCKET is '%.200s', neither a path nor an "
			  "abstract name",
			address);
		return -EINVAL;
	}
	memcpy(to.sun_path, address, length);
	/* Abstract names begin with a NUL and have no NUL at their end. */
	if (to.sun_path[0] == '@')
		to.sun_path[0] = '\0';
	else
		length++;
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify->fd < 0 ||
		connect(notify->fd, (const struct sockaddr *)&to,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) != 0) {
		error = -errno;
		log_error("--notify started: $NOTIFY_SOCKET, %s: %s", address, strerror(-error));
		close_fd(&notify->fd);
	}
	return error;
}

void notify_send(const struct notify *notify, const char *state)
{
	if (notify->fd >= 0 &&
		send(notify->fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("the service manager does not listen: %s", strerror(errno));
}

void notify_close(struct notify *notify)
{
	close_fd(&notify->fd);
}
