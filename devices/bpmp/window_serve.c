/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/window_serve.h"

#include "devices/bpmp/server.h"
#include "devices/bpmp/window.h"
#include "vmm/base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Longer than any MRQ's: nothing of it is looked at. */
static void refuse_long(struct bpmp_server *server, const struct bpmp_window_request *request)
{
	if (bpmp_refusals_count(&server->policy.refusals, false, request->mrq, 0, 0, BPMP_EINVAL))
		log_warning("refused the guest's MRQ %u: its %u bytes are more than a request has",
			request->mrq, request->size);
}

void bpmp_window_serve_request(struct bpmp_server *server,
	const struct bpmp_window_request *request, struct bpmp_window_answer *answer)
{
	struct bpmp_request inner = { .mrq = request->mrq, .size = request->size };
	struct bpmp_response response;

	memset(answer, 0, sizeof(*answer));
	answer->sequence = request->sequence;
	answer->code = BPMP_WINDOW_FAILED;
	if (request->size > sizeof(inner.data)) {
		refuse_long(server, request);
		return;
	}
	memcpy(inner.data, request->data, request->size);
	/* What the host's proxy, or this VM's policy in its place, does not let through is a failed
	 * write to the VMMs that this face is copied from: the guest sees -EIO. */
	if (!bpmp_server_serve(server, &inner, &response))
		return;
	answer->code = response.error;
	answer->size = response.size;
	memcpy(answer->data, response.data, sizeof(answer->data));
}

bool bpmp_window_serve(int fd, struct bpmp_server *server)
{
	struct bpmp_window_request request;
	struct bpmp_window_answer answer;
	ssize_t size = recv(fd, &request, sizeof(request), MSG_DONTWAIT | MSG_TRUNC);

	if (size < 0)
		return errno == EAGAIN || errno == EINTR;
	if (size != (ssize_t)sizeof(request))
		return false;
	bpmp_window_serve_request(server, &request, &answer);
	/* One request is under way at a time, so there is room. */
	return send(fd, &answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT) ==
		(ssize_t)sizeof(answer);
}

void bpmp_window_discard(int fd)
{
	struct bpmp_window_request request;

	while (recv(fd, &request, sizeof(request), MSG_DONTWAIT) > 0)
		;
}
