/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost-user protocol: numbers and layouts of docs/interop/vhost-user.rst of QEMU. Numbers are
 * in the machine's own byte order. This is what both ends share; vhost_user_front.h and
 * vhost_user_back.h are the ends.
 */
#ifndef DEVICES_VIRTIO_VHOST_USER_H
#define DEVICES_VIRTIO_VHOST_USER_H

#include <stdint.h>

enum vhost_user_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	/*
	 * Not the protocol's: the machine's to a disk's worker. The disk becomes `u64` bytes long;
	 * 0: as long as its image is by now. Answered with a u64, an errno or 0.
	 */
	VHOST_USER_RESIZE = 200,
};

/* Header flags. */
#define VHOST_USER_VERSION		0x1u
#define VHOST_USER_VERSION_MASK		0x3u
#define VHOST_USER_REPLY		(1u << 2)
#define VHOST_USER_NEED_REPLY		(1u << 3)

/* A feature bit that is the protocol's, not virtio's. */
#define VHOST_USER_F_PROTOCOL_FEATURES	30

#define VHOST_USER_PROTOCOL_F_MQ	0
#define VHOST_USER_PROTOCOL_F_REPLY_ACK 3
#define VHOST_USER_PROTOCOL_F_CONFIG	9

/* In the u64 of SET_VRING_KICK, _CALL and _ERR. */
#define VHOST_USER_VRING_INDEX_MASK	0xffu
#define VHOST_USER_VRING_NO_FD		(1u << 8)

#define VHOST_USER_MAX_REGIONS		8
#define VHOST_USER_MAX_CONFIG_SIZE	256
#define VHOST_USER_MAX_FDS		VHOST_USER_MAX_REGIONS

struct vhost_user_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload that follows, in bytes */
};

struct vhost_user_vring_state {
	uint32_t index;
	uint32_t num;
};

struct vhost_user_vring_addr {
	uint32_t index;
	uint32_t flags;			       /* bit 0: log writes, for migration */
	uint64_t descriptors, used, available; /* front-end user addresses */
	uint64_t log;
};

struct vhost_user_region {
	uint64_t gpa;
	uint64_t size;
	uint64_t frontend_va;
	uint64_t mmap_offset;
};

struct vhost_user_memory {
	uint32_t count;
	uint32_t padding;
	struct vhost_user_region regions[VHOST_USER_MAX_REGIONS];
};

struct vhost_user_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags; /* 0: the driver writes; 1: migration */
	uint8_t data[VHOST_USER_MAX_CONFIG_SIZE];
};

/* What precedes the data. */
#define VHOST_USER_CONFIG_HEADER_SIZE 12u
#define VHOST_USER_MEMORY_HEADER_SIZE 8u

union vhost_user_payload {
	uint64_t u64;
	struct vhost_user_vring_state state;
	struct vhost_user_vring_addr address;
	struct vhost_user_memory memory;
	struct vhost_user_config config;
};

/* On the wire the payload follows the header directly: sent and received as two pieces. */
struct vhost_user_message {
	struct vhost_user_header header;
	union vhost_user_payload payload;
};

_Static_assert(sizeof(struct vhost_user_header) == 12, "vhost-user header");
_Static_assert(sizeof(struct vhost_user_vring_addr) == 40, "vhost-user vring address");
_Static_assert(sizeof(struct vhost_user_region) == 32, "vhost-user memory region");
_Static_assert(sizeof(struct vhost_user_memory) == 264, "vhost-user memory table");

#endif
