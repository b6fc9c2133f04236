/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options_disk.h"

#include "devices/virtio/fs.h"
#include "vmm/base/util.h"
#include "vmm/options.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* One `--disk` as it is written; block_options is what it means. */
struct disk_text {
	const char *path, *serial, *vhost_user;
	bool read_only, direct;
	int format; /* index in format_choices; -1: not given */
};

/* Never guessed: a raw image's contents are the guest's to choose. */
static const char *const format_choices[] = { "raw", "qcow2", NULL };
#define FORMAT_QCOW2 1

#define FIELD(key, type, member)                                                                   \
	{                                                                                          \
		key, type, offsetof(struct disk_text, member), NULL                                \
	}

static const struct value_field disk_fields[] = {
	FIELD("path", VALUE_STRING, path),
	FIELD("ro", VALUE_BOOL, read_only),
	FIELD("direct", VALUE_BOOL, direct),
	FIELD("serial", VALUE_STRING, serial),
	{ "format", VALUE_CHOICE, offsetof(struct disk_text, format), format_choices },
	FIELD("vhost-user", VALUE_STRING, vhost_user),
};

/* NULL, or what is wrong with it. */
static const char *wrong_serial(const char *serial)
{
	size_t length = strlen(serial);

	if (length == 0 || length > BLOCK_SERIAL_MAX)
		return "serial has 1 to 20 characters";
	for (size_t i = 0; i < length; i++)
		if (!isgraph((unsigned char)serial[i]) || serial[i] == '/')
			return "serial has letters, digits and marks, without spaces and slashes";
	return NULL;
}

/* NULL, or what does not go together. */
static const char *wrong_disk(const struct disk_text *disk)
{
	if (disk->path != NULL && disk->vhost_user != NULL)
		return "give a path or vhost-user=SOCKET, not both";
	if (disk->vhost_user != NULL &&
		(disk->read_only || disk->direct || disk->serial != NULL || disk->format >= 0))
		return "ro, direct, serial and format are for the back end of vhost-user to say";
	if ((disk->vhost_user != NULL && !*disk->vhost_user) ||
		(disk->vhost_user == NULL && (disk->path == NULL || !*disk->path)))
		return "give the path of an image or block device, or vhost-user=SOCKET";
	if (disk->format == FORMAT_QCOW2 && disk->serial != NULL)
		return "qemu-storage-daemon, which serves qcow2, has no serials to give; leave "
		       "serial away, or convert the image (qemu-img convert -O raw IN OUT)";
	return disk->serial != NULL ? wrong_serial(disk->serial) : NULL;
}

int options_parse_disk(struct options *options, const char *text, char *problem, size_t size)
{
	struct disk_text given = { .format = -1 };
	const char *wrong;

	if (value_parse(text, disk_fields, ARRAY_SIZE(disk_fields), &given, problem, size))
		return -EINVAL;
	wrong = options->disk_count == MAX_DISKS ? "at most 16 disks" : wrong_disk(&given);
	if (wrong != NULL) {
		snprintf(problem, size, "%s", wrong);
		return -EINVAL;
	}
	options->disks[options->disk_count++] = (struct block_options){
		.path = given.path,
		.vhost_user = given.vhost_user,
		.serial = given.serial,
		.read_only = given.read_only,
		.direct = given.direct,
		.qcow2 = given.format == FORMAT_QCOW2,
	};
	return 0;
}

/* NULL, or what is wrong with it. */
static const char *wrong_fs(const struct options *options, const struct fs_options *fs)
{
	if (fs->vhost_user == NULL || !*fs->vhost_user)
		return "give vhost-user=SOCKET, of a virtiofsd that shares the directory";
	if (fs->tag == NULL || !*fs->tag || strlen(fs->tag) > FS_TAG_SIZE)
		return "give tag=TAG, 1 to 36 bytes that the guest mounts it by";
	for (size_t i = 0; i < options->fs_count; i++)
		if (strcmp(options->fs[i].tag, fs->tag) == 0)
			return "the tag is given twice";
	return options->fs_count == MAX_FS ? "at most 8 of them" : NULL;
}

int options_parse_fs(struct options *options, const char *text, char *problem, size_t size)
{
	static const struct value_field fields[] = {
		{ "vhost-user", VALUE_STRING, offsetof(struct fs_options, vhost_user), NULL },
		{ "tag", VALUE_STRING, offsetof(struct fs_options, tag), NULL },
	};
	struct fs_options given = { NULL, NULL };
	const char *wrong;

	/* Nothing stands without its key here. */
	if (value_begins_bare(text)) {
		snprintf(problem, size, "give vhost-user=SOCKET,tag=TAG");
		return -EINVAL;
	}
	if (value_parse(text, fields, ARRAY_SIZE(fields), &given, problem, size))
		return -EINVAL;
	wrong = wrong_fs(options, &given);
	if (wrong != NULL) {
		snprintf(problem, size, "%s", wrong);
		return -EINVAL;
	}
	options->fs[options->fs_count++] = given;
	return 0;
}
