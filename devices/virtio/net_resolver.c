/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/net_resolver.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Longer lines are looked at in pieces, of which only the first begins with the keyword. */
#define LINE_SIZE     256
/* Of a file that somebody else wrote. */
#define LINES_AT_MOST 1000

/* The line's IPv4 server. False: it has none. */
static bool parse(const char *line, struct in_addr *address)
{
	char text[NET_RESOLVER_ADDRESS_SIZE];

	return sscanf(line, "nameserver %15s", text) == 1 && inet_pton(AF_INET, text, address) == 1;
}

bool net_resolver_is_on_loopback(const char *path, char address[NET_RESOLVER_ADDRESS_SIZE])
{
	FILE *file = fopen(path, "re");
	char line[LINE_SIZE];
	bool found = false, others = false;
	struct in_addr server;

	if (file == NULL)
		return false;
	for (int i = 0; i < LINES_AT_MOST && fgets(line, sizeof(line), file) != NULL; i++) {
		if (!parse(line, &server))
			continue;
		/* 127.0.0.0/8. */
		if (ntohl(server.s_addr) >> 24 != IN_LOOPBACKNET)
			others = true;
		else if (!found)
			found = inet_ntop(AF_INET, &server, address, NET_RESOLVER_ADDRESS_SIZE);
	}
	fclose(file);
	return found && !others;
}
