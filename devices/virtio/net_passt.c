/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/net_passt.h"

#include "devices/virtio/net.h"
#include "devices/virtio/net_resolver.h"
#include "devices/virtio/net_tap.h"
#include "vmm/base/log.h"
#include "vmm/base/program.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* A port that is taken, or a host without a network, ends it at once. */
#define FAILS_AT_ONCE_MS 300

#define PACKAGE		 "passt"

/* Of add_resolver(). */
#define RESOLVER_WORDS	 2u

/* passt(1). What is longer than 1500 bytes would have no room in the guest's buffers. */
static char *const fixed[] = { "passt", "--foreground", "--quiet", "--no-map-gw", "--mtu", "1500",
	"--fd", "3" };

/* Link-local, which no network has that a host is in; guests send it to their router, passt. */
#define RESOLVER_OF_GUEST "169.254.1.1"

/*
 * passt tells the guest of the servers in /etc/resolv.conf, but of none on the host's loopback,
 * where the guest reaches nothing. The usual one there is systemd-resolved, and the guest is told
 * of the server behind it. Otherwise passt forwards to the loopback's what the guest sends to an
 * address, UDP to port 53 alone; nothing tells the guest of that one, since --dns, which would,
 * takes the host's own out of use.
 */
static size_t add_resolver(char **arguments, struct net_resolver *behind)
{
	static char forward[] = "--dns-forward", guest[] = RESOLVER_OF_GUEST, tell[] = "--dns";
	const struct net_resolver host = net_resolver_read("/etc/resolv.conf");

	if (host.reachable || !*host.loopback)
		return 0;
	*behind = net_resolver_read("/run/systemd/resolve/resolv.conf");
	if (*behind->elsewhere) {
		log_info("--net user: the guest is told of the name server %s, which is behind the "
			 "host's own, %s",
			behind->elsewhere, host.loopback);
		arguments[0] = tell;
		arguments[1] = behind->elsewhere;
		return RESOLVER_WORDS;
	}
	log_info("--net user: the host's name server, %s, is %s to the guest; nobody tells the "
		 "guest, so name it there",
		host.loopback, guest);
	arguments[0] = forward;
	arguments[1] = guest;
	return RESOLVER_WORDS;
}

static int start(struct worker *passt, const struct net_options *options, int theirs)
{
	char *arguments[ARRAY_SIZE(fixed) + RESOLVER_WORDS + 2 * NET_MAX_FORWARDS + 1] = { NULL };
	char tcp[] = "--tcp-ports", udp[] = "--udp-ports", ports[NET_MAX_FORWARDS][32];
	size_t count = ARRAY_SIZE(fixed);
	struct net_resolver behind;

	memcpy(arguments, fixed, sizeof(fixed));
	count += add_resolver(arguments + count, &behind);
	for (size_t i = 0; i < options->forward_count; i++) {
		const struct net_forward *forward = &options->forwards[i];

		snprintf(ports[i], sizeof(ports[i]), "%s%s%u:%u", forward->address,
			forward->address[0] ? "/" : "", forward->host_port, forward->guest_port);
		arguments[count++] = forward->udp ? udp : tcp;
		arguments[count++] = ports[i];
	}
	return program_start(passt,
		&(struct program){
			.name = fixed[0],
			.package = PACKAGE,
			.arguments = arguments,
			.fds = &theirs,
			.fd_count = 1,
			.rules = -1,
			/* It has nothing to put back, and ends with its stream anyway. */
			.stop_signal = SIGKILL,
			/* To become nobody, where root starts it, and for ports below 1024. */
			.capabilities =
				1u << CAP_SETUID | 1u << CAP_SETGID | 1u << CAP_NET_BIND_SERVICE,
		},
		-1);
}

int net_passt_check(void)
{
	return program_check(fixed[0], PACKAGE);
}

int net_passt_start(struct worker *passt, const struct net_options *options, struct net_tap *tap)
{
	int pair[2], error;

	*tap = (struct net_tap){ .fd = -1, .pair_count = 1, .is_stream = true, .name = "passt" };
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		error = -errno;
		log_error("--net user: cannot make a socket: %s", strerror(-error));
		return error;
	}
	tap->fd = pair[0];
	/* Ours alone: passt's end blocks. Cannot fail on a socket that is open. */
	(void)fcntl(tap->fd, F_SETFL, O_NONBLOCK);
	error = start(passt, options, pair[1]);
	close(pair[1]);
	if (error == 0 && worker_has_ended(passt, FAILS_AT_ONCE_MS)) {
		log_error("--net user: passt has ended; what it says above is the cause");
		error = -ENODEV;
	}
	if (error != 0) {
		worker_stop(passt, 0);
		net_tap_close(tap);
	}
	return error;
}
