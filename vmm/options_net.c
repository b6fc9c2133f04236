/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options_net.h"

#include "devices/virtio/net.h"
#include "devices/virtio/vsock.h"
#include "vmm/base/util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHAT_TO_GIVE "give one of tap=NAME, fd=N, user and vhost-user=SOCKET"

/* One `--net` as it is written. */
struct net_text {
	const char *tap, *mac, *forwards, *vhost_user;
	uint64_t fd;
	bool vhost, user;
};

/* Six bytes as 52:54:00:12:34:56; false when it is none, or a group's address. */
static bool parse_mac(const char *text, uint8_t mac[NET_MAC_SIZE])
{
	for (size_t i = 0; i < NET_MAC_SIZE; i++) {
		size_t digits = strspn(text, "0123456789abcdefABCDEF");

		if (digits < 1 || digits > 2 || text[digits] != (i + 1 < NET_MAC_SIZE ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)strtoul(text, NULL, 16);
		text += digits + 1;
	}
	return (mac[0] & 1) == 0 && memcmp(mac, (uint8_t[NET_MAC_SIZE]){ 0 }, NET_MAC_SIZE) != 0;
}

static bool is_interface_name(const char *text)
{
	/* As the kernel's dev_valid_name() has it; a '%' would have it choose a number. */
	return *text && strlen(text) < IFNAMSIZ && strcmp(text, ".") != 0 &&
		strcmp(text, "..") != 0 && strpbrk(text, "/:% \t\n") == NULL;
}

/* A port, and what follows it; 0: none. */
static uint16_t parse_port(const char **text)
{
	size_t digits = strspn(*text, "0123456789");
	unsigned long port = digits > 0 && digits <= 5 ? strtoul(*text, NULL, 10) : 0;

	*text += digits;
	return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* Whether `text` begins so; it goes behind it then. */
static bool skip(const char **text, const char *words)
{
	size_t length = strlen(words);

	if (strncmp(*text, words, length) != 0)
		return false;
	*text += length;
	return true;
}

/* An IPv4 address or nothing, and a colon; `text` goes behind it. */
static bool parse_address(const char **text, char address[NET_ADDRESS_SIZE])
{
	size_t length = strcspn(*text, ":");
	struct in_addr binary;

	if (length >= NET_ADDRESS_SIZE)
		return false;
	memcpy(address, *text, length);
	address[length] = '\0';
	*text += length;
	return (length == 0 || inet_pton(AF_INET, address, &binary) == 1) && skip(text, ":");
}

/*
 * [tcp|udp]:[ADDRESS]:PORT-[ADDRESS]:PORT, as QEMU has it; `text` goes behind it. The second
 * address is one of many guests' in QEMU's network; here the guest is alone in its own.
 */
static bool parse_forward(const char **text, struct net_forward *forward)
{
	char guest[NET_ADDRESS_SIZE];

	forward->udp = skip(text, "udp:");
	if (!forward->udp && !skip(text, "tcp:") && !skip(text, ":"))
		return false;
	if (!parse_address(text, forward->address))
		return false;
	forward->host_port = parse_port(text);
	if (!skip(text, "-") || !parse_address(text, guest))
		return false;
	forward->guest_port = parse_port(text);
	return forward->host_port != 0 && forward->guest_port != 0;
}

/* All of hostfwd's, with colons between them. Returns NULL, or what is wrong. */
static const char *parse_forwards(const char *text, struct net_options *net)
{
	bool more = text != NULL;

	while (more) {
		if (net->forward_count == NET_MAX_FORWARDS)
			return "at most 16 ports are forwarded";
		if (!parse_forward(&text, &net->forwards[net->forward_count++]) ||
			(*text != '\0' && *text != ':'))
			return "hostfwd is tcp or udp, then :[ADDRESS]:PORT-:PORT with an IPv4 "
			       "address of the host's, as in tcp:127.0.0.1:2222-:22";
		more = skip(&text, ":");
	}
	return NULL;
}

/* NULL, or what does not go together. */
static const char *wrong_net(const struct net_text *given)
{
	int networks = (given->tap != NULL) + (given->fd != UINT64_MAX) + given->user +
		(given->vhost_user != NULL);

	if (networks != 1 || (given->vhost_user != NULL && !*given->vhost_user))
		return WHAT_TO_GIVE;
	if (given->forwards != NULL && !given->user)
		return "hostfwd is for user; a guest on a tap has an address of its own";
	return NULL;
}

int options_parse_net(struct options *options, const char *text, char *problem, size_t size)
{
	static const struct value_field fields[] = {
		{ "tap", VALUE_STRING, offsetof(struct net_text, tap), NULL },
		{ "fd", VALUE_NUMBER, offsetof(struct net_text, fd), NULL },
		{ "mac", VALUE_STRING, offsetof(struct net_text, mac), NULL },
		{ "vhost", VALUE_BOOL, offsetof(struct net_text, vhost), NULL },
		{ "user", VALUE_BOOL, offsetof(struct net_text, user), NULL },
		{ "hostfwd", VALUE_JOINED, offsetof(struct net_text, forwards), NULL },
		{ "vhost-user", VALUE_STRING, offsetof(struct net_text, vhost_user), NULL },
	};
	struct net_text given = { .fd = UINT64_MAX, .vhost = true };
	struct net_options *net = &options->nets[options->net_count];
	const char *wrong;

	/* Nothing stands without its key here. */
	if (value_begins_bare(text) &&
		(strncmp(text, "user", 4) != 0 || (text[4] != ',' && text[4] != '\0'))) {
		snprintf(problem, size, WHAT_TO_GIVE);
		return -EINVAL;
	}
	if (value_parse(text, fields, ARRAY_SIZE(fields), &given, problem, size))
		return -EINVAL;
	if (options->net_count == MAX_NETS) {
		snprintf(problem, size, "at most %d interfaces", MAX_NETS);
		return -EINVAL;
	}
	wrong = wrong_net(&given);
	if (wrong != NULL) {
		snprintf(problem, size, "%s", wrong);
		return -EINVAL;
	}
	if (given.tap != NULL && !is_interface_name(given.tap)) {
		snprintf(problem, size, "'%.64s' is no name of an interface", given.tap);
		return -EINVAL;
	}
	if (given.fd != UINT64_MAX && (given.fd < 3 || given.fd > INT_MAX)) {
		snprintf(problem, size, "a tap's descriptor is 3 or more");
		return -EINVAL;
	}
	*net = (struct net_options){
		.tap = given.tap,
		.fd = given.fd != UINT64_MAX ? (int)given.fd : -1,
		.vhost = given.vhost && !given.user && given.vhost_user == NULL,
		.user = given.user,
		.vhost_user = given.vhost_user,
	};
	wrong = parse_forwards(given.forwards, net);
	if (wrong != NULL) {
		snprintf(problem, size, "%s", wrong);
		return -EINVAL;
	}
	if (given.mac != NULL && !parse_mac(given.mac, net->mac)) {
		snprintf(problem, size,
			"'%.64s' is no address of one interface, such as 52:54:00:12:34:56",
			given.mac);
		return -EINVAL;
	}
	net->mac_given = given.mac != NULL;
	options->net_count++;
	return 0;
}

int options_parse_vsock(struct options *options, const char *text, char *problem, size_t size)
{
	static const struct value_field cid_field = { "cid", VALUE_NUMBER, 0, NULL };
	uint64_t cid = 0;

	if (value_parse(text, &cid_field, 1, &cid, problem, size))
		return -EINVAL;
	if (cid < VSOCK_CID_MIN || cid > VSOCK_CID_MAX) {
		snprintf(problem, size, "a guest's CID is from %u to %u (0 to 2 are reserved)",
			VSOCK_CID_MIN, VSOCK_CID_MAX);
		return -EINVAL;
	}
	options->vsock_cid = (uint32_t)cid;
	return 0;
}
