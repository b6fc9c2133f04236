/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that becomes larger while its guest runs, from the machine's question to the next write.
 */
#include "tests/unit/block_guest.h"
#include "tests/unit/fakes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGER (2 * DISK_SECTORS * UINT64_C(512))

TestSuite(block_resize, .init = fake_log_capture, .timeout = 60);

static void start(void)
{
	block_guest_open();
	block_guest_start(DISK_FEATURES);
}

static int ask(uint64_t bytes)
{
	return vhost_user_front_resize(&device_guest.front.front, bytes);
}

static uint64_t image_size(void)
{
	struct stat status;

	cr_assert_eq(fstat(block_guest.image, &status), 0);
	return (uint64_t)status.st_size;
}

/* As the worker tells it. */
static uint64_t sectors(void)
{
	struct vhost_front *front = &device_guest.front.front;
	struct virtio_blk_config config;

	cr_assert_eq(front->ops->read_config(front, &config, sizeof(config)), 0);
	return config.capacity;
}

static uint8_t write_last_sector(uint64_t end)
{
	memset(block_guest_data(), 0x77, 512);
	return block_guest_do(VIRTIO_BLK_T_OUT, end - 1, 512, false, NULL);
}

Test(block_resize, grows_the_image_and_lets_the_guest_use_it)
{
	start();
	cr_assert_eq(write_last_sector(LARGER / 512), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(ask(LARGER), 0);
	cr_assert_eq(image_size(), LARGER);
	cr_assert_eq(sectors(), LARGER / 512);
	cr_assert_eq(write_last_sector(LARGER / 512), VIRTIO_BLK_S_OK);
	cr_assert_eq(write_last_sector(LARGER / 512 + 1), VIRTIO_BLK_S_IOERR);
	cr_assert_eq(*block_guest_image(LARGER - 1, 1), 0x77);
	cr_assert_eq(*block_guest_image(513, 1), block_guest_byte(513), "what was there stays");
	block_guest_end();
}

Test(block_resize, takes_what_the_image_has)
{
	start();
	cr_assert_eq(ask(0), 0);
	cr_assert_eq(sectors(), DISK_SECTORS);
	cr_assert_eq(ftruncate(block_guest.image, (off_t)LARGER), 0);
	cr_assert_eq(write_last_sector(LARGER / 512), VIRTIO_BLK_S_IOERR, "not before it is asked");
	cr_assert_eq(ask(LARGER - 512), 0);
	cr_assert_eq(image_size(), LARGER, "never shorter");
	cr_assert_eq(sectors(), LARGER / 512 - 1);
	cr_assert_eq(ask(0), 0);
	cr_assert_eq(sectors(), LARGER / 512);
	block_guest_end();
}

Test(block_resize, what_is_refused_changes_nothing)
{
	static const struct {
		uint64_t bytes;
		int error;
	} refused[] = {
		{ LARGER + 1, -EINVAL },
		{ DISK_SECTORS * 512 - 512, -ERANGE },
		{ 512, -ERANGE },
		{ UINT64_MAX & ~UINT64_C(511), -EINVAL },
		{ UINT64_C(1) << 63, -EINVAL },
	};

	start();
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		cr_assert_eq(ask(refused[i].bytes), refused[i].error, "%zu", i);
		cr_assert_eq(sectors(), DISK_SECTORS);
		cr_assert_eq(image_size(), DISK_SECTORS * 512);
	}
	cr_assert_eq(ftruncate(block_guest.image, 512), 0);
	cr_assert_eq(ask(0), -ERANGE);
	cr_assert_eq(sectors(), DISK_SECTORS);
	cr_assert_not_null(strstr(fake_log_text(), "its image has become shorter"));
	block_guest_end();
}

/* Every sector of the disk can then be reached past the page cache. */
Test(block_resize, direct_io_needs_whole_blocks)
{
	block_guest_open();
	block_guest.file.offset_alignment = 4096;
	block_guest_start(DISK_FEATURES);
	cr_assert_eq(ask(LARGER + 512), -EINVAL);
	cr_assert_eq(ask(LARGER + 4096), 0);
	block_guest_end();
}

static int ask_larger(struct vhost_front *front, void *context)
{
	(void)context;
	return vhost_user_front_resize(front, LARGER);
}

Test(block_resize, a_worker_that_is_gone_fails_the_device)
{
	start();
	cr_assert_eq(virtio_mmio_ask(&device_guest.mmio, ask_larger, NULL), 0);
	cr_assert_eq(device_guest.failure, 0);
	shutdown(device_guest.sockets[0], SHUT_RDWR);
	cr_assert_eq(virtio_mmio_ask(&device_guest.mmio, ask_larger, NULL), -ECONNRESET);
	cr_assert_eq(device_guest.failure, -ECONNRESET);
	device_guest.failure = 0;
	block_guest_end();
}

/* An errno is what a worker says, not what the machine believes: anything larger is none. */
Test(block_resize, an_answer_that_makes_no_sense_is_the_end)
{
	const struct vhost_user_header header = { VHOST_USER_RESIZE,
		VHOST_USER_VERSION | VHOST_USER_REPLY, sizeof(uint64_t) };
	static const struct {
		uint64_t answer;
		int error;
	} answers[] = {
		{ 0, 0 }, { ENOSPC, -ENOSPC }, { 4095, -4095 }, { 4096, -EPROTO },
		{ UINT64_MAX, -EPROTO }, { 0, -EPROTO }, /* the stream is not trusted any more */
	};
	struct vhost_user_front front;
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	front = (struct vhost_user_front){ .name = "test", .socket = pair[0], .deadline_ms = 5000 };
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		cr_assert_eq(write(pair[1], &header, sizeof(header)), (ssize_t)sizeof(header));
		cr_assert_eq(write(pair[1], &answers[i].answer, sizeof(uint64_t)), 8);
		cr_assert_eq(vhost_user_front_resize(&front.front, LARGER), answers[i].error);
	}
	close(pair[0]);
	close(pair[1]);
}
