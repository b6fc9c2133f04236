/* SPDX-License-Identifier: Apache-2.0 */
/* Directories that the guest shares with the host (virtio 1.2, section 5.11). */
#ifndef DEVICES_VIRTIO_FS_H
#define DEVICES_VIRTIO_FS_H

struct device;
struct machine;

/* Bytes of a tag, which need not end in a NUL (5.11.4). */
#define FS_TAG_SIZE 36

/* `--fs`. Strings live as long as the process. */
struct fs_options {
	const char
		*vhost_user; /* socket of a back end that somebody else runs, such as virtiofsd */
	const char *tag;     /* what the guest mounts, 1 to FS_TAG_SIZE bytes */
};

/*
 * Connects to the back end; claims a register file and an interrupt. Returns 0 with *device, or
 * -errno with a line logged that names cause and remedy.
 */
int fs_create(struct machine *machine, const struct fs_options *options, struct device **device);

#endif
