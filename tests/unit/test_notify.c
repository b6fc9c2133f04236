/* SPDX-License-Identifier: Apache-2.0 */
/* What a service manager is told, over which sockets. */
#include "tests/unit/fakes.h"
#include "tests/unit/fixture.h"
#include "vmm/notify.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct notify notify;

static void begin(void)
{
	fixture_create();
	fake_log_capture();
}

TestSuite(notify, .init = begin, .fini = fixture_remove, .timeout = 20);

/* A manager's socket at `name`, which begins with NUL where it is abstract. */
static int listen_at(const char *name, size_t length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	memcpy(address.sun_path, name, length);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
		0);
	return fd;
}

static void expect_told(int fd)
{
	char text[64] = "";

	notify_send(&notify, "READY=1\nSTATUS=the guest runs");
	cr_assert_eq(recv(fd, text, sizeof(text), 0), 29);
	cr_assert_str_eq(text, "READY=1\nSTATUS=the guest runs");
}

Test(notify, path)
{
	const char *path = fixture_path("notify");
	int fd = listen_at(path, strlen(path) + 1);

	cr_assert_eq(notify_open(&notify, path), 0);
	expect_told(fd);
	notify_close(&notify);
	close(fd);
}

Test(notify, abstract_name)
{
	char name[64], address[64];
	int length = snprintf(name, sizeof(name), "%cbpmp-vmm-%d", '\0', getpid()), fd;

	fd = listen_at(name, (size_t)length);
	snprintf(address, sizeof(address), "@%s", name + 1);
	cr_assert_eq(notify_open(&notify, address), 0, "%s", fake_log_text());
	expect_told(fd);
	notify_close(&notify);
	close(fd);
}

Test(notify, nobody_asks)
{
	cr_assert_eq(notify_open(&notify, NULL), 0);
	notify_send(&notify, "READY=1");
	cr_assert_eq(notify_open(&notify, ""), 0);
	notify_send(&notify, "READY=1");
	notify_close(&notify);
	cr_assert_lt(notify.fd, 0);
}

Test(notify, addresses_that_are_none)
{
	char large[200];

	memset(large, 'x', sizeof(large) - 1);
	large[0] = '/';
	large[sizeof(large) - 1] = '\0';
	cr_assert_eq(notify_open(&notify, "vsock:2:1"), -EINVAL);
	cr_assert_eq(notify_open(&notify, "@"), -EINVAL);
	cr_assert_eq(notify_open(&notify, large), -EINVAL);
	cr_assert_eq(notify_open(&notify, fixture_path("none")), -ENOENT);
	cr_assert(strstr(fake_log_text(), "none: No such file or directory"));
	cr_assert_lt(notify.fd, 0);
}

/* A manager that has stopped reading, or is gone, stops nobody. */
Test(notify, manager_that_does_not_listen)
{
	const char *path = fixture_path("notify");
	int fd = listen_at(path, strlen(path) + 1);

	cr_assert_eq(notify_open(&notify, path), 0);
	for (int i = 0; i < 10000; i++)
		notify_send(&notify, "STATUS=again");
	close(fd);
	notify_send(&notify, "STOPPING=1");
	notify_close(&notify);
}
