/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/open_host.h"

#include "vmm/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int bpmp_open_host(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	int error = fd < 0 ? errno : 0;
	struct stat status;

	if (error == EACCES || error == EPERM)
		log_error("--bpmp host=%s: %s; have udev give it to your group: "
			  "KERNEL==\"bpmp-host*\", GROUP=\"kvm\", MODE=\"0660\"",
			path, strerror(error));
	else if (error)
		log_error(
			"--bpmp host=%s: %s; the host's kernel needs TEGRA_BPMP_HOST_PROXY and "
			"its device tree a bpmp-host-proxy node; where the node has another name, "
			"give it as --bpmp host=PATH",
			path, strerror(error));
	if (error)
		return -error;
	if (fstat(fd, &status) < 0 || !S_ISCHR(status.st_mode)) {
		log_error(
			"--bpmp host=%s: not a character device; name the host's BPMP node", path);
		close(fd);
		return -ENODEV;
	}
	return fd;
}
