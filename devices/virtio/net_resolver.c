/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/net_resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Longer lines are looked at in pieces, of which only the first begins with the keyword. */
#define LINE_SIZE     256
/* Of a file that somebody else wrote. */
#define LINES_AT_MOST 1000

static void take(struct net_resolver *resolver, const char *text)
{
	struct in6_addr address6;
	struct in_addr address;
	char *place;

	if (inet_pton(AF_INET6, text, &address6) == 1 && !IN6_IS_ADDR_LOOPBACK(&address6))
		resolver->reachable = true;
	if (inet_pton(AF_INET, text, &address) != 1)
		return;
	/* 127.0.0.0/8. */
	place = resolver->loopback;
	if (ntohl(address.s_addr) >> 24 != IN_LOOPBACKNET) {
		place = resolver->elsewhere;
		resolver->reachable = true;
	}
	if (!*place)
		inet_ntop(AF_INET, &address, place, NET_RESOLVER_ADDRESS_SIZE);
}

struct net_resolver net_resolver_read(const char *path)
{
	struct net_resolver resolver = { .reachable = false };
	FILE *file = fopen(path, "re");
	char line[LINE_SIZE], text[INET6_ADDRSTRLEN];

	if (file == NULL)
		return resolver;
	for (int i = 0; i < LINES_AT_MOST && fgets(line, sizeof(line), file) != NULL; i++)
		if (sscanf(line, "nameserver %45s", text) == 1)
			take(&resolver, text);
	fclose(file);
	return resolver;
}
