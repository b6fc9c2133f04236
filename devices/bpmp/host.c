/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/host.h"

#include "vmm/base/util.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int node_transfer(
	struct bpmp_host *host, const struct bpmp_request *request, struct bpmp_response *response)
{
	struct bpmp_host_node *node = container_of(host, struct bpmp_host_node, host);
	/* The kernel writes to the request's buffer too, and reads the answer's. */
	uint8_t tx[BPMP_DATA_SIZE] = { 0 }, rx[BPMP_DATA_SIZE] = { 0 };
	uint32_t room = response->size;
	struct bpmp_host_wire wire = { .mrq = request->mrq };
	ssize_t written;

	if (request->size > sizeof(tx) || room > sizeof(rx))
		return -EINVAL;
	memcpy(tx, request->data, request->size);
	wire.tx_data = (uintptr_t)tx;
	wire.tx_size = request->size;
	wire.rx_data = (uintptr_t)rx;
	wire.rx_size = room;

	written = node->write(node->fd, &wire, sizeof(wire));
	/* The compiler must not assume that write() leaves the buffers alone. */
	__asm__ volatile("" : : "r"(&wire), "r"(rx) : "memory");
	if (written < 0)
		return -errno;
	if (written != sizeof(wire) || wire.rx_size > room)
		return -EIO;
	memset(response, 0, sizeof(*response));
	response->error = wire.rx_return;
	response->size = (uint32_t)wire.rx_size;
	memcpy(response->data, rx, response->size);
	return 0;
}

void bpmp_host_node_init(struct bpmp_host_node *node, int fd)
{
	node->host.transfer = node_transfer;
	node->fd = fd;
	node->write = write;
}

int bpmp_host_ask(
	struct bpmp_host *host, const struct bpmp_request *request, struct bpmp_response *response)
{
	struct bpmp_call call = bpmp_call_of(request);

	memset(response, 0, sizeof(*response));
	response->size = bpmp_response_size(&call);
	return host->transfer(host, request, response);
}

int bpmp_error_of_errno(int error)
{
	switch (error) {
	case EPERM: /* the proxy's allow-list */
	case EACCES:
		return BPMP_EACCES;
	case EINVAL: /* an older proxy's only word: denied, no answer, anything */
		return BPMP_EINVAL;
	case ENODEV: /* the host has no BPMP yet, or its node is gone */
	case ENXIO:
	case EFAULT: /* an older proxy's word for that; our own buffers are always there */
		return BPMP_ENODEV;
	case ETIMEDOUT:
	case ETIME:
		return BPMP_ETIMEDOUT;
	case EAGAIN: /* the host's BPMP is suspended */
	case EINTR:
		return BPMP_EAGAIN;
	case EBUSY:
		return BPMP_EBUSY;
	case ENOMEM:
		return BPMP_ENOMEM;
	default: /* EOVERFLOW, EIO: nothing that a guest could act on */
		return BPMP_EIO;
	}
}

const char *bpmp_host_failure(const struct bpmp_call *call, int error, char *text, size_t size)
{
	const char *list = call->mrq == BPMP_MRQ_RESET ? "allowed-resets"
		: call->mrq == BPMP_MRQ_PG	       ? "allowed-power-domains"
						       : "allowed-clocks";
	bool has_list = call->mrq == BPMP_MRQ_RESET || call->mrq == BPMP_MRQ_PG ||
		call->mrq == BPMP_MRQ_CLK;

	switch (error) {
	case EPERM:
	case EACCES:
		if (!has_list) {
			snprintf(text, size,
				"the host's bpmp-host-proxy lets no VM send such requests");
			break;
		}
		snprintf(text, size,
			"the host's allow-list denies it; add %u to %s of the bpmp-host-proxy node "
			"in the host's device tree",
			call->id, list);
		break;
	case EINVAL:
		snprintf(text, size,
			"the host's bpmp-host-proxy is an older one that does not say why; see the "
			"host's kernel log, or its allow-list for %u",
			call->id);
		break;
	case ENODEV:
	case ENXIO:
	case EFAULT:
		snprintf(text, size,
			"the host has no BPMP at hand; no driver of the host that uses it has "
			"started yet, or its node is gone");
		break;
	case EAGAIN:
		snprintf(text, size, "the host's BPMP is suspended");
		break;
	case EBUSY:
		snprintf(text, size, "the host's BPMP has no free channel; others keep it busy");
		break;
	case ENOMEM:
		snprintf(text, size, "the host is out of memory");
		break;
	case EIO:
	case EOVERFLOW:
		snprintf(text, size, "the host's bpmp-host-proxy gave an answer that is none");
		break;
	case ETIMEDOUT:
	case ETIME:
		snprintf(text, size, "the host's BPMP does not answer");
		break;
	default:
		/* Not strerror(): for a number that it does not know it allocates memory. */
		snprintf(text, size, "the host's bpmp-host-proxy said error %d", error);
		break;
	}
	return text;
}

bool bpmp_errno_leaves_doubt(int error)
{
	switch (error) {
	case EPERM:
	case EACCES:
	case ENODEV:
	case ENXIO:
	case EAGAIN:
	case EBUSY:
	case ENOMEM:
	case EBADF:
		return false;
	default:
		return true;
	}
}
