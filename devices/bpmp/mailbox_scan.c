/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/bpmp/mailbox_scan.h"

#include "devices/bpmp/ivc.h"
#include "devices/bpmp/message.h"
#include "devices/bpmp/server.h"
#include "vmm/base/log.h"

#include <assert.h>
#include <string.h>

static_assert(BPMP_DATA_SIZE == sizeof(((struct bpmp_ivc_frame *)0)->data),
	"a frame holds one message with its header");

static void serve_frame(struct bpmp_server *server, const struct bpmp_ivc_frame *frame,
	struct bpmp_ivc_frame *answer)
{
	/* A frame does not say how long its message is, the MRQ does. */
	struct bpmp_request request = { .mrq = frame->code, .size = bpmp_frame_size(frame->code) };
	struct bpmp_response response;

	memcpy(request.data, frame->data, request.size);
	if (frame->flags & BPMP_FLAG_CRC_PRESENT) {
		/* Linux sends no checksums; an unchecked one must not pass for a checked one. */
		if (bpmp_refusals_count(
			    &server->policy.refusals, false, request.mrq, 0, 0, BPMP_EBADMSG))
			log_warning("refused the guest's MRQ %u: it carries a checksum, which is "
				    "not supported",
				request.mrq);
		bpmp_respond_error(&response, BPMP_EBADMSG);
	} else {
		bpmp_server_serve(server, &request, &response);
	}
	answer->code = (uint32_t)response.error;
	answer->flags = 0;
	memcpy(answer->data, response.data, sizeof(answer->data));
}

bool bpmp_mailbox_scan(struct bpmp_ivc *ivc, struct bpmp_server *server)
{
	struct bpmp_ivc_frame frame, answer;
	bool ring = false;

	for (size_t channel = 0; channel < BPMP_IVC_CHANNELS; channel++)
		ring |= bpmp_ivc_synchronize(ivc, channel);
	for (size_t channel = 0; channel < BPMP_IVC_CHANNELS; channel++) {
		if (!bpmp_ivc_receive(ivc, channel, &frame))
			continue;
		serve_frame(server, &frame, &answer);
		if (frame.flags & BPMP_FLAG_DO_ACK)
			bpmp_ivc_respond(ivc, channel, &answer);
		else
			bpmp_ivc_respond(ivc, channel, NULL);
		ring |= (frame.flags & BPMP_FLAG_RING_DB) != 0;
	}
	return ring;
}
