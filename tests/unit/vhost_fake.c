/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/vhost_fake.h"

#include "devices/virtio/vhost_host.h"
#include "tests/unit/fakes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/vhost.h>

struct vhost_fake vhost_fake;

int vhost_host_open(const char *path)
{
	fake_trace("open %s", path);
	if (strcmp(path, "/dev/vhost-net") == 0 && vhost_fake.open_vhost_error != 0)
		return vhost_fake.open_vhost_error;
	return vhost_fake.open_error != 0 ? vhost_fake.open_error
					  : open("/dev/null", O_RDWR | O_CLOEXEC);
}

static void trace_file(const char *what, const void *argument)
{
	const struct vhost_vring_file *file = argument;

	fake_trace("%s %u %s", what, file->index, file->fd < 0 ? "none" : "fd");
}

static void trace_state(const char *what, const void *argument)
{
	const struct vhost_vring_state *state = argument;

	fake_trace("%s %u %u", what, state->index, state->num);
}

static void trace_memory(const struct vhost_memory *memory)
{
	for (uint32_t i = 0; i < memory->nregions; i++)
		fake_trace("memory 0x%" PRIx64 " 0x%" PRIx64 "%s",
			(uint64_t)memory->regions[i].guest_phys_addr,
			(uint64_t)memory->regions[i].memory_size,
			memory->regions[i].userspace_addr != 0 ? "" : " nowhere");
}

static unsigned int find(const int *fds, unsigned int count, int fd)
{
	for (unsigned int i = 0; i < count; i++)
		if (fds[i] == fd)
			return i;
	return 0;
}

static void tap_request(int fd, unsigned long request, struct ifreq *ifr)
{
	switch (request) {
	case TUNSETQUEUE:
		fake_trace("%s %u", ifr->ifr_flags == IFF_ATTACH_QUEUE ? "attach" : "detach",
			find(vhost_fake.taps, vhost_fake.tap_count, fd));
		break;
	case TUNSETIFF:
		vhost_fake.taps[vhost_fake.tap_count++ % VHOST_FAKE_MOST] = fd;
		fake_trace("tap %s flags 0x%x", ifr->ifr_name, (unsigned int)ifr->ifr_flags);
		vhost_fake.tap_flags = ifr->ifr_flags;
		break;
	case TUNGETIFF:
		snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", vhost_fake.tap_name);
		ifr->ifr_flags = vhost_fake.tap_flags;
		break;
	default:
		memcpy(ifr->ifr_hwaddr.sa_data, vhost_fake.mac, sizeof(vhost_fake.mac));
		break;
	}
}

int vhost_host_ioctl_value(int fd, unsigned long request, unsigned long value)
{
	(void)fd;
	if (request == vhost_fake.refused)
		return vhost_fake.refusal;
	fake_trace("%s 0x%lx", request == TUNSETOFFLOAD ? "offload" : "unknown request", value);
	return 0;
}

bool vhost_host_has_interface(const char *name)
{
	return strcmp(name, vhost_fake.tap_name) == 0;
}

bool vhost_host_is_tun(const char *name)
{
	(void)name;
	return vhost_fake.is_tun;
}

bool vhost_host_has_carrier(const char *name)
{
	(void)name;
	return vhost_fake.has_carrier;
}

bool vhost_host_has_second_queue(const char *name)
{
	(void)name;
	return vhost_fake.has_second_queue;
}

int vhost_host_ioctl(int fd, unsigned long request, void *argument)
{
	unsigned int instance = find(vhost_fake.owners, vhost_fake.owner_count, fd);
	uint64_t value;

	if (request == vhost_fake.refused)
		return vhost_fake.refusal;
	if (request == TUNSETIFF && !vhost_fake.multi_queue &&
		(((const struct ifreq *)argument)->ifr_flags & IFF_MULTI_QUEUE) != 0)
		return -EINVAL;
	if (instance > 0)
		fake_trace("pair %u:", instance);
	switch (request) {
	case VHOST_SET_OWNER:
		vhost_fake.owners[vhost_fake.owner_count++ % VHOST_FAKE_MOST] = fd;
		fake_trace("owner");
		break;
	case VHOST_GET_FEATURES:
		memcpy(argument, &vhost_fake.features, sizeof(vhost_fake.features));
		break;
	case VHOST_SET_FEATURES:
		memcpy(&value, argument, sizeof(value));
		fake_trace("features 0x%" PRIx64, value);
		break;
	case VHOST_SET_MEM_TABLE:
		trace_memory(argument);
		break;
	case VHOST_SET_VRING_NUM:
		trace_state("size", argument);
		break;
	case VHOST_SET_VRING_BASE:
		trace_state("base", argument);
		break;
	case VHOST_SET_VRING_ADDR:
		fake_trace("address %u", ((const struct vhost_vring_addr *)argument)->index);
		break;
	case VHOST_SET_VRING_ERR:
		trace_file("error", argument);
		break;
	case VHOST_SET_VRING_CALL:
		trace_file("call", argument);
		break;
	case VHOST_SET_VRING_KICK:
		trace_file("kick", argument);
		break;
	case VHOST_VSOCK_SET_GUEST_CID:
		memcpy(&value, argument, sizeof(value));
		fake_trace("cid %" PRIu64, value);
		break;
	case VHOST_VSOCK_SET_RUNNING:
		fake_trace("running %d", *(const int *)argument);
		break;
	case VHOST_NET_SET_BACKEND:
		trace_file("back end", argument);
		break;
	case TUNSETIFF:
	case TUNSETQUEUE:
	case TUNGETIFF:
	case SIOCGIFHWADDR:
		tap_request(fd, request, argument);
		break;
	case TUNSETVNETHDRSZ:
		fake_trace("header %d", *(const int *)argument);
		break;
	default:
		fake_trace("unknown request 0x%lx", request);
		break;
	}
	return 0;
}
