/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes and names of the MRQs that this program understands, and requests of its own. */
#ifndef DEVICES_BPMP_MESSAGE_H
#define DEVICES_BPMP_MESSAGE_H

#include "devices/bpmp/abi.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The exact payload size of requests of `mrq`, as every Linux client sends them. False for an
 * MRQ that this program does not understand.
 */
bool bpmp_request_size(uint32_t mrq, uint32_t *size);

/* The size to take for a request whose transport does not say it: the longest of its kind. */
uint32_t bpmp_frame_size(uint32_t mrq);

/* What a request is about; fields that it does not have are 0. */
struct bpmp_call {
	uint32_t mrq;
	uint32_t command;
	uint32_t id;
};

/* Reads no further than request->size; what is cut off counts as 0. */
struct bpmp_call bpmp_call_of(const struct bpmp_request *request);

/* Payload bytes of the firmware's answer to a call that succeeded; at most, where it varies. */
uint32_t bpmp_response_size(const struct bpmp_call *call);

/* "CLK SET_RATE of clock 155", for the log. Returns `text`. */
const char *bpmp_call_text(const struct bpmp_call *call, char *text, size_t size);

/* Requests in the form that Linux sends, unused fields 0. */
struct bpmp_request bpmp_clk_request(uint32_t command, uint32_t id);
struct bpmp_request bpmp_clk_rate_request(uint32_t command, uint32_t id, int64_t rate);
struct bpmp_request bpmp_clk_parent_request(uint32_t id, uint32_t parent);
struct bpmp_request bpmp_reset_request(uint32_t command, uint32_t id);
struct bpmp_request bpmp_pg_request(uint32_t command, uint32_t id, uint32_t argument);
struct bpmp_request bpmp_query_abi_request(uint32_t mrq);

/* An answer with an error and no payload; `error` as in enum bpmp_error, positive. */
void bpmp_respond_error(struct bpmp_response *response, int error);

/* A successful answer of `size` bytes, at most BPMP_DATA_SIZE. */
void bpmp_respond(struct bpmp_response *response, const void *data, size_t size);

static inline void bpmp_respond_u32(struct bpmp_response *response, uint32_t value)
{
	bpmp_respond(response, &value, sizeof(value));
}

/* The first word of a payload; 0 when it has none. */
uint32_t bpmp_response_u32(const struct bpmp_response *response);

/* Ends a name that the host gave, and replaces what cannot stand in a file or log name. */
void bpmp_clean_name(char name[BPMP_NAME_SIZE]);

#endif
