/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/audit.h"
#include "devices/bpmp/bpmp.h"
#include "devices/bpmp/journal_file.h"
#include "devices/bpmp/open_host.h"

#include <unistd.h>

int bpmp_check(const struct bpmp_options *options)
{
	int fd = bpmp_open_host(options->host);
	int journal = bpmp_journal_check(options->name);
	int audit = options->audit ? bpmp_audit_check(options->audit) : 0;

	if (fd < 0)
		return fd;
	close(fd);
	return journal ? journal : audit;
}
