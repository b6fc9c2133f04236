/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's side of a disk: its image, its back end, its place in the machine. */
#include "devices/virtio/block.h"

#include "devices/virtio/block_image.h"
#include "devices/virtio/block_program.h"
#include "devices/virtio/block_start.h"
#include "devices/virtio/virtio_device.h"
#include "vmm/base/log.h"
#include "vmm/base/unix_socket.h"
#include "vmm/base/util.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

/* What is in flight may be finished, then the worker ends. */
#define END_GRACE_MS	    2000
#define PROGRAM_GRACE_MS    10000 /* it has metadata of its own to write */

/*
 * Bytes of configuration space that another's back end is asked for: up to the last field of virtio
 * 1.1, write_zeroes_may_unmap with its padding. qemu-storage-daemon refuses to be asked for more
 * than it knows of.
 */
#define FOREIGN_CONFIG_SIZE 60

/* Features of the device's type whose fields come behind that. */
#define BEYOND_CONFIG	    (BIT(24) - BIT(VIRTIO_BLK_F_WRITE_ZEROES + 1))

_Static_assert(VIRTIO_MMIO_MAX_QUEUES <= VHOST_USER_BACK_MAX_QUEUES,
	"a disk may have as many queues as a register file");

struct block {
	struct virtio_device virtio;
	char name[96];
	bool is_own; /* a worker of ours has the image, which is: */
	bool is_device, read_only;
};

static void block_destroy(struct device *device)
{
	struct block *block = container_of(device, struct block, virtio.device);

	virtio_device_close(&block->virtio,
		block->virtio.worker.stop_signal == 0 ? END_GRACE_MS : PROGRAM_GRACE_MS);
	free(block);
}

static const struct device_ops block_ops = {
	.describe = virtio_device_describe,
	.attach = virtio_device_attach,
	.quiesce = virtio_device_quiesce,
	.destroy = block_destroy,
};

static int start_worker(const struct block *block, const struct block_options *options,
	const struct block_image *image, struct worker *worker)
{
	struct block_start start = {
		.shape = {
			.disk = {
				.sectors = image->size / BLOCK_SECTOR,
				.read_only = options->read_only,
				.can_discard = image->can_discard,
			},
			.logical_size = image->logical_size,
			.physical_size = image->physical_size,
			.queue_count = options->queue_count,
		},
		.memory_alignment = image->memory_alignment,
		.offset_alignment = image->offset_alignment,
	};

	memcpy(start.name, block->name, sizeof(start.name));
	if (options->serial != NULL)
		memcpy(start.shape.disk.id, options->serial,
			strnlen(options->serial, BLOCK_ID_SIZE));
	return worker_start_with(worker, "block", &image->fd, 1, true, &start, sizeof(start));
}

static int open_own(
	struct block *block, struct machine *machine, const struct block_options *options)
{
	const struct virtio_device_options device = {
		.name = block->name,
		.ops = &block_ops,
		.device_id = VIRTIO_ID_BLOCK,
		.queue_count = options->queue_count,
		.queue_size_max = BLOCK_QUEUE_SIZE,
		.config_size = sizeof(struct virtio_blk_config),
	};
	struct block_image image;
	struct worker worker;
	int error = block_image_open(&image, options);

	if (error != 0)
		return error;
	block->is_own = true;
	block->is_device = S_ISBLK(image.mode);
	block->read_only = options->read_only;
	error = start_worker(block, options, &image, &worker);
	/* The worker has a descriptor of its own, and the lock with it. */
	block_image_close(&image);
	return error == 0 ? virtio_device_init(&block->virtio, machine, &device, &worker) : error;
}

/*
 * A back end that is not ours: a program that is started here, or somebody else's.
 * qemu-storage-daemon has a write cache and says in its configuration that it has none, so a guest
 * that may look would not flush. One that may not takes it that there is one (5.2.6.2).
 */
static int open_foreign(
	struct block *block, struct machine *machine, const struct block_options *options)
{
	const struct virtio_device_options device = {
		.name = block->name,
		.ops = &block_ops,
		.device_id = VIRTIO_ID_BLOCK,
		.queue_count = VIRTIO_MMIO_MAX_QUEUES,
		.fewer_queues = true,
		.queues_field = offsetof(struct virtio_blk_config, num_queues),
		.hidden = BIT(VIRTIO_BLK_F_CONFIG_WCE) | BEYOND_CONFIG,
		.uses_all = true,
		.queue_size_max = BLOCK_QUEUE_SIZE,
		.config_size = FOREIGN_CONFIG_SIZE,
	};
	struct worker worker;
	int error = options->qcow2 ? block_program_start(&worker, options)
				   : virtio_device_connect(&worker, "--disk", options->vhost_user);

	if (error != 0)
		return error;
	error = virtio_device_init(&block->virtio, machine, &device, &worker);
	if (error != 0 && options->qcow2)
		log_error("--disk %s: qemu-storage-daemon does not serve it; what it says above is "
			  "the cause",
			options->path);
	return error;
}

struct size_question {
	const struct block *block;
	uint64_t bytes; /* 0: what it has */
	struct virtio_blk_config config;
};

static uint64_t capacity_of(const void *config)
{
	struct virtio_blk_config copy;

	memcpy(&copy.capacity, config, sizeof(copy.capacity));
	return le64toh(copy.capacity);
}

static int ask_for_size(struct vhost_front *front, void *context)
{
	struct size_question *question = context;
	const struct virtio_mmio *mmio = &question->block->virtio.mmio;
	uint64_t before = capacity_of(mmio->config);
	int error = 0;

	if (question->bytes != 0 && question->bytes / BLOCK_SECTOR < before)
		return -ERANGE;
	if (question->block->is_own)
		error = vhost_user_front_resize(front, question->bytes);
	if (error == 0)
		error = front->ops->read_config(front, &question->config, mmio->config_size);
	return error == 0 && capacity_of(&question->config) < before ? -ERANGE : error;
}

/* Why it is not for this VM to make the image larger; NULL: it may. */
static const char *cannot_grow(const struct block *block, uint64_t bytes)
{
	if (!block->is_own)
		return "its back end is a program that has to resize it; then leave SIZE away";
	if (block->is_device)
		return "it is a block device, which has the size that the host gives it; leave "
		       "SIZE away";
	if (block->read_only)
		return "it is read-only (ro), and so is its image; leave SIZE away";
	return bytes % BLOCK_SECTOR != 0 ? "a disk's size is a multiple of 512 bytes" : NULL;
}

const char *block_resize(struct device *device, uint64_t *bytes)
{
	struct block *block = container_of(device, struct block, virtio.device);
	struct size_question question = { .block = block, .bytes = *bytes };
	const char *reason = *bytes != 0 ? cannot_grow(block, *bytes) : NULL;
	int error;

	if (reason != NULL)
		return reason;
	error = virtio_mmio_ask(&block->virtio.mmio, ask_for_size, &question);
	if (error == -ERANGE)
		return "a disk cannot become smaller while a guest has it";
	if (error == -EREMOTEIO && !block->is_own)
		return "its back end does not tell how long it is";
	if (error != 0)
		return "that cannot be done; the VM's log says why";
	virtio_device_change_config(&block->virtio, &question.config);
	*bytes = capacity_of(&question.config) * BLOCK_SECTOR;
	log_info("%s: has %llu bytes now", block->name, (unsigned long long)*bytes);
	return NULL;
}

int block_check(const struct block_options *options)
{
	struct block_image image;
	int error, missing;

	if (options->path == NULL)
		return virtio_device_check_peer("--disk", options->vhost_user);
	error = block_image_open(&image, options);
	if (error == 0)
		block_image_close(&image);
	missing = options->qcow2 ? block_program_check() : 0;
	return error != 0 ? error : missing;
}

int block_create(
	struct machine *machine, const struct block_options *options, struct device **device)
{
	struct block *block = calloc(1, sizeof(*block));
	int error;

	*device = NULL;
	if (block == NULL)
		return -ENOMEM;
	snprintf(block->name, sizeof(block->name), "disk %s",
		options->path != NULL ? options->path : options->vhost_user);
	if (machine->planning)
		error = virtio_device_plan(machine, block->name);
	else if (options->path != NULL && !options->qcow2)
		error = open_own(block, machine, options);
	else
		error = open_foreign(block, machine, options);
	if (error != 0 || machine->planning) {
		free(block);
		return error;
	}
	*device = &block->virtio.device;
	return 0;
}
