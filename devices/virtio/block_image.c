/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/block_image.h"

#include "devices/virtio/block.h"
#include "devices/virtio/block_io.h"
#include "devices/virtio/block_request.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

/*
 * Where QEMU keeps its locks on an image (RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE in its
 * block/file-posix.c): byte 100 + n while it has the permission n, byte 200 + n while it shares n
 * with nobody. 0 is "read", 1 is "write". A writer of ours locks the whole file, which conflicts
 * with all of them.
 */
#define QEMU_READS	     100
#define QEMU_WRITES	     101
#define QEMU_LETS_NONE_WRITE 201

static const char *remedy(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return "give this user permission (chmod or a group), or add ,ro";
	case EROFS:
		return "its file system is read-only; add ,ro";
	case EBUSY:
		return "the device is mounted or in use; unmount it, or add ,ro";
	case EINVAL:
		return "its file system may not know O_DIRECT; leave ,direct away";
	default:
		return "check the path";
	}
}

/* What the option names is no good: wrong usage, whatever the cause. */
static int complain(const struct block_options *options, const char *what)
{
	log_error("--disk %s: %s", options->path, what);
	return -EINVAL;
}

static int open_file(struct block_image *image, const struct block_options *options)
{
	struct stat status = { 0 };
	int flags = O_CLOEXEC | O_NONBLOCK | (options->read_only ? O_RDONLY : O_RDWR) |
		(options->direct ? O_DIRECT : 0);

	if (stat(options->path, &status) == 0 && S_ISBLK(status.st_mode) && !options->read_only)
		flags |= O_EXCL; /* refused while it is mounted */
	image->fd = open(options->path, flags);
	if (image->fd < 0 || fstat(image->fd, &status) < 0) {
		int error = errno;

		log_error("--disk %s: %s; %s", options->path, strerror(error), remedy(error));
		return -EINVAL;
	}
	if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode))
		return complain(options,
			S_ISDIR(status.st_mode) ? "is a directory; give an image or a block device"
						: "is neither a regular file nor a block device");
	image->mode = status.st_mode;
	image->size = (uint64_t)status.st_size;
	return 0;
}

static int lock_byte(int fd, int type, off_t start, off_t length)
{
	struct flock lock = {
		.l_type = (short)type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* Whether a QEMU writes to the image, which our shared locks do not keep from it. */
static bool qemu_writes(int fd)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = QEMU_WRITES, .l_len = 1
	};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static int lock_image(const struct block_image *image, const struct block_options *options)
{
	int error;

	if (options->read_only) {
		error = lock_byte(image->fd, F_RDLCK, 0, 1);
		if (error == 0)
			error = lock_byte(image->fd, F_RDLCK, QEMU_READS, 1);
		if (error == 0)
			error = lock_byte(image->fd, F_RDLCK, QEMU_LETS_NONE_WRITE, 1);
		if (error == 0 && qemu_writes(image->fd))
			error = -EAGAIN;
	} else {
		error = lock_byte(image->fd, F_WRLCK, 0, 0);
	}
	if (error == -EAGAIN || error == -EACCES)
		log_error("--disk %s: another VM has the image open%s; end it first%s",
			options->path, options->read_only ? " for writing" : "",
			options->read_only ? "" : ", or add ,ro where all of them only read");
	else if (error != 0)
		log_error("--disk %s: cannot lock the image: %s; put it on a file system that has "
			  "locks",
			options->path, strerror(-error));
	return error;
}

/* Asked for a range that begins within a sector and ends behind the device: none is discarded. */
static bool device_can_discard(const struct block_image *image)
{
	const uint64_t range[] = { image->size + 1, BLOCK_MAX_ALIGNMENT };

	return ioctl(image->fd, BLKDISCARD, range) < 0 && errno == EINVAL;
}

static int measure_device(struct block_image *image, const struct block_options *options)
{
	int logical = 0;
	unsigned int physical = 0;

	if (ioctl(image->fd, BLKGETSIZE64, &image->size) < 0 ||
		ioctl(image->fd, BLKSSZGET, &logical) < 0 ||
		ioctl(image->fd, BLKPBSZGET, &physical) < 0)
		return complain(options, "the device does not tell its sizes");
	if (logical < (int)BLOCK_SECTOR || (logical & (logical - 1)) != 0)
		return complain(options, "the device has blocks of an odd size");
	image->logical_size = (uint32_t)logical;
	image->physical_size = physical < image->logical_size ? image->logical_size : physical;
	image->can_discard = device_can_discard(image);
	return 0;
}

/* Whether the file system can make holes: asked for one behind the end, which changes nothing. */
static bool can_punch(const struct block_image *image)
{
	return fallocate(image->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)image->size,
		       4096) == 0;
}

static int measure_file(struct block_image *image, const struct block_options *options)
{
	image->logical_size = BLOCK_SECTOR;
	image->physical_size = 4096; /* a page, and the block of nearly every file system */
	image->can_discard = !options->read_only && can_punch(image);
	if (image->size == 0)
		return complain(options, "is empty; make it with truncate -s SIZE");
	if (image->size % BLOCK_SECTOR != 0)
		return complain(options,
			"its size is no multiple of 512; if it is a raw image, truncate -s %512 "
			"rounds it up");
	return 0;
}

/* What direct I/O needs here; where the host does not say, what is enough everywhere. */
static int find_alignment(struct block_image *image, const struct block_options *options)
{
	struct statx status = { 0 };

	image->memory_alignment = image->offset_alignment = 1;
	if (!options->direct)
		return 0;
	image->memory_alignment = image->offset_alignment = BLOCK_MAX_ALIGNMENT;
	if (S_ISBLK(image->mode))
		image->offset_alignment = image->logical_size;
	if (statx(image->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
		(status.stx_mask & STATX_DIOALIGN) != 0 && status.stx_dio_offset_align != 0) {
		image->memory_alignment = status.stx_dio_mem_align;
		image->offset_alignment = status.stx_dio_offset_align;
	}
	if (image->memory_alignment > BLOCK_MAX_ALIGNMENT ||
		image->offset_alignment > BLOCK_MAX_ALIGNMENT || image->memory_alignment == 0 ||
		image->size % image->offset_alignment != 0) {
		log_error("--disk %s: direct I/O here needs a size that is a multiple of %u bytes; "
			  "leave ,direct away, or truncate -s %%%u",
			options->path, image->offset_alignment, image->offset_alignment);
		return -EINVAL;
	}
	return 0;
}

static int measure(struct block_image *image, const struct block_options *options)
{
	int error = S_ISBLK(image->mode) ? measure_device(image, options)
					 : measure_file(image, options);

	return error == 0 ? find_alignment(image, options) : error;
}

static bool begins_as_qcow2(const struct block_image *image)
{
	static const char magic[] = { 'Q', 'F', 'I', '\xfb' };
	char head[BLOCK_MAX_ALIGNMENT] __attribute__((aligned(BLOCK_MAX_ALIGNMENT))) = { 0 };

	return pread(image->fd, head, sizeof(head), 0) >= (ssize_t)sizeof(magic) &&
		memcmp(head, magic, sizeof(magic)) == 0;
}

/*
 * What the option says is what it is: the guest can write any first bytes into its raw disk. That a
 * raw one begins so is said, as who comes from a program that guesses has forgotten the option.
 * All else in a qcow2 image is for qemu-storage-daemon to judge.
 */
static int check_format(const struct block_image *image, const struct block_options *options)
{
	bool looks_so = begins_as_qcow2(image);

	if (options->qcow2 && !looks_so)
		return complain(
			options, "is no qcow2 image; if it is a raw one, leave format=qcow2 away");
	if (!options->qcow2 && looks_so)
		log_warning("--disk %s: begins as a qcow2 image does, and the guest sees that as "
			    "it is; to give it the disk inside, add ,format=qcow2",
			options->path);
	return 0;
}

int block_image_open(struct block_image *image, const struct block_options *options)
{
	int error;

	*image = (struct block_image){ .fd = -1 };
	error = open_file(image, options);
	if (error == 0)
		error = lock_image(image, options);
	if (error == 0)
		error = check_format(image, options);
	if (error == 0 && !options->qcow2)
		error = measure(image, options);
	if (error != 0)
		block_image_close(image);
	return error;
}

void block_image_close(struct block_image *image)
{
	close_fd(&image->fd);
}
