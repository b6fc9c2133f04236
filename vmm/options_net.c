/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/options_net.h"

#include "devices/virtio/vsock.h"

#include <errno.h>
#include <stdio.h>

int options_parse_vsock(struct options *options, const char *text, char *problem, size_t size)
{
	static const struct value_field cid_field = { "cid", VALUE_NUMBER, 0, NULL };
	uint64_t cid = 0;

	if (value_parse(text, &cid_field, 1, &cid, problem, size))
		return -EINVAL;
	if (cid < VSOCK_CID_MIN || cid > VSOCK_CID_MAX) {
		snprintf(problem, size, "a guest's CID is from %u to %u (0 to 2 are reserved)",
			VSOCK_CID_MIN, VSOCK_CID_MAX);
		return -EINVAL;
	}
	options->vsock_cid = (uint32_t)cid;
	return 0;
}
