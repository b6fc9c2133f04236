/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/foreign_back_end.h"

#include "vmm/base/unix_socket.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static void *serve(void *argument)
{
	struct foreign_back_end *end = argument;
	int socket = accept(end->listener, NULL, NULL);

	vhost_user_back_init(&end->back, socket, end->device);
	for (;;) {
		struct pollfd wait = { .fd = socket, .events = POLLIN };

		poll(&wait, 1, -1);
		if (vhost_user_back_receive(&end->back) != 0)
			break;
	}
	vhost_user_back_close(&end->back);
	close(socket);
	return NULL;
}

void foreign_back_end_start(
	struct foreign_back_end *end, const char *path, const struct vhost_user_back_device *device)
{
	end->device = device;
	end->listener = unix_socket_listen(path, 1, 0600);
	cr_assert_geq(end->listener, 0);
	cr_assert_eq(fcntl(end->listener, F_SETFL, 0), 0); /* blocking */
	cr_assert_eq(pthread_create(&end->thread, NULL, serve, end), 0);
}

void foreign_back_end_join(struct foreign_back_end *end)
{
	pthread_join(end->thread, NULL);
	close(end->listener);
}
