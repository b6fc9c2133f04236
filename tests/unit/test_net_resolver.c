/* SPDX-License-Identifier: Apache-2.0 */
/* What of /etc/resolv.conf says that the host's name server is on its loopback. */
#include "devices/virtio/net_resolver.h"
#include "vmm/base/util.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/net-resolver-XXXXXX";

static bool ask(const char *text, char address[NET_RESOLVER_ADDRESS_SIZE])
{
	int fd = mkstemp(path);
	bool answer;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	answer = net_resolver_is_on_loopback(path, address);
	unlink(path);
	return answer;
}

Test(net_resolver, loopback_alone)
{
	static const char *const texts[] = {
		"nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n",
		"# by systemd-resolved\nnameserver 127.0.0.53",
		"nameserver\t127.0.0.53\nnameserver 127.0.0.54\n",
		"nameserver ::1\nnameserver 127.0.0.53\n",
	};
	char address[NET_RESOLVER_ADDRESS_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		strcpy(path, "/tmp/net-resolver-XXXXXX");
		cr_assert(ask(texts[i], address), "%zu", i);
		cr_assert_str_eq(address, "127.0.0.53");
	}
}

Test(net_resolver, anything_else)
{
	static const char *const texts[] = {
		"",
		"nameserver 192.0.2.1\n",
		"nameserver 127.0.0.53\nnameserver 192.0.2.1\n",
		"#nameserver 127.0.0.53\n",
		"nameserver 127.0.0.530000000000000000000000\n",
		"nameserver 127.0.0\n",
		"nameserver ::1\n",
		"search nameserver 127.0.0.53\n",
	};
	char address[NET_RESOLVER_ADDRESS_SIZE];

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		strcpy(path, "/tmp/net-resolver-XXXXXX");
		cr_assert_not(ask(texts[i], address), "%zu", i);
	}
	cr_assert_not(net_resolver_is_on_loopback("/nowhere/at/all", address));
}
