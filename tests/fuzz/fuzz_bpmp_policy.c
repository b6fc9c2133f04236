/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of any MRQ, length and content, one after the other, and the host's answers to them.
 *
 * Input: the host's answers to what is asked at start; then requests: a byte that chooses the MRQ
 * (or 255: put everything back), a length, the payload; after each the host's answer if it was
 * asked.
 */
#include "tests/fuzz/bpmp_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_request(struct bpmp_server *server, struct fuzz_input *input, uint8_t mrq)
{
	struct bpmp_request request = { .mrq = mrq };
	struct bpmp_response response;
	uint8_t length = fuzz_byte(input);

	/* 0: the length that belongs to the MRQ. */
	if (length == 0) {
		if (!bpmp_request_size(mrq, &request.size))
			request.size = BPMP_DATA_SIZE;
	} else {
		request.size = length % (BPMP_DATA_SIZE + 1);
	}
	fuzz_take(input, request.data, request.size);
	memset(&response, 0xa5, sizeof(response));
	bpmp_server_serve(server, &request, &response);
	fuzz_check_response(server, &request, &response);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = { data, size };
	struct bpmp_server server;
	struct fuzz_host host;

	if (!fuzz_start(&host, &server, &input))
		return 0;
	for (int i = 0; i < 1000 && input.left; i++) {
		uint8_t mrq = fuzz_byte(&input);

		if (mrq != 255) {
			one_request(&server, &input, mrq);
			continue;
		}
		if (bpmp_server_restore(&server) == 0)
			fuzz_check(!server.undo.clocks[0].enabled);
		bpmp_server_guest_starts(&server);
	}
	bpmp_server_restore(&server);
	return 0;
}
