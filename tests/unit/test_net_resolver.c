/* SPDX-License-Identifier: Apache-2.0 */
/* What of a resolv.conf a guest can use. */
#include "devices/virtio/net_resolver.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct net_resolver ask(const char *text)
{
	char path[] = "/tmp/net-resolver-XXXXXX";
	struct net_resolver answer;
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	answer = net_resolver_read(path);
	unlink(path);
	return answer;
}

Test(net_resolver, servers_are_told_apart)
{
	static const struct {
		const char *text, *loopback, *elsewhere;
		bool reachable;
	} files[] = {
		{ "", "", "", false },
		{ "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n", "127.0.0.53", "",
			false },
		{ "# by systemd-resolved\nnameserver 127.0.0.53", "127.0.0.53", "", false },
		{ "nameserver\t127.0.0.53\nnameserver 127.0.0.54\n", "127.0.0.53", "", false },
		{ "nameserver ::1\nnameserver 127.0.0.53\n", "127.0.0.53", "", false },
		{ "nameserver 192.0.2.1\nnameserver 192.0.2.2\n", "", "192.0.2.1", true },
		{ "nameserver 127.0.0.53\nnameserver 192.0.2.1\n", "127.0.0.53", "192.0.2.1",
			true },
		{ "nameserver 127.0.0.53\nnameserver fd00::1\n", "127.0.0.53", "", true },
		{ "nameserver fe80::1%eth0\n", "", "", false },
		{ "#nameserver 127.0.0.53\n", "", "", false },
		{ "nameserver 127.0.0.530000000000000000000000\n", "", "", false },
		{ "nameserver 127.0.0\n", "", "", false },
		{ "nameserver ::1\n", "", "", false },
		{ "search nameserver 127.0.0.53\n", "", "", false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		const struct net_resolver found = ask(files[i].text);

		cr_assert_str_eq(found.loopback, files[i].loopback, "%zu", i);
		cr_assert_str_eq(found.elsewhere, files[i].elsewhere, "%zu", i);
		cr_assert_eq(found.reachable, files[i].reachable, "%zu", i);
	}
}

Test(net_resolver, no_file)
{
	const struct net_resolver found = net_resolver_read("/nowhere/at/all");

	cr_assert(!found.reachable && !*found.loopback && !*found.elsewhere);
}
