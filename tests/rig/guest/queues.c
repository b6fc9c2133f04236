/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pairs of queues of a network interface that its driver uses (ethtool -L):
 *
 *   rig-queues INTERFACE             prints how many are used, of how many
 *   rig-queues INTERFACE PAIRS       uses so many
 */
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static int fd;
static struct ifreq request;

static void ask(void *command, const char *what)
{
	request.ifr_data = command;
	if (ioctl(fd, SIOCETHTOOL, &request) < 0) {
		perror(what);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };

	if (argc < 2)
		return 2;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
	ask(&channels, "ETHTOOL_GCHANNELS");
	if (argc == 3) {
		channels.cmd = ETHTOOL_SCHANNELS;
		channels.combined_count = (__u32)atoi(argv[2]);
		ask(&channels, "ETHTOOL_SCHANNELS");
		return 0;
	}
	printf("%u of %u\n", channels.combined_count, channels.max_combined);
	return 0;
}
