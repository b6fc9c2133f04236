/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A front end that says anything to the back-end library, with a device that takes every buffer.
 *
 * Input: messages, each a byte for the request, a byte of options (bits 0 to 3: how many
 * descriptors; bit 4: they are memory; bit 5: ask for an acknowledgement; bit 6: the version is
 * wrong; bit 7: the message comes in two parts), a 16-bit payload length, and the payload. Guest
 * memory begins as the whole input. Sizes in memory tables are made to fit the file behind them: a
 * front end that lies about that kills the back end, which no check in it could prevent.
 */
#include "devices/virtio/vhost_user_back.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define RAM_SIZE 0x20000
#define QUEUES	 2
#define MAX_FDS	 15

struct message_header {
	uint8_t request, options;
	uint16_t size;
};

struct fuzz {
	struct vhost_user_back back;
	int socket;
	int ram_fd, event_fd;
	struct virtqueue_chain chain;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the place of vmm/base/log.c: writing lines would take most of the time. */
void log_line(enum log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void queue_stopping(struct vhost_user_back *back, uint32_t index)
{
	check(index < QUEUES && back->queues[index].started);
}

static int resize(struct vhost_user_back *back, uint64_t bytes)
{
	check(back->message.header.size == sizeof(bytes));
	return bytes % 2 == 0 ? 0 : -EINVAL;
}

static const struct vhost_user_back_device device = {
	.features = 0x5,
	.queue_count = QUEUES,
	.config = "0123456789",
	.config_size = 10,
	.queue_stopping = queue_stopping,
	.resize = resize,
};

static void fit_memory_table(uint8_t *payload, size_t size)
{
	struct vhost_user_memory table;

	if (size < VHOST_USER_MEMORY_HEADER_SIZE || size > sizeof(table))
		return;
	memcpy(&table, payload, size);
	for (size_t i = 0; i < VHOST_USER_MAX_REGIONS; i++) {
		struct vhost_user_region *region = &table.regions[i];

		region->mmap_offset %= RAM_SIZE;
		region->size %= RAM_SIZE - region->mmap_offset + 1;
	}
	memcpy(payload, &table, size);
}

static void send_part(struct fuzz *fuzz, const void *data, size_t size, size_t fd_count, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * MAX_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (fd_count != 0) {
		struct cmsghdr *rights;

		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
		rights = CMSG_FIRSTHDR(&message);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
		for (size_t i = 0; i < fd_count; i++)
			memcpy(CMSG_DATA(rights) + i * sizeof(int), &fd, sizeof(int));
	}
	check(sendmsg(fuzz->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size);
}

/* Takes every buffer there is, as a device does after a kick. */
static void serve_queues(struct fuzz *fuzz)
{
	struct vhost_user_back *back = &fuzz->back;
	const uint64_t one = 1;

	for (uint32_t i = 0; i < QUEUES; i++) {
		if (vhost_user_back_kick_fd(back, i) < 0)
			continue;
		check(write(fuzz->event_fd, &one, sizeof(one)) == sizeof(one));
		vhost_user_back_kicked(back, i);
		for (uint32_t n = 0; n < 64 && vhost_user_back_pop(back, i, &fuzz->chain) == 1;
			n++) {
			check(vhost_user_back_ready(back, i));
			virtqueue_copy_to_chain(&fuzz->chain, &back->memory, "device", 6);
			virtqueue_push(&back->queues[i].ring, fuzz->chain.head, 6);
		}
		vhost_user_back_signal(back, i);
	}
}

/* False when the conversation is over. */
static bool say(struct fuzz *fuzz, const struct message_header *header, const uint8_t *payload)
{
	uint8_t bytes[12 + 1024], sink[1024];
	const struct vhost_user_header wire = {
		.request = header->request,
		.flags = ((header->options & 0x40) != 0 ? 2 : VHOST_USER_VERSION) |
			((header->options & 0x20) != 0 ? VHOST_USER_NEED_REPLY : 0),
		.size = header->size,
	};
	size_t size = sizeof(wire) + header->size, first = size;
	int fd = (header->options & 0x10) != 0 ? fuzz->ram_fd : fuzz->event_fd;

	memcpy(bytes, &wire, sizeof(wire));
	memcpy(bytes + sizeof(wire), payload, header->size);
	if (wire.request == VHOST_USER_SET_MEM_TABLE)
		fit_memory_table(bytes + sizeof(wire), header->size);
	if ((header->options & 0x80) != 0)
		first = size / 2;
	send_part(fuzz, bytes, first, header->options & 0xf, fd);
	if (vhost_user_back_receive(&fuzz->back) != 0)
		return false;
	if (first < size) {
		send_part(fuzz, bytes + first, size - first, 0, -1);
		if (vhost_user_back_receive(&fuzz->back) != 0)
			return false;
	}
	/* A header cut in two takes a third look. */
	if (fuzz->back.received != 0 && vhost_user_back_receive(&fuzz->back) != 0)
		return false;
	check(fuzz->back.received == 0);
	/* What the answer says matters less than that it does not fill the socket. */
	check(recv(fuzz->socket, sink, sizeof(sink), MSG_DONTWAIT) != 0);
	return true;
}

static void open_files(struct fuzz *fuzz, const uint8_t *data, size_t size)
{
	if (fuzz->ram_fd <= 0) {
		fuzz->ram_fd = guest_memory_create_fd(RAM_SIZE);
		fuzz->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		check(fuzz->ram_fd >= 0 && fuzz->event_fd >= 0);
	}
	if (size > RAM_SIZE)
		size = RAM_SIZE;
	check(pwrite(fuzz->ram_fd, data, size, 0) == (ssize_t)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz fuzz;
	int pair[2];

	open_files(&fuzz, data, size);
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	fuzz.socket = pair[0];
	vhost_user_back_init(&fuzz.back, pair[1], &device);
	for (;;) {
		struct message_header header;

		if (size < sizeof(header))
			break;
		memcpy(&header, data, sizeof(header));
		data += sizeof(header);
		size -= sizeof(header);
		if (header.size > 1024)
			header.size %= 1024;
		if (header.size > size)
			header.size = (uint16_t)size;
		if (!say(&fuzz, &header, data))
			break;
		serve_queues(&fuzz);
		data += header.size;
		size -= header.size;
	}
	vhost_user_back_close(&fuzz.back);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
