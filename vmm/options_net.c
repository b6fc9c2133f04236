/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options_net.h"

#include "devices/virtio/net.h"
#include "devices/virtio/vsock.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One `--net` as it is written. */
struct net_text {
	const char *tap, *mac;
	uint64_t fd;
	bool vhost;
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

int options_parse_net(struct options *options, const char *text, char *problem, size_t size)
{
	static const struct value_field fields[] = {
		{ "tap", VALUE_STRING, offsetof(struct net_text, tap), NULL },
		{ "fd", VALUE_NUMBER, offsetof(struct net_text, fd), NULL },
		{ "mac", VALUE_STRING, offsetof(struct net_text, mac), NULL },
		{ "vhost", VALUE_BOOL, offsetof(struct net_text, vhost), NULL },
	};
	struct net_text given = { .fd = UINT64_MAX, .vhost = true };
	struct net_options *net = &options->nets[options->net_count];

	/* Nothing stands without its key here; what begins with a comma is a file's object. */
	if (*text != ',' && text[strcspn(text, "=,")] != '=') {
		snprintf(problem, size, "give one of tap=NAME and fd=N");
		return -EINVAL;
	}
	if (value_parse(text, fields, ARRAY_SIZE(fields), &given, problem, size))
		return -EINVAL;
	if (options->net_count == MAX_NETS) {
		snprintf(problem, size, "at most %d interfaces", MAX_NETS);
		return -EINVAL;
	}
	if ((given.tap != NULL) == (given.fd != UINT64_MAX)) {
		snprintf(problem, size, "give one of tap=NAME and fd=N");
		return -EINVAL;
	}
	if (given.tap != NULL && !is_interface_name(given.tap)) {
		snprintf(problem, size, "'%.64s' is no name of an interface", given.tap);
		return -EINVAL;
	}
	if (given.tap == NULL && (given.fd < 3 || given.fd > INT_MAX)) {
		snprintf(problem, size, "a tap's descriptor is 3 or more");
		return -EINVAL;
	}
	*net = (struct net_options){
		.tap = given.tap,
		.fd = given.tap ? -1 : (int)given.fd,
		.vhost = given.vhost,
	};
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
